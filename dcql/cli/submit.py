"""`dcql submit` and `dcql submit check`."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    RunShardsOption,
    ScaleOption,
    SeedOption,
    ThreadsOption,
    out_option,
)
from dcql.cli.shell import Format, guarded, plural, print_json, shown, stdout
from dcql.limits import STRANGERS

if TYPE_CHECKING:
    from dcql.submission.report import Check, Report

_PACK = "pack"


class _PackByDefault(TyperGroup):
    """Lets `dcql submit RUN` stand for `dcql submit pack RUN`; the word `check` is never a run, `./check` is."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = [_PACK, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [_PACK, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_PackByDefault,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Pack a run for a leaderboard: `dcql submit RUN -o DIR`; or check a submission: `dcql submit check DIR`.",
)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date: write it as in 2026-01-31") from None


def pack(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that was resharded, trained and evaluated.")],
    out: Annotated[Path, out_option("DIR", "The submission's folder, written whole.")],
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="The submission's name.")] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", metavar="TEXT", help="An author's name; may repeat.")
    ] = None,
    track: Annotated[str | None, typer.Option("--track", metavar="TRACK", help="filtering or byod.")] = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where the submission has its page.")] = None,
    writeup: Annotated[str | None, typer.Option("--writeup", metavar="URL", help="Where it is written up.")] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="TEXT", help="Where byod data comes from; may repeat.")
    ] = None,
    created: Annotated[
        date | None, typer.Option("--created", metavar="DATE", parser=_day, help="Its date; today without it.")
    ] = None,
    scale: ScaleOption = None,
    seed: SeedOption = None,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="The recipe's file, where it was moved since.")
    ] = None,
    shards: RunShardsOption = None,
    no_subset: Annotated[bool, typer.Option("--no-subset", help="Leave subset.npy out, as for a huge pool.")] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Pack a run with its training and results as a submission: `dcql submit RUN -o DIR`.

    entry.toml is the author's file: what is not given is kept from an earlier submission at DIR, or left to fill in.
    The lock beside the recipe is taken where it records this run; else the recipe runs again.
    """
    from dcql.cli.progress import progress
    from dcql.engine.duck import Resources
    from dcql.submission.pack import Author
    from dcql.submission.pack import pack as pack_run

    said = Author(
        name,
        tuple(author) if author else None,
        track,
        url,
        writeup,
        tuple(source) if source else None,
        created,
    )
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with progress() as tell:
        done = pack_run(
            run,
            out,
            said,
            scale=scale,
            seed=seed,
            recipe=recipe,
            shards=None if shards is None else Path(shards),
            subset=not no_subset,
            resources=Resources(threads, memory),
            tell=tell,
            computing=allowed,
        )
    entry = done.entry
    if format_ is Format.JSON:
        print_json(
            {
                "submission": str(out),
                "entry": entry.digest,
                "scale": entry.scale,
                "track": entry.track,
                "evaluation": entry.evaluation,
                "to_fill_in": list(done.to_fill_in),
                "left_out": list(done.left_out),
            }
        )
        return
    print(f"wrote {shown(str(out))}")
    for path in done.left_out:
        print(f"left out: {shown(path)}, a large asset; its SHA-256 is in the recipe")
    if done.to_fill_in:
        print(f"to fill in, in {shown(str(out / 'entry.toml'))}:")
        for line in done.to_fill_in:
            print(f"  {shown(line)}")
        return
    print(entry.digest)


def check(
    submission: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `dcql submit` wrote.")],
    pool: PoolOption = None,
    no_recompute: Annotated[
        bool, typer.Option("--no-recompute", help="Do not run the recipe; what the subset is stays unchecked.")
    ] = False,
    shards: Annotated[
        str | None,
        typer.Option(
            "--shards", metavar="IN", help="The pool's shards, a folder, URL or added pool: compute their digest again."
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="The weights: compute their SHA-256 again.")
    ] = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    stranger: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check a submission: compute its subset again, compare every hash, and hold it to the rules of its track.

    --pool is the pool of the scale; without it, the added pool of the scale's name, or the demo pool at scale demo.
    A check that cannot be made is no pass: the exit code is 0 where all agrees and nothing was left open but what
    --no-recompute declines, and shards and weights that were not given. Reading the submission and running its recipe
    are each held to --limits, `strangers` without it.
    """
    from dcql.cli.progress import progress
    from dcql.cli.reshard import is_added, with_images
    from dcql.engine.duck import Resources
    from dcql.submission.check import check_submission

    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with progress() as tell:
        report = check_submission(
            submission,
            pool,
            recompute=not no_recompute,
            shards=with_images(shards).source if shards is not None and is_added(shards) else shards,
            weights=weights,
            resources=Resources(threads, memory),
            tell=tell,
            computing=allowed,
            limits=stranger if stranger is not None else STRANGERS,
        )
    if format_ is Format.JSON:
        print_json(report.to_json())
    else:
        _draw(report)
    if not report.passed:
        raise typer.Exit(1)


def _draw(report: "Report") -> None:
    from rich.text import Text

    from dcql.cli.fitting import fitted
    from dcql.cli.shell import draw_diagnostics

    console = stdout()
    console.print(Text(shown(report.name), "bold"))
    console.print()
    width = max(len(check.name) for check in report.checks)
    for one in report.checks:
        state, style = _state(one)
        line = Text.assemble((f"{state:<9}", style), f" {one.name:<{width}}  ", (shown(one.told), "dim"))
        console.print(fitted(console, line, 4))
    if report.notes:
        console.print()
        for note in report.notes:
            console.print(Text(f"note: {shown(note)}", "dim"))
    console.print()
    if report.faults:
        draw_diagnostics(console, report.faults)
        console.print()
    console.print(Text(_verdict(report), f"bold {'green' if report.passed else 'red'}"))


def _state(one: "Check") -> tuple[str, str]:
    from dcql.submission.report import State

    styles = {State.HOLDS: "green", State.DIFFERS: "bold red", State.NOT_MADE: "yellow"}
    return one.state.value, styles[one.state]


def _verdict(report: "Report") -> str:
    from dcql.submission.report import State

    open_ = [one.name for one in report.checks if one.state is State.NOT_MADE]
    if report.verdict == "differs":
        return f"differs: {plural(len(report.faults), 'fault')}"
    if report.verdict == "incomplete":
        return f"incomplete: nothing differs, and {', '.join(open_)} was not checked"
    return "holds"


app.command(_PACK, short_help="Pack a run: `dcql submit RUN -o DIR` for short")(guarded(pack))
app.command("check", short_help="Check a submission as the maintainers of a board do")(guarded(check))
