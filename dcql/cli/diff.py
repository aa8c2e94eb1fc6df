"""`dcql diff`."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.demo import pool_or_demo
from dcql.cli.options import (
    FormatOption,
    LimitsOption,
    MemoryOption,
    PoolOption,
    SetOption,
    ThreadsOption,
    complete_pool,
    complete_target,
    out_option,
    settings,
)
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, stdout
from dcql.errors import Diagnostic, RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dcql.compare.comparing import Compared
    from dcql.compare.operands import Operand
    from dcql.subset import Uids

_AT_ONCE = 1 << 18  # rows that are written at once
_OPERAND = "A recipe, also of a git revision (REV:path), a lock, a run folder, or a subset's .npy file."


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_OPERAND, autocompletion=complete_target)],
    b: Annotated[str, typer.Argument(metavar="B", help=_OPERAND, autocompletion=complete_target)],
    pool: PoolOption = None,
    pool_a: Annotated[
        str | None, typer.Option("--pool-a", metavar="POOL", help="The pool of A alone.", autocompletion=complete_pool)
    ] = None,
    pool_b: Annotated[
        str | None, typer.Option("--pool-b", metavar="POOL", help="The pool of B alone.", autocompletion=complete_pool)
    ] = None,
    set_: SetOption = None,
    causes: Annotated[
        bool | None,
        typer.Option(
            "--causes/--no-causes",
            help="Say what caused each difference. It takes a run over the pool, so two stored runs are only compared "
            "without it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option("FILE", "Write uid, side (a, b, copies) and causes of all to parquet.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when the subsets differ.")] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    limits: LimitsOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compare two subsets: what both hold, what only one does, and which edits caused each difference.

    Recipes are run on --pool; --set gives its value to each recipe that has the PARAM. Every sample that differs is
    told with the smallest set of edits from A to B whose undoing gives A's answer.
    """
    from dcql.compare.comparing import Comparing
    from dcql.compare.operands import find_operand
    from dcql.engine.duck import Resources

    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with ExitStack() as opened:
        sides = [find_operand(named, opened) for named in (a, b)]
        sides = with_settings(sides, settings(set_))
        given = pool_a or pool, pool_b or pool
        comparing = Comparing(pool_or_demo, given, causes, Resources(threads, memory), progress, allowed)
        compared = comparing.compare(*sides)
    if out is not None:
        _write(compared, out)
    if format_ is Format.JSON:
        print_json(to_json(compared))
    else:
        _draw(compared)
    if exit_code and not compared.equal:
        raise typer.Exit(1)


def with_settings(operands: "list[Operand]", given: dict[str, str]) -> "list[Operand]":
    """Give each recipe the values of its own PARAMs. Raises RecipeError for one that no recipe has."""
    from dcql.plan.scope import listed
    from dcql.syntax import ast
    from dcql.syntax.parser import parse

    if not given:
        return operands
    params: dict[str, set[str]] = {}
    result: list[Operand] = []
    for one in operands:
        if one.takes_settings and one.written is not None:
            recipe = parse(one.written.source)
            params[one.name] = {each.name for each in recipe.definitions if isinstance(each, ast.Param)}
            own = {name: value for name, value in given.items() if name in params[one.name]}
            one = replace(one, written=replace(one.written, settings=own))
        result.append(one)
    unknown = [name for name in given if not any(name in known for known in params.values())]
    if unknown:
        raise RecipeError(*(_no_param(name, params, listed(params)) for name in unknown))
    return result


def _no_param(name: str, params: dict[str, set[str]], recipes: str) -> Diagnostic:
    every = sorted(set().union(*params.values()))
    near = did_you_mean(name, every)
    help_ = f"a similar PARAM exists: `{near}`" if near else "a recipe declares it: `PARAM name DEFAULT ..;`"
    what = f"no PARAM `{name}` in {recipes}" if recipes else "what is compared is no recipe"
    return Diagnostic("E0212", f"`--set {name}`: {what}", helps=(help_,))


def _write(compared: "Compared", path: Path) -> None:
    """Write every sample that differs: uid, side and causes, which is NULL where they were not looked for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dcql.engine.folder import replaced
    from dcql.inspect.telling import hexadecimal

    schema = pa.schema([("uid", pa.string()), ("side", pa.string()), ("causes", pa.list_(pa.string()))])
    with replaced(path) as unfinished, pq.ParquetWriter(unfinished, schema) as writer:
        for side, uids, causes in _rows(compared):
            table = [
                pa.array(hexadecimal(uids)),
                pa.array([side] * len(uids), pa.string()),
                pa.array(causes, schema[2].type),
            ]
            writer.write_table(pa.table(table, schema=schema))


def _rows(compared: "Compared") -> "Iterator[tuple[str, Uids, list[list[str] | None]]]":
    """Yield parts of what differs: a side, uids and the causes of each."""
    found = compared.attribution
    if found is not None:
        for place, cause in enumerate(found.causes):
            of_cause = found.uids[found.cause == place]
            for start in range(0, len(of_cause), _AT_ONCE):
                uids = of_cause[start : start + _AT_ONCE]
                yield cause.side, uids, [list(cause.words)] * len(uids)
    elif compared.difference is not None:
        for side, every in (("a", compared.difference.only_a), ("b", compared.difference.only_b)):
            for start in range(0, len(every), _AT_ONCE):
                uids = every[start : start + _AT_ONCE]
                yield side, uids, [None] * len(uids)


def to_json(compared: "Compared") -> dict[str, Any]:
    """Return a comparison as plain data, as `dcql diff --format json` prints it."""
    from dcql.cli.render_diff import FIRST
    from dcql.inspect.telling import hexadecimal

    found = compared.difference
    told: dict[str, Any] = {"equal": compared.equal}
    for name, operand in (("a", compared.a), ("b", compared.b)):
        if found is None:
            lock = operand.lock
            assert lock is not None
            told[name] = {"name": operand.name, "hash": lock.subset, "distinct": lock.distinct, "total": lock.total}
            continue
        subset, only = (found.a, found.only_a) if name == "a" else (found.b, found.only_b)
        counts = {"distinct": subset.distinct, "total": subset.total, "only": len(only)}
        told[name] = {"name": operand.name, "hash": subset.hash, **counts, "first": hexadecimal(only[:FIRST])}
    if found is not None:
        told |= {"common": found.common, "copies_differ": found.copies, "jaccard": found.jaccard}
    told["locks"] = list(compared.lock_lines)
    told["attribution"] = compared.attribution.to_json() if compared.attribution is not None else None
    told["notes"] = list(compared.notes)
    return told


def _draw(compared: "Compared") -> None:
    from dcql.cli.render_diff import draw_attribution, draw_difference, draw_locks, draw_notes, draw_sides

    console = stdout()
    draw_sides(console, compared)
    if compared.lock_lines:
        draw_locks(console, compared.lock_lines)
    if compared.difference is not None:
        draw_difference(console, compared.difference)
    if compared.attribution is not None:
        draw_attribution(console, compared.attribution)
    draw_notes(console, compared.notes)
