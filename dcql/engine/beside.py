"""Marks that stand beside the pool's files, row for row: who is first in a DISTINCT ON, what a SAMPLE draws.

What is held here is a bit or a byte a sample. What is not known yet is a file without rows, whose columns are NULL.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Session
from dcql.engine.marked import Bits, Bytes
from dcql.limits import refuse_output
from dcql.lower.program import Program
from dcql.lower.tails import Draw, Firsts

_SCHEMA = pa.schema([("first", pa.bool_())])


def mark_nobody(program: Program, session: Session) -> None:
    """Let the columns of a program's DISTINCT ONs and SAMPLEs be NULL for every sample, until they are known."""
    place = Path(session.folder) / "nobody.parquet"
    pq.write_table(_SCHEMA.empty_table(), place)
    for one in (one for stage in program.stages for one in stage.statistics if isinstance(one, Firsts | Draw)):
        session.stand_nothing_beside(one.name, str(place))


def stand_beside(statistic: Firsts | Draw, marks: Bits | Bytes, pool: Pool, session: Session) -> None:
    """Let marks, in the order of the pool's samples, stand beside its files in a session."""
    # A folder of its own: DuckDB keeps what it knows of a file by its path.
    place = Path(tempfile.mkdtemp(prefix=f"{statistic.name}.", dir=session.folder))
    found: dict[str, str] = {}
    written = 0
    for number, (file, pieces) in enumerate(zip(pool.files, marks_by_file(marks, pool.files), strict=True)):
        path = place / f"{number}.parquet"
        with pq.ParquetWriter(path, _SCHEMA, compression="NONE", use_dictionary=False) as writer:
            for piece in pieces:
                writer.write_batch(pa.record_batch([pa.array(piece)], schema=_SCHEMA))
        written += path.stat().st_size
        refuse_output(written, f"who is first by {statistic.text}, beside the pool")
        found[file.path] = str(path)
        if file.sidecar is not None:
            found[str(file.sidecar)] = str(path)
    session.stand_beside(statistic.name, found)


def marks_by_file(marks: Bits | Bytes, files: Sequence[PoolFile]) -> Iterator[list[NDArray[np.bool_]]]:
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
