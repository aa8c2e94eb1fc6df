"""`dcql lock` and `dcql verify`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    Recipes,
    SetOption,
    ThreadsOption,
    settings,
)
from dcql.cli.shell import Format, for_each, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.locks.lock import Lock
    from dcql.verify import Outcome

_NAME = 18  # columns of a condition's name
_DIFFERS = "  DIFFERS"

Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", help="A recipe with a lock, a .lock file, a folder that a run wrote, or a submission."
    ),
]
Submission = Annotated[
    bool,
    typer.Option(
        "--submission", help="TARGET is a submission: compute all of it again that needs no model, and sign it off."
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Write nothing; exit with 3 where the lock would change.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The lock's file, if not beside the recipe.")
]
Perturb = Annotated[
    bool,
    typer.Option(
        "--perturb",
        help="Run again with other threads, memory, files, row groups, stores and processes, and from raw files.",
    ),
]
Full = Annotated[
    bool,
    typer.Option("--full", help="With --perturb: what takes long too, such as writing a pool of any size anew."),
]


def lock(
    recipes: Recipes,
    pool: PoolOption = None,
    set_: SetOption = None,
    check: Check = False,
    output: Output = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write the locks of recipes: what each selects from a pool, and everything that decides it.

    The lock is recipe.lock beside recipe.dcql, to be committed with it; that of a recipe that ships is written here.
    What is not named is as in the lock that is there: its pool, else the demo pool, and the PARAMs of a recipe that has
    not changed. `dcql run --locked` and `dcql verify` hold a run to it. With --format json, several recipes print a
    list.
    """
    from dcql.engine.duck import Resources

    if output is not None and len(recipes) > 1:
        raise typer.BadParameter("--output names the lock of one recipe")
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    locking = _Locking(pool, settings(set_), check, output, Resources(threads, memory), allowed, format_)
    for_each(recipes, locking.lock)
    if format_ is Format.JSON:
        print_json(locking.told if len(recipes) > 1 else locking.told[0])


@dataclass(frozen=True)
class _Locking:
    """How recipes are locked; `told` is what JSON says of each."""

    pool: str | None
    settings: dict[str, str]
    check: bool
    output: Path | None
    resources: "Resources"
    computing: "Computing"
    format: Format
    told: list[dict[str, Any]] = field(default_factory=list)

    def lock(self, recipe: str) -> None:
        """Write the lock of one recipe, or compare it. Raises what running the recipe raises, and LockError."""
        from dcql.catalog.recipes import find_recipe
        from dcql.cli.demo import pool_or_demo
        from dcql.cli.progress import progress
        from dcql.compiler import run_compiled
        from dcql.locks.changes import changes
        from dcql.locks.lock_file import read_lock, write_lock
        from dcql.records.locking import lock_of, own_lock_file, refuse_raw, refuse_two_values, stale
        from dcql.records.relocking import command, compile_anew

        path = self.output if self.output is not None else own_lock_file(recipe, find_recipe(recipe)[1])
        old = read_lock(path) if self.check else _readable(path)
        opened = pool_or_demo(self.pool if self.pool is not None or old is None else old.pool_name)
        # Before the work, not after it.
        refuse_raw(opened)
        with progress() as tell:
            compiled = compile_anew(recipe, opened, self.settings, old)
            new = lock_of(run_compiled(compiled, opened, self.resources, tell, computing=self.computing))
        found = changes(old, new).lines if old is not None else ()
        if old is not None and self.check:
            stale(old, new, path, command("lock", recipe))
        elif old is not None:
            refuse_two_values(old, new, path.name)
        if not self.check:
            write_lock(new, path)
        if self.format is Format.JSON:
            written = not self.check
            self.told.append({"lock": str(path), "written": written, "changes": list(found), **_summary(new)})
            return
        for line in found:
            print(f"  {shown(line)}")
        kept = f"{new.distinct:,} of {new.samples:,} samples of {new.pool_name}"
        print(f"{shown(str(path))}{' is current' if self.check else ''}: {shown(kept)}")
        print(new.subset)


def verify(
    target: Target,
    pool: PoolOption = None,
    perturb: Perturb = False,
    full: Full = False,
    submission: Submission = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compute a locked subset or a run again, from the pool alone, and compare it with what is recorded.

    With --perturb it is then computed under conditions that must not matter; a recipe needs no lock for that.
    With --submission every hash of a submission is computed again that follows from the pool's metadata and from
    stored features, and the hash of its entry signs it off.
    """
    if submission:
        if perturb or full:
            raise typer.BadParameter("a submission is not run under other conditions: leave --perturb and --full out")
        _sign_off(Path(target), pool, threads, memory, format_)
        return
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.progress import progress
    from dcql.engine.duck import Resources
    from dcql.records.recorded import check_recorded, find_recorded, run_again
    from dcql.verify import conditions_for, refuse
    from dcql.verify import perturb as perturbed

    recorded = find_recorded(target, optional=perturb)
    opened = pool_or_demo(pool if pool is not None else recorded.pool)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with progress() as tell:
        run = run_again(recorded, opened, Resources(threads, memory), tell, allowed)
    notes = check_recorded(recorded, run)
    is_recorded = recorded.lock is not None or recorded.manifest is not None
    text = format_ is Format.TEXT
    if text:
        if is_recorded:
            print(shown(f"{recorded.name} holds over {opened.name}"))
        for note in notes:
            print(f"  {shown(note)} (describes, does not decide)")
        print(run.hash)
    outcomes: list[Outcome] = []
    console = stdout()
    # A hash that is longer than what is left of a line stands above in full.
    room = console.width - _NAME - len(_DIFFERS) if console.is_terminal else None
    if perturb:
        with progress() as tell:
            for outcome in perturbed(run, conditions_for(run, allowed, full=full), tell, allowed):
                outcomes.append(outcome)
                if text:
                    print(shown(_line(outcome, room)), flush=True)
        refuse(outcomes)
    if not text:
        conditions = [
            {"name": one.name, "hash": one.hash or None, "told": one.told, "left_out": one.left_out} for one in outcomes
        ]
        told = {"name": recorded.name, "recorded": is_recorded, "pool": opened.name, "hash": run.hash}
        print_json({**told, "notes": list(notes), "conditions": conditions})


def _sign_off(folder: Path, pool: str | None, threads: int | None, memory: int | None, format_: Format) -> None:
    from dcql.cli.progress import progress
    from dcql.engine.duck import Resources
    from dcql.errors import render
    from dcql.submission.sign_off import sign_off

    with progress() as tell:
        found = sign_off(folder, pool, Resources(threads, memory), tell)
    report = found.report
    if format_ is Format.JSON:
        links = [{"name": one.name, "hash": one.hash, "verdict": one.verdict, "told": one.told} for one in found.links]
        differs = [fault.to_json() for fault in report.faults]
        print_json({"submission": report.name, "signed_off": found.signed, "links": links, "differs": differs})
    else:
        print(f"{shown(report.name)}, without calling a model:")
        width = max((len(one.name) for one in found.links), default=0)
        for one in found.links:
            print(shown(f"{one.verdict:<11}  {one.name:<{width}}  {one.hash}"))
            if one.verdict == "not checked":
                print(f"{'':<11}  {'':<{width}}  {one.told}")
        for note in report.notes:
            print(f"note: {shown(note)}")
        if report.faults:
            print(render(report.faults))
        print(f"signed off: {found.signed}" if found.signed is not None else "not signed off")
    if found.signed is None:
        raise typer.Exit(1)


def _readable(path: Path) -> "Lock | None":
    """Return the lock that is about to be replaced, merged or not; one that cannot be read is replaced too."""
    from dcql.errors import LockError
    from dcql.locks.lock_file import read_any_lock

    try:
        return read_any_lock(path)
    except LockError:
        return None


def _summary(lock: "Lock") -> dict[str, Any]:
    return {
        "hash": lock.subset,
        "distinct": lock.distinct,
        "total": lock.total,
        "pool": lock.pool_name,
        "samples": lock.samples,
        "key": lock.key.digest,
    }


def _line(outcome: "Outcome", room: int | None) -> str:
    """Say what a condition gave; of a hash, no more than `room` columns."""
    name = f"{outcome.name:<{_NAME - 2}}"
    if outcome.left_out is not None:
        return f"{name}  left out: {outcome.left_out}"
    if outcome.failure is not None:
        return f"{name}  failed: {outcome.failure.diagnostics[0].message}"
    hash_ = outcome.hash if room is None or len(outcome.hash) <= room else f"{outcome.hash[: room - 1]}…"
    return f"{name}  {hash_ or outcome.told}{_DIFFERS if outcome.difference is not None else ''}"
