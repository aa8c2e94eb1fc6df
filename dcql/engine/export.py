"""A subset joined with its pool: the samples' own columns, in one parquet file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.folder import replaced
from dcql.engine.inside import Inside
from dcql.engine.marked import uneven
from dcql.engine.uids import parse_uids
from dcql.errors import Diagnostic, RunError, did_you_mean
from dcql.files import locate
from dcql.merkle import Words
from dcql.subset import Subset, Uids, join_words

COPIES = "copies"
_BATCH_ROWS = 1 << 16

Progress = Callable[[str, int, int], None]


def refuse_unknown(pool: Pool, columns: Sequence[str], also: Sequence[str] = ()) -> None:
    """Raise RunError with every one of `columns` that the pool lacks; names of `also` may be meant instead."""
    known = pool.schema.names()
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise RunError(*(_unknown(name, pool, (*known, *also)) for name in dict.fromkeys(unknown)))


def export(subset: Subset, pool: Pool, columns: Sequence[str], path: Path, progress: Progress | None = None) -> int:
    """Write the uid and `columns` of a subset's samples to a parquet file, in the pool's order; return the rows.

    Where a sample has copies, a column `copies` counts them and every sample is still one row. The file appears whole
    or not at all. Raises RunError for columns and samples that the pool lacks.
    """
    refuse_unknown(pool, columns)
    wanted = ["uid", *(name for name in dict.fromkeys(columns) if name != "uid")]
    writer: pq.ParquetWriter | None = None
    written = done = 0
    with replaced(path) as unfinished:
        try:
            inside = Inside(subset, pool)
            for file in pool.files:
                held = inside.of(file) if file.rank is not None else None
                begin = done
                for batch in _batches(file, wanted):
                    if held is None:
                        part = _kept(batch, subset, file.name, done)
                    else:
                        part = _taken(batch, held[done - begin :][: batch.num_rows], subset, file.name)
                    writer = writer or pq.ParquetWriter(unfinished, part.schema, compression="zstd")
                    if part.num_rows:
                        writer.write_table(part.cast(writer.schema))
                    written += part.num_rows
                    done += batch.num_rows
                    if progress is not None:
                        progress(file.name, done, pool.rows)
            if written != subset.distinct:
                raise RunError(missing(subset.distinct - written, pool))
            if writer is None:
                raise RunError(missing(0, pool))
        finally:
            if writer is not None:
                writer.close()
    return written


def _batches(file: PoolFile, columns: list[str]) -> Iterator[Any]:
    try:
        filesystem, path = locate(file.path)
        with filesystem.open(path, "rb") as opened:
            yield from pq.ParquetFile(opened).iter_batches(_BATCH_ROWS, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            Diagnostic(
                "E0751",
                f"`{file.name}` could not be read",
                None,
                str(error).splitlines()[0],
                ("check the file, or fetch it again",),
            )
        ) from error


def _kept(batch: Any, subset: Subset, file: str, first_row: int) -> Any:
    high, low = parse_uids(batch.column("uid"), file=file, first_row=first_row)
    places = find(subset.uids, high, low)
    present = places >= 0
    table = pa.Table.from_batches([batch]).filter(pa.array(present))
    return _told(table, high[present], low[present], subset, places[present])


def _taken(batch: Any, held: NDArray[np.bool_], subset: Subset, file: str) -> Any:
    """Return the samples of an added pool's batch that a subset holds: no uid of another one is looked at."""
    if len(held) != batch.num_rows:
        raise uneven()
    table = pa.Table.from_batches([batch]).filter(pa.array(held))
    high, low = parse_uids(table.column("uid"), file=file, first_row=None)
    places = find(subset.uids, high, low) if subset.copies is not None else np.empty(0, np.int64)
    return _told(table, high, low, subset, places)


def _told(table: Any, high: Words, low: Words, subset: Subset, places: NDArray[np.int64]) -> Any:
    """Return samples as they are written, by the halves of their uids, and their places in the subset for copies."""
    # As the subset has it: 32 digits, whatever the pool's own spelling.
    uids = join_words(high, low).tolist()
    table = table.set_column(0, "uid", pa.array([f"{a:016x}{b:016x}" for a, b in uids], pa.string()))
    if subset.copies is not None:
        table = table.append_column(COPIES, pa.array(subset.copies[places], pa.uint32()))
    return table


def find(uids: Uids, high: Words, low: Words) -> NDArray[np.int64]:
    """Return for each number (high, low) its position in `uids`, sorted and distinct, or -1."""
    places = np.full(len(high), -1, np.int64)
    if not len(uids):
        return places
    first, second = uids["f0"], uids["f1"]
    start = np.searchsorted(first, high, "left")
    end = np.searchsorted(first, high, "right")
    looking = np.flatnonzero(start < end)
    # Few uids share their first half; where many do, each step halves what is left to look at.
    low_at, high_at = start[looking].copy(), end[looking].copy()
    while len(looking):
        middle = (low_at + high_at) // 2
        values = second[middle]
        hit = values == low[looking]
        places[looking[hit]] = middle[hit]
        above = values < low[looking]
        low_at = np.where(above, middle + 1, low_at)
        high_at = np.where(above, high_at, middle)
        more = ~hit & (low_at < high_at)
        looking, low_at, high_at = looking[more], low_at[more], high_at[more]
    return places


def _unknown(name: str, pool: Pool, known: tuple[str, ...]) -> Diagnostic:
    near = did_you_mean(name, known)
    every = ", ".join(pool.schema.names()[:20])
    help_ = f"a similar column exists: `{near}`" if near else f"its columns: {every}"
    return Diagnostic("E0762", f"unknown column `{name}`", None, f"not a column of pool `{pool.name}`", (help_,))


def missing(count: int, pool: Pool) -> Diagnostic:
    """Return the diagnostic of a subset with `count` samples that are not in the pool."""
    return Diagnostic(
        "E0763",
        f"{count:,} samples of the subset are not in pool `{pool.name}`",
        None,
        "the subset was selected from another pool, or the pool lost rows",
        ("name the pool that it was selected from: `--pool`",),
    )
