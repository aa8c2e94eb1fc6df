"""Samples as a table: a line each, as wide as the terminal; in full where the output is no terminal."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dcql.catalog.types import Type
from dcql.cli.pictures import Pictures, drawn
from dcql.cli.render import number, share
from dcql.cli.shell import shown

if TYPE_CHECKING:
    from rich.console import Console

    from dcql.showing import Showing, ShownColumn, ShownGroup, ShownSample

_UID = 10  # digits of a uid on a terminal: enough for `dcql why`
_VALUE = 14  # cells of a value on a terminal, at most
_URL = 24
_CAPTION = 20  # at least


def draw_showing(console: "Console", told: "Showing", pictures: Mapping[str, Any], by: Pictures) -> None:
    """Print samples in a table a group; `pictures` are pixels, or reasons why there are none, by uid."""
    from rich.text import Text

    samples = told.pool.rows
    heading = Text.assemble((shown(told.name), "bold"), (f" on {shown(told.pool.name)}", "dim"))
    heading.append(f"  kept {told.kept:,} of {samples:,} ({share(told.kept, samples).strip()})", "dim")
    console.print(heading)
    for group in told.groups:
        console.print()
        _draw_group(console, told, group, pictures, by)


def _draw_group(
    console: "Console", told: "Showing", group: "ShownGroup", pictures: Mapping[str, Any], by: Pictures
) -> None:
    from rich.text import Text

    if group.stage:
        words = f"dropped by {group.title}" + (f", {group.stage}" if group.stage != "query" else "")
        which = "the nearest of " if group.near else ""
        line = Text.assemble((shown(words), "bold"), (f"  {which}{group.count:,}", "dim"))
        if console.is_terminal:
            line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    columns = _columns(told, group, console.is_terminal)
    if not group.samples:
        console.print(Text("no sample", "dim"))
        return
    table = [[column.cells[place] for column in columns] for place in range(len(group.samples))]
    widths = _widths(columns, table, console.width if console.is_terminal else None)
    _print_row(console, [column.title for column in columns], widths, "dim")
    for sample, cells in zip(group.samples, table, strict=True):
        _print_picture(console, pictures.get(sample.uid), by)
        _print_row(console, cells, widths, "")


class _Shown:
    """A column of the table. `most` is how wide it may be on a terminal, None for one that takes what is left."""

    def __init__(self, title: str, cells: Sequence[str], most: int | None, *, right: bool = False) -> None:
        self.title, self.cells, self.most, self.right = shown(title), [shown(cell) for cell in cells], most, right


def _columns(told: "Showing", group: "ShownGroup", on_terminal: bool) -> list[_Shown]:
    samples = group.samples
    columns = [_Shown("uid", [one.uid[:_UID] if on_terminal else one.uid for one in samples], 32)]
    if any(one.copies > 1 for one in samples):
        columns.append(_Shown("copies", [str(one.copies) for one in samples], 10))
    for at, column in enumerate(told.columns):
        cells = [_cell(column, one, at) for one in samples]
        columns.append(_Shown(column.label, cells, _VALUE))
    urls = [one.url for one in samples]
    if any(url is not None for url in urls):
        columns.append(_Shown("url", [_url(url or "NULL") if on_terminal else url or "NULL" for url in urls], _URL))
    if any(one.caption is not None for one in samples):
        columns.append(_Shown("caption", ["NULL" if one.caption is None else one.caption for one in samples], None))
    return columns


def _url(url: str) -> str:
    """Shorten an address in its middle: who serves it and what it is called say most."""
    bare = url.split("://", 1)[-1]
    return bare if len(bare) <= _URL else f"{bare[: _URL - 12]}…{bare[-11:]}"


def _cell(column: "ShownColumn", sample: "ShownSample", at: int) -> str:
    value = sample.values[at]
    if value is None and column.is_feature:
        return "-"
    if column.type.numeric and not isinstance(value, bool):
        return number(value, column.type if column.type is not Type.INT else Type.INT)
    return "NULL" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _widths(columns: Sequence[_Shown], table: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Return how many cells each column takes; on a terminal, 0 for one that there is no room for."""
    from rich.cells import cell_len

    natural = [max([cell_len(column.title), *map(cell_len, column.cells)]) for column in columns]
    if width is None:
        return natural
    widths = [
        min(most, wide) if (most := column.most) is not None else 0
        for column, wide in zip(columns, natural, strict=True)
    ]
    growing = [at for at, column in enumerate(columns) if column.most is None]
    least = sum(min(_CAPTION, natural[at]) for at in growing)
    # What there is no room for goes from the right: first the url, then values.
    for at in reversed(range(1, len(columns))):
        if _total(widths) + least + 2 * len(growing) <= width:
            break
        if at not in growing:
            spare = width - _total(widths) - least - 2 * len(growing) + widths[at]
            widths[at] = spare if spare >= 8 and columns[at].title == "url" else 0
    for at in growing:
        widths[at] = max(0, min(natural[at], width - _total(widths) - 2))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(wide + 2 for wide in widths if wide) - 2


def _print_row(console: "Console", cells: Sequence[str], widths: Sequence[int], style: str) -> None:
    from rich.text import Text

    line = Text()
    for text, wide in zip(cells, widths, strict=True):
        if not wide:
            continue
        cell = Text(text, style)
        if console.is_terminal:
            cell.truncate(wide, overflow="ellipsis")
        cell.pad_right(wide - cell.cell_len)
        line.append_text(cell).append("  ")
    line.rstrip()
    console.print(line)


def _print_picture(console: "Console", picture: Any, by: Pictures) -> None:
    """Draw a picture above its sample's line; the reason where there is none."""
    from rich.text import Text

    if picture is None or by is Pictures.NONE:
        return
    console.print()
    if isinstance(picture, str):
        console.print(Text(f"no picture: {shown(picture)}", "dim"))
        return
    sys.stdout.write(drawn(picture, by))


def to_json(told: "Showing") -> dict[str, Any]:
    """Return what is shown as plain data; values under the names that recipes have for their columns."""
    from dcql.inspect.funnel import plain

    return {
        "name": told.name,
        "pool": told.pool.name,
        "samples": told.pool.rows,
        "kept": told.kept,
        "hash": told.hash,
        "columns": [column.label for column in told.columns],
        "groups": [
            {
                "clause": group.title if group.stage else None,
                "stage": group.stage or None,
                "kept": not group.stage and group.title == "kept",
                "count": group.count,
                "nearest": group.near,
                "samples": [
                    {
                        "uid": one.uid,
                        "copies": one.copies,
                        "url": one.url,
                        "caption": one.caption,
                        "values": {
                            column.label: plain(value) for column, value in zip(told.columns, one.values, strict=True)
                        },
                    }
                    for one in group.samples
                ],
            }
            for group in told.groups
        ],
    }
