"""`dcql lock` and `dcql verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.lock import Lock
    from dcql.verify import Outcome

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A .dcql file, or the name of a recipe that ships.")]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A recipe with a lock beside it, a .lock file, or a run's folder.")
]
PoolOption = Annotated[
    str | None,
    typer.Option("--pool", "-p", metavar="POOL", help="An added pool's name; the one that the lock names without it."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Give a PARAM of the recipe another value; may repeat."),
]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit with 3 where the lock would change.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The lock's file, if not beside the recipe.")
]
Perturb = Annotated[
    bool,
    typer.Option(
        "--perturb", help="Run again with other threads, memory, orders of files, and without what the pool recorded."
    ),
]


def lock_command(
    recipe: Recipe, pool: PoolOption = None, set_: SetOption = None, check: Check = False, output: Output = None
) -> None:
    """Write the lock of a recipe: what it selects from a pool, and everything that decides it.

    The lock is recipe.lock beside recipe.dcql, to be committed with it; that of a recipe that ships is written here.
    `dcql run --locked` and `dcql verify` hold a
    run to it.
    """
    from dcql.compiler import find_recipe, run
    from dcql.errors import printable
    from dcql.lock import read_lock, write_lock
    from dcql.lock_changes import changes
    from dcql.locking import lock_file, lock_of, refuse_raw, refuse_two_values, stale

    _, file = find_recipe(recipe)
    path = output if output is not None else lock_file(recipe, file)
    old = read_lock(path) if check else _readable(path)
    opened = open_chosen(pool, old.pool_name if old is not None else None)
    refuse_raw(opened)
    lock = lock_of(run(recipe, opened, _settings(set_)))
    if check:
        assert old is not None
        stale(old, lock, path)
        typer.echo(f"{path.name} is current: {lock.subset}")
        return
    if old is not None:
        refuse_two_values(old, lock, path.name)
    write_lock(lock, path)
    if old is not None:
        for line in changes(old, lock).lines:
            typer.echo(f"  {printable(line)}")
    typer.echo(f"{path.name}: {lock.distinct:,} of {lock.samples:,} samples of {lock.pool_name}")
    typer.echo(lock.subset)


def verify_command(target: Target, pool: PoolOption = None, perturb: Perturb = False) -> None:
    """Compute a locked subset or a run again, from the pool alone, and compare it with what is recorded.

    With --perturb it is then computed under conditions that must not matter; a recipe needs no lock for that.
    """
    from dcql import verify
    from dcql.errors import printable
    from dcql.recorded import check_recorded, find_recorded, run_again

    recorded = find_recorded(target, optional=perturb)
    opened = open_chosen(pool, recorded.pool)
    run = run_again(recorded, opened)
    notes = check_recorded(recorded, run)
    if recorded.lock is not None or recorded.manifest is not None:
        typer.echo(f"{recorded.name} holds over {opened.name}")
        for note in notes:
            typer.echo(f"  {printable(note)} (describes, does not decide)")
    typer.echo(run.hash)
    if perturb:
        outcomes = []
        for outcome in verify.perturb(run, verify.conditions_for(run)):
            outcomes.append(outcome)
            typer.echo(_line(outcome))
        verify.refuse(outcomes)


def open_chosen(named: str | None, recorded: str | None) -> "Pool":
    """Open the pool that was named, else the one that is recorded."""
    from dcql.catalog.pool import open_pool

    chosen = named if named is not None else recorded
    if chosen is None:
        raise typer.BadParameter("no pool is named and no lock names one: give --pool")
    return open_pool(chosen)


def _readable(path: Path) -> "Lock | None":
    """Return the lock that is about to be replaced; one that cannot be read is replaced too."""
    from dcql.errors import LockError
    from dcql.lock import read_lock

    try:
        return read_lock(path)
    except LockError:
        return None


def _line(outcome: "Outcome") -> str:
    if outcome.failure is not None:
        return f"{outcome.condition.name:<16}  failed: {outcome.failure.diagnostics[0].message}"
    return f"{outcome.condition.name:<16}  {outcome.hash}{'  DIFFERS' if outcome.difference is not None else ''}"


def _settings(given: list[str] | None) -> dict[str, str]:
    result: dict[str, str] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"{pair!r} is no setting: write NAME=VALUE, as in --set keep=0.2")
        if name.strip() in result:
            raise typer.BadParameter(f"{name.strip()!r} is set twice")
        result[name.strip()] = value.strip()
    return result
