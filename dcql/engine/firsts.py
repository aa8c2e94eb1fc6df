"""DISTINCT ON in a run: who is first is found over all files at once, and laid beside them, row for row.

Whatever the groups are, what is held here is a bit or a byte a sample; DuckDB holds the groups, and writes to disk what
does not fit into its share.
"""

from typing import Any

import numpy as np
import pyarrow as pa

from dcql.arrays import numbers
from dcql.catalog.pool import Pool
from dcql.engine.beside import marks_by_file, stand_beside
from dcql.engine.duck import Session
from dcql.engine.marked import Bits, Bytes, Marked, marks_of
from dcql.engine.ranks import positions_of, row_dtype, starts_of
from dcql.engine.sources import Sources
from dcql.lower.statement import Statement, first_column
from dcql.lower.tails import Firsts
from dcql.subset import Uids

_UIDS = pa.schema([("uid", pa.string())])


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
    stand_beside(firsts, marks, pool, session)
    if not pool.added:
        return _checksum_of_raw(firsts, session, sources)
    return _checksum(_by_rank(marks, pool), firsts, session)


def _by_rank(marks: Bits | Bytes, pool: Pool) -> Marked:
    """Return the subset of an added pool that is marked by position."""
    assert pool.uids is not None
    ranked = marks_of(pool.rows, has_copies=False)
    for file, parts in zip(pool.files, marks_by_file(marks, pool.files), strict=True):
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
