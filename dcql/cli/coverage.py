"""`dcql pool coverage`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.options import FormatOption, PoolName, TarsOption
from dcql.cli.progress import progress
from dcql.cli.shell import Format, plural, print_json, shown, stdout

if TYPE_CHECKING:
    from dcql.catalog.coverage import Coverage

_SHOWN = 5  # tars of a kind that are named one by one


def coverage(
    name: PoolName,
    shards: TarsOption = None,
    check_bytes: Annotated[
        bool, typer.Option("--bytes", help="Read the images too, and decode those that were encoded anew: slow.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Record what the shards of a pool really hold: `available` and `intact` in recipes.

    Samples are joined by the uid of their .json, and the SHA-256 there, of the bytes that were downloaded, is compared
    with the pool's. A run that was stopped goes on; tars that are unchanged are not read again.
    """
    from dcql.cli.reshard import is_added, with_images
    from dcql.engine.coverage.run import cover
    from dcql.inspect.coverage import coverage_to_json

    pool = with_images(name)
    source = with_images(shards).source if shards is not None and is_added(shards) else shards
    with progress() as tell:
        found = cover(pool, source, tell, check_bytes=check_bytes)
    if format_ is Format.JSON:
        print_json({"name": pool.name, **coverage_to_json(found)})
        return
    _draw(pool.name, found)


def _draw(name: str, found: "Coverage") -> None:
    from rich.text import Text

    from dcql.cli.render import share

    counted, read = found.counted, found.read
    console = stdout()
    heading = Text(shown(name), "bold")
    heading.append(f": {plural(read.members, 'sample')} in {plural(read.tars, 'tar')}", "not bold")
    console.print(heading)
    console.print()
    lines = [
        ("pool", counted.samples, "bold"),
        ("available", counted.available, ""),
        ("intact", counted.intact, "bold green"),
    ]
    lines += [(f"  {what}", counted.states[state], "yellow") for what, state in _NOT_INTACT if counted.states[state]]
    width = max(len(title) for title, _, _ in lines) + 2
    for title, count, style in lines:
        line = Text(title.ljust(width), style)
        line.append(f"{count:>15,}  {share(count, counted.samples)}", "not bold" if "bold" not in style else "")
        console.print(line)
    notes = list(_notes(found))
    if notes:
        console.print()
    for note in notes:
        console.print(Text(note, "yellow"))
    if read.bytes_read:
        same = f"{read.as_downloaded:,} of {read.members:,}"
        console.print()
        console.print(f"images read: {same} are the bytes that were downloaded, others were decoded")
    console.print()
    console.print(Text.assemble(("available ", "dim"), counted.available_hash))
    console.print(Text.assemble(("intact    ", "dim"), counted.intact_hash))


# Why an available sample is not intact.
_NOT_INTACT = (
    ("another sha256 than the pool's", "changed"),
    ("no sha256 in the .json", "unstated"),
    ("no sha256 in the pool", "unrecorded"),
    ("not the image of its .json", "damaged"),
)


def _notes(found: "Coverage") -> Iterator[str]:
    """Say what was met in the shards and is no sample of the pool, each kind with its count."""
    read = found.read
    for tar, offset, reason, before in read.damaged[:_SHOWN]:
        yield f"damaged: {shown(tar)} from byte {offset:,}, {reason}; {plural(before, 'sample')} before are left out"
    if len(read.damaged) > _SHOWN:
        yield f"damaged: {len(read.damaged) - _SHOWN:,} more tars; --format json names them all"
    if read.missing:
        more = f" and {len(read.missing) - _SHOWN:,} more" if len(read.missing) > _SHOWN else ""
        yield f"missing by their numbers: {', '.join(map(shown, read.missing[:_SHOWN]))}{more}"
    if read.stranger is not None:
        uid, tar = read.stranger
        yield f"uids that the pool lacks: {read.strangers:,}, the first {uid} in {shown(tar)}"
    for count, what in (
        (read.duplicates, "samples left out, since their uid came before"),
        (read.incomplete, "samples without an image or a caption"),
        (read.unnamed, "images without a .json that gives a uid"),
    ):
        if count:
            yield f"{what}: {count:,}"
