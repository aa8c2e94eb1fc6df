"""`dcql report`."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dcql.cli.demo import pool_or_demo
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    SetOption,
    ThreadsOption,
    out_option,
    settings,
)
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, size
from dcql.errors import DcqlError, Diagnostic, RunError

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.compare.comparing import Compared, OpenPool
    from dcql.compare.operands import Operand
    from dcql.engine.duck import Resources

_RUN = "A folder that `dcql run --out` wrote, or what `dcql diff --format json` printed."
_OTHER = "With it, a report of what `dcql diff RUN OTHER` compares: recipes, locks, runs or .npy files."


def report(
    run: Annotated[str, typer.Argument(metavar="RUN|DIFF", help=_RUN)],
    out: Annotated[Path, out_option("FILE", "The HTML file to write, over an earlier report.")],
    other: Annotated[str | None, typer.Argument(metavar="OTHER", help=_OTHER, show_default=False)] = None,
    pool: PoolOption = None,
    set_: SetOption = None,
    samples: Annotated[
        int, typer.Option("--samples", min=0, max=60, metavar="N", help="Samples on each side of a cut; 0 for none.")
    ] = 6,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write what a run is and what it cuts, or how two runs differ and why, as one HTML file without any other.

    The recipe of a run is run again with the features that are stored, and must come to the same subset. Where its pool
    is not at hand, the report holds what the folder does, and says so.
    """
    from dcql.engine.duck import Resources
    from dcql.reporting import refuse_other, write

    # Before the work, not after it.
    refuse_other(out)
    resources = Resources(threads, memory)
    if other is not None:
        page, hashes, notices = _of_two((run, other), pool, settings(set_), resources, samples)
    elif set_:
        raise typer.BadParameter("--set is for two recipes: a run and a comparison are as they were")
    elif Path(run).suffix == ".json":
        page, hashes, notices = _of_document(Path(run), pool, samples)
    else:
        page, hashes, notices = _of_run(run, pool, resources, samples)
    write(out, page)
    if format_ is Format.JSON:
        print_json({"out": str(out), "bytes": len(page.encode()), "subsets": hashes, "lacks": notices})
        return
    for notice in notices:
        print(f"note: {shown(notice)}")
    print(f"wrote {shown(str(out))}, {size(len(page.encode()))}")


def _of_run(run: str, pool: str | None, resources: "Resources", samples: int) -> tuple[str, list[str], list[str]]:
    """Return the page of a run folder, its hash, and what it lacks."""
    from dcql.inspect.report.page import render_run
    from dcql.reporting import run_report

    if not Path(run).is_dir():
        _refuse(run)
    with progress() as tell:
        made = run_report(Path(run), pool, samples, resources, tell)
    return render_run(made), [made.told.hash], list(made.notices)


def _of_two(
    named: tuple[str, str], pool: str | None, given: dict[str, str], resources: "Resources", samples: int
) -> tuple[str, list[str], list[str]]:
    """Return the page of what two operands of `dcql diff` differ in, their hashes, and what it lacks."""
    from dcql.cli.diff import to_json, with_settings
    from dcql.compare.operands import find_operand

    pools: list[Pool] = []

    def open_pool(name: str | None) -> "Pool":
        pools.append(pool_or_demo(name))
        return pools[-1]

    with ExitStack() as opened:
        sides = with_settings([find_operand(name, opened) for name in named], given)
        compared, notices = _compare(sides, (pool, pool), open_pool, resources)
        written = [one.written.source.text for one in sides if one.written is not None]
    if not pools and pool is not None:
        open_pool(pool)
    document = to_json(compared)
    # The report has looked for causes already.
    document["notes"] = [*(note for note in document["notes"] if "--causes" not in note), *notices]
    texts = (written[0], written[1]) if len(written) == 2 else None
    return _page(document, pools, texts, "this comparison", samples)


def _compare(
    sides: "list[Operand]",
    pools: tuple[str | None, str | None],
    open_pool: "OpenPool",
    resources: "Resources",
) -> "tuple[Compared, list[str]]":
    """Compare two operands with the causes, if a recipe is there and can be run; else say why not."""
    from dcql.compare.comparing import Comparing
    from dcql.engine.features.report import Computing

    allowed = Computing(workers=resources.threads)
    causes = any(one.written is not None for one in sides)
    try:
        return Comparing(open_pool, pools, causes, resources, progress, allowed).compare(*sides), []
    except DcqlError as error:
        if not causes or any(one.subset is None for one in sides):
            raise
        lacks = f"Nothing says why they differ: {error.diagnostics[0].message}."
        return Comparing(open_pool, pools, False, resources, progress, allowed).compare(*sides), [lacks]


def _of_document(path: Path, pool: str | None, samples: int) -> tuple[str, list[str], list[str]]:
    """Return the page of what `dcql diff --format json` printed, the hashes in it, and what it lacks."""
    from dcql.reporting import refuse_document

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "it is no JSON"
        refuse_document(str(path), reason)
    return _page(document, [pool_or_demo(pool)] if pool is not None else [], None, str(path), samples)


def _page(
    document: dict[str, Any], pools: "list[Pool]", texts: tuple[str, str] | None, name: str, samples: int
) -> tuple[str, list[str], list[str]]:
    from dcql.inspect.report.diff_page import render_diff
    from dcql.reporting import diff_report

    made = diff_report(document, pools, texts, name, pictures=samples > 0)
    notices = [*made.told.notes, *made.notices]
    return render_diff(made), [made.told.a.hash, made.told.b.hash], notices


def _refuse(named: str) -> NoReturn:
    from dcql.catalog.recipes import shipped_recipes

    helps: tuple[str, ...] = (
        "name a folder that `dcql run --out` wrote, or a .json that `dcql diff --format json` printed",
    )
    label = "there is no such folder"
    path = Path(named)
    if path.suffix in (".dcql", ".lock", ".npy") or named in shipped_recipes():
        label = "a recipe, a lock or a subset by itself is no run"
        helps = (f"run it: `dcql run {named} --out FOLDER`", "or name another one to compare it with")
    elif path.exists():
        label = "it is a file"
    raise RunError(Diagnostic("E1441", f"nothing to report in `{named}`", None, label, helps))
