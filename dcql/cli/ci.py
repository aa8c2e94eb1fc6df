"""`dcql ci`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.options import FormatOption, LimitsOption, MemoryOption, PoolOption, ThreadsOption
from dcql.cli.shell import Format, draw_diagnostics, guarded, plural, print_json, shown, stderr, stdout

if TYPE_CHECKING:
    from dcql.ci.examine import Examined

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def root() -> None:
    """Check recipe repositories, and merge their locks."""


@app.command("run", short_help="Check the recipes that a branch changes")
@guarded
def run(
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REV",
            help="Look at what changed since this branch left REV, and compare with it; without it, at all recipes.",
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", metavar="FILE", help="Write funnels and differences as Markdown, for a comment."),
    ] = None,
    pool: PoolOption = None,
    perturb: Annotated[
        bool,
        typer.Option("--perturb/--no-perturb", help="Run each recipe under conditions that must not matter, too."),
    ] = True,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check the recipes that a branch changes, and those that import them.

    That is the format, the recipe, its lock, whether its subset depends on how it is computed, and what changed.

    All that is wrong is told at the end; then the exit code is 1. Without --pool, each recipe runs on the pool of its
    lock.
    """
    from dcql.ci.changed import affected, find_repository
    from dcql.ci.examine import Base, How, examine
    from dcql.cli.demo import pool_or_demo
    from dcql.cli.progress import progress
    from dcql.engine.duck import Resources

    repository = find_repository(Path())
    against = Base(repository.base(base), base) if base is not None else None
    chosen = repository.recipes() if against is None else affected(repository, repository.changed(against.commit))
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    how = How(pool_or_demo, pool, perturb, Resources(threads, memory), allowed, progress)
    examined: list[Examined] = []
    for path in chosen:
        examined.append(examine(repository, path, against, how))
        if format_ is Format.TEXT:
            _tell(examined[-1])
    if summary is not None:
        _write(summary, examined, base)
    if format_ is Format.JSON:
        print_json({"ok": all(one.ok for one in examined), "recipes": [one.to_json() for one in examined]})
    elif not examined:
        print(f"no recipe {f'changed since {shown(base)}' if base is not None else 'is here'}")
    else:
        _tell_faults(examined)
    if not all(one.ok for one in examined):
        raise typer.Exit(1)


@app.command("setup", short_help="Make this clone merge locks without conflicts")
@guarded
def setup() -> None:
    """Make this clone of a recipe repository merge locks without conflicts.

    Two lines of .gitattributes are to be committed; git's settings are those of this clone alone, so that each clone is
    set up once.
    """
    from dcql.ci.changed import find_repository
    from dcql.ci.merging import set_up

    changed = set_up(find_repository(Path()))
    for line in changed:
        print(f"set  {shown(line)}")
    if not changed:
        print("this clone is set up already")


@app.command("merge-lock", short_help="Merge two locks: git calls it")
@guarded
def merge_lock(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The lock that both come from: git's %O.")],
    ours: Annotated[Path, typer.Argument(metavar="OURS", help="The one of this side, which is written: %A.")],
    theirs: Annotated[Path, typer.Argument(metavar="THEIRS", help="The one of the other side: %B.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where the lock lies in the repository: %P.")],
) -> None:
    """Merge two locks of a recipe; git calls it where both sides changed one.

    Where both changed what decides the subset, the result is marked: nothing holds to it until `dcql lock` writes it
    anew. Files that are no locks of dcql are merged line by line.
    """
    from dcql.ci.merging import merge_files
    from dcql.records.relocking import command

    lock = merge_files(base, ours, theirs)
    if lock is not None and lock.merged:
        anew = command("lock", path.with_suffix(".dcql"))
        stderr().print(f"{shown(str(path))}: both sides changed it; after the merge, write it anew: {shown(anew)}")


def _tell(one: "Examined") -> None:
    from rich.text import Text

    styles = {"ok": "green", "failed": "bold red", "left out": "dim"}
    console = stdout()
    console.print(Text(shown(one.name), "bold"))
    for step in one.steps:
        line = Text(f"  {step.name:<8}  ")
        line.append(step.outcome, styles[step.outcome])
        if step.note:
            line.append(f": {shown(step.note)}")
        elif step.name == "diff" and one.compared is not None and one.compared.difference is not None:
            found = one.compared.difference
            line.append(f": {len(found.only_a):,} samples removed, {len(found.only_b):,} added")
        elif step.name == "lock" and one.run is not None and not step.faults:
            line.append(f": {one.run.hash}")
        console.print(line)


def _tell_faults(examined: "list[Examined]") -> None:
    from rich.text import Text

    failed = [one for one in examined if not one.ok]
    console = stderr()
    for one in failed:
        console.print(Text(f"\n{shown(one.name)}", "bold"))
        draw_diagnostics(console, one.faults)
    if failed:
        console.print(f"\n{len(failed)} of {plural(len(examined), 'recipe')} failed")
    else:
        print(f"{plural(len(examined), 'recipe')}: all hold")


def _write(path: Path, examined: "list[Examined]", base: str | None) -> None:
    from dcql.ci.markdown import summary
    from dcql.engine.folder import replaced

    with replaced(path) as unfinished:
        unfinished.write_text(summary(examined, base), encoding="utf-8", newline="\n")
