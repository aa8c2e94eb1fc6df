"""`dcql sweep`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcql.cli.computing import Device, DeviceOption, FailuresOption, NoComputeOption, OwnCodeOption, computing
from dcql.cli.demo import pool_or_demo
from dcql.cli.options import FormatOption, LimitsOption, MemoryOption, PoolOption, Recipe, ThreadsOption, settings
from dcql.cli.progress import progress
from dcql.cli.shell import Format, print_json, shown, stdout

if TYPE_CHECKING:
    from rich.console import Console

    from dcql.catalog.pool import Pool
    from dcql.engine.statistics import Found
    from dcql.inspect.nesting import Nesting
    from dcql.sweep import Sweep, Variant

_WIDTH = 80
_COUNTED = 10  # variants up to which the matrix has counts: more do not fit on a line
_LEGEND = "< inside   > around   = the same samples   ~ in part   - nothing in common"

SweepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUES",
        help="Give a PARAM several values: 0.1..0.5:0.05, or 0.1,0.3; may repeat, for every combination.",
    ),
]


def sweep(
    recipe: Recipe,
    pool: PoolOption = None,
    set_: SweepOption = None,
    threads: ThreadsOption = None,
    memory: MemoryOption = None,
    no_compute: NoComputeOption = False,
    own_code: OwnCodeOption = False,
    max_failures: FailuresOption = None,
    device: DeviceOption = Device.AUTO,
    limits: LimitsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Run a recipe with several values of its PARAMs in one pass over the pool, and compare what they keep.

    Each variant has the hash that `dcql run` gives with its values. An EXPECT that does not hold is told, and is no
    error.
    """
    from dcql import sweep as sweeping
    from dcql.catalog.recipes import find_recipe
    from dcql.catalog.types import DATACOMP
    from dcql.engine.duck import Resources
    from dcql.plan.ranges import combinations

    choices = combinations(settings(set_))
    source, path = find_recipe(recipe)
    if pool is None:
        # A recipe that is wrong for DataComp's columns is so for the demo pool, which takes a while to make.
        sweeping.plans(source, path, DATACOMP, choices)
    opened = pool_or_demo(pool)
    plans = sweeping.plans(source, path, opened.schema, choices)
    allowed = computing(threads, compute=not no_compute, own_code=own_code, max_failures=max_failures, device=device)
    with progress() as tell:
        found = sweeping.sweep(plans, choices, opened, Resources(threads, memory), tell, allowed)
    if format_ is Format.JSON:
        print_json(_to_json(source.name, opened, found))
    else:
        _draw(Path(source.name).stem, opened, found)


def _to_json(recipe: str, pool: "Pool", found: "Sweep") -> dict[str, Any]:
    from dcql.inspect.funnel import statistic_to_json

    variants = [
        {
            "settings": dict(one.settings),
            "parameters": dict(one.parameters),
            "distinct": one.distinct,
            "total": one.total,
            "share": one.distinct / found.samples if found.samples else None,
            "hash": one.hash,
            "promised": one.promised,
            "thresholds": [statistic_to_json(each) for each in one.statistics],
        }
        for one in found.variants
    ]
    return {
        "recipe": recipe,
        "pool": {"name": pool.name, "fingerprint": pool.fingerprint, "samples": pool.rows},
        "variants": variants,
        "overlaps": [list(row) for row in found.nesting.overlaps],
    }


def _draw(recipe: str, pool: "Pool", found: "Sweep") -> None:
    from rich.text import Text

    console = stdout()
    heading = Text(shown(recipe), "bold")
    heading.append(f" on {shown(pool.name)}", "not bold dim")
    heading.append(f"  {found.samples:,} samples, {len(found.variants)} variants", "not bold dim")
    console.print(heading)
    console.print()
    _draw_variants(console, found)
    console.print()
    _draw_nesting(console, found.nesting)


def _draw_variants(console: "Console", found: "Sweep") -> None:
    """Print a line a variant: its values, what it keeps, its hash, and the thresholds in which variants differ."""
    from rich.text import Text

    from dcql.cli.render import share

    names = [name for name in found.variants[0].settings if len({one.settings[name] for one in found.variants}) > 1]
    rows = [[str(n), *(shown(one.settings[name]) for name in names)] for n, one in enumerate(found.variants, start=1)]
    head = ["", *map(shown, names)]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    differing = _differing(found.variants)
    console.print(Text(f"{_columns(head, widths)}  {'kept':>13}  {'share':>8}  hash", "dim"))
    for row, one in zip(rows, found.variants, strict=True):
        line = Text(_columns(row, widths))
        line.append(f"  {one.distinct:>13,}", "bold")
        line.append(f"  {share(one.distinct, found.samples)}", "cyan")
        line.append(f"  {one.hash[: len('dcql1:') + 8]}")
        if told := "  ".join(_threshold(each) for each in one.statistics if each.name in differing):
            line.append(f"  {told}", "dim")
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    for name in found.variants[0].settings:
        if name not in names:
            console.print(Text(f"{shown(name)} = {shown(found.variants[0].settings[name])} in all", "dim"))
    if any(one.total != one.distinct for one in found.variants):
        told = ", ".join(f"{n}: {one.total:,}" for n, one in enumerate(found.variants, start=1))
        console.print(Text(f"with copies  {told}", "dim"))
    if broken := [n for n, one in enumerate(found.variants, start=1) if one.promised is False]:
        console.print(Text(f"EXPECT does not hold for {_numbers(broken)}", "yellow"))


def _columns(cells: list[str], widths: list[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))


def _differing(variants: "tuple[Variant, ...]") -> set[str]:
    """Return the names of the thresholds that are not the same in all variants, without those of groups."""
    from dcql.inspect.funnel import is_threshold

    values: dict[str, set[Any]] = {}
    for one in variants:
        for each in one.statistics:
            if is_threshold(each) and not each.group:
                values.setdefault(each.name, set()).add(each.value)
    return {name for name, different in values.items() if len(different) > 1}


def _threshold(found: "Found") -> str:
    from dcql.cli.render import number

    return f"{found.name} = {number(found.value, found.type)}"


def _numbers(of: list[int]) -> str:
    """Write numbers, those that follow each other as 4-9."""
    runs: list[list[int]] = []
    for each in of:
        if runs and each == runs[-1][-1] + 1:
            runs[-1].append(each)
        else:
            runs.append([each])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _draw_nesting(console: "Console", nesting: "Nesting") -> None:
    """Print how each variant lies to those before it, and what both hold where that fits on a line."""
    from rich.text import Text

    count = len(nesting.overlaps)
    label = len(str(count))
    counted = count <= _COUNTED
    width = 8 if counted else 1
    if nesting.chain is not None:
        signs = [nesting.relation(i, j) for i, j in zip(nesting.chain, nesting.chain[1:], strict=False)]
        told = str(nesting.chain[0] + 1) + "".join(
            f" {sign} {number + 1}" for sign, number in zip(signs, nesting.chain[1:], strict=True)
        )
        plain = nesting.chain == tuple(range(count)) and count > 3 and set(signs) == {"<"}
        console.print(Text(f"nested: {f'1 < 2 < .. < {count}' if plain else told}"))
    else:
        console.print(Text("not all nested"))
    if nesting.chain is not None and not counted:
        return  # which says all that a matrix without counts does
    for head in _heads(count, label, width):
        console.print(Text(head, "dim"))
    for i in range(1, count):
        cells = [nesting.relation(i, j) + (_brief(nesting.overlaps[i][j]) if counted else "") for j in range(i)]
        line = Text(f"{i + 1:>{label}} ", "dim")
        line.append("".join(cell.rjust(width) for cell in cells), "not dim")
        console.print(line)
    console.print(Text(_LEGEND, "dim"))


def _heads(count: int, label: int, width: int) -> list[str]:
    """Return the numbers above the columns of a matrix, digit below digit where columns are narrow."""
    margin = " " * (label + 1)
    numbers = range(1, count)
    if width > 1:
        return [margin + "".join(str(number).rjust(width) for number in numbers)]
    tens = "".join(str(number // 10) if number % 10 == 0 else " " for number in numbers)
    return [(margin + tens).rstrip(), margin + "".join(str(number % 10) for number in numbers)]


def _brief(count: int) -> str:
    """Return a count in at most 6 characters."""
    if count < 10_000:
        return str(count)
    value = float(count)
    for unit in "kMGT":
        value /= 1000
        if value < 1000:
            return f"{value:.0f}{unit}" if value >= 100 else f"{value:.1f}{unit}"
    return str(count)
