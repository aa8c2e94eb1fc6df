"""DISTINCT ON in a run: who is first is found over all files at once, and laid beside them, row for row.

Whatever the groups are, what is held here is a bit or a byte a sample; DuckDB holds the groups, and writes to disk what
does not fit into its share.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.arrays import numbers
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Session
from dcql.engine.marked import Bits, Bytes, Marked, marks_of
from dcql.engine.ranks import positions_of, row_dtype, starts_of
from dcql.engine.sources import Sources
from dcql.limits import refuse_output
from dcql.lower.program import Firsts, Program
from dcql.lower.statement import Statement, first_column
from dcql.subset import Uids

_SCHEMA = pa.schema([("first", pa.bool_())])
_UIDS = pa.schema([("uid", pa.string())])


def nobody_first(program: Program, session: Session) -> None:
    """Let the columns of who is first in a program's DISTINCT ONs be NULL for every sample, until it is known."""
    place = Path(session.folder) / "nobody.parquet"
    pq.write_table(_SCHEMA.empty_table(), place)
    for one in (one for stage in program.stages for one in stage.statistics if isinstance(one, Firsts)):
        session.stand_nothing_beside(one.name, str(place))


def find_firsts(
    firsts: Firsts, pool: Pool, session: Session, sources: Sources, parameters: dict[str, Any]
) -> tuple[int, str]:
    """Find who is first in the groups of a DISTINCT ON, and let it stand beside the pool's files in a session.

    Returns how many they are, and the XOR of the MD5 of their uids: 32 hex digits.
    """
    groups = f"{firsts.name}/groups"
    session.store_result(groups, firsts.groups, sources.every_place(), parameters)
    marks = marks_of(pool.rows, has_copies=False)
    starts = starts_of(pool.files)
    # In pools of more samples positions take 64 bits.
    dtype = row_dtype(pool.rows)
    for statement, source in ((firsts.alone, sources.every_place()), (firsts.statement, sources.every_named())):
        for batch in session.marks(statement, source, parameters):
            marks.add(positions_of(numbers(batch.column("id")), starts).astype(dtype), None)
    session.drop(groups)
    session.stand_beside(firsts.name, _beside(firsts.name, marks, pool.files, session.folder))
    if not pool.added:
        return _checksum_of_raw(firsts, session, sources)
    return _checksum(_by_rank(marks, pool), firsts, session)


def _beside(name: str, marks: Bits | Bytes, files: Sequence[PoolFile], folder: Path) -> dict[str, str]:
    """Write a column of marks for each file; return the file of each, by path and by sidecar's path."""
    # A folder of its own: DuckDB keeps what it knows of a file by its path.
    place = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=folder))
    found: dict[str, str] = {}
    written = 0
    for number, (file, pieces) in enumerate(zip(files, _by_file(marks, files), strict=True)):
        path = place / f"{number}.parquet"
        with pq.ParquetWriter(path, _SCHEMA, compression="NONE", use_dictionary=False) as writer:
            for piece in pieces:
                writer.write_batch(pa.record_batch([pa.array(piece)], schema=_SCHEMA))
        written += path.stat().st_size
        refuse_output(written, "who is first in a DISTINCT ON, beside the pool")
        found[file.path] = str(path)
        if file.sidecar is not None:
            found[str(file.sidecar)] = str(path)
    return found


def _by_file(marks: Bits | Bytes, files: Sequence[PoolFile]) -> Iterator[list[NDArray[np.bool_]]]:
    """Yield the marks of each file, in pieces."""
    pieces = marks.pieces()
    left: NDArray[np.bool_] = np.empty(0, np.bool_)
    for file in files:
        parts: list[NDArray[np.bool_]] = []
        missing = file.rows
        while missing:
            if not len(left):
                left = next(pieces)
            parts.append(left[:missing])
            left = left[len(parts[-1]) :]
            missing -= len(parts[-1])
        yield parts


def _by_rank(marks: Bits | Bytes, pool: Pool) -> Marked:
    """Return the subset of an added pool that is marked by position."""
    assert pool.uids is not None
    ranked = marks_of(pool.rows, has_copies=False)
    for file, parts in zip(pool.files, _by_file(marks, pool.files), strict=True):
        ranks = np.load(file.rank, mmap_mode="r")  # type: ignore[arg-type]
        done = 0
        for part in parts:
            ranked.add(np.compress(part, ranks[done : done + len(part)]), None)
            done += len(part)
    return Marked(ranked, pool.uids)


def _checksum(subset: Marked, firsts: Firsts, session: Session) -> tuple[int, str]:
    table = f"{firsts.name}/sums"
    text = 'SELECT count(*) AS "count", bit_xor(md5_number("uid"))::VARCHAR AS "sum" FROM "@values"'
    batches = (pa.record_batch([_texts(uids)], schema=_UIDS) for uids, _ in subset.pieces())
    session.store_batches(table, Statement(text, ()), _UIDS, batches)
    ((count, folded),) = session.table(table, ["count", "sum"])
    session.drop(table)
    return int(count), f"{int(folded or 0):032x}"


def _texts(uids: Uids) -> Any:
    """Return uids as they are written: 32 hex digits each."""
    digits = pa.py_buffer(uids.astype([("f0", ">u8"), ("f1", ">u8")]).tobytes().hex().encode())
    offsets = pa.py_buffer(np.arange(0, 32 * len(uids) + 1, 32, dtype=np.int32))
    return pa.StringArray.from_buffers(len(uids), offsets, digits)


def _checksum_of_raw(firsts: Firsts, session: Session, sources: Sources) -> tuple[int, str]:
    text = f'SELECT count(*), bit_xor(md5_number("uid")) FROM "samples" WHERE "{first_column(firsts.name)}"'
    ((count, folded),) = session.rows(Statement(text, ()), sources.every_named(), {})
    return int(count), f"{int(folded or 0):032x}"
