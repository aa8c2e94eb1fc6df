"""Columns of chosen rows of a pool's file, as models and people read them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dcql.arrays import indices
from dcql.catalog.pool import PoolFile
from dcql.catalog.types import Type
from dcql.engine.scalars import decoded
from dcql.errors import Diagnostic, RunError
from dcql.files import locate

ROWS_READ = 1 << 16
_ARROW = {
    Type.TEXT: pa.string(),
    Type.INT: pa.int64(),
    Type.FLOAT: pa.float32(),
    Type.DOUBLE: pa.float64(),
    Type.BOOL: pa.bool_(),
}


def rows_of(file: PoolFile, columns: Mapping[str, Type], positions: NDArray[np.int64], size: int) -> Iterator[Any]:
    """Yield tables of the columns at the positions, `size` rows each, reading a part of the file at a time."""
    filesystem, path = locate(file.path)
    waiting: list[Any] = []
    rows = seen = 0
    until = int(positions[-1]) + 1 if len(positions) else 0
    try:
        with filesystem.open(path, "rb") as stream:
            for batch in pq.ParquetFile(stream).iter_batches(ROWS_READ, columns=list(columns)):
                if seen >= until:
                    break
                low, high = np.searchsorted(positions, [seen, seen + batch.num_rows])
                taken = positions[low:high] - seen
                seen += batch.num_rows
                if not len(taken):
                    continue
                rows_taken = indices(taken)
                arrays = [_as_read(batch.column(name).take(rows_taken), type_) for name, type_ in columns.items()]
                waiting.append(pa.table(arrays, list(columns)))
                rows += len(taken)
                while rows >= size:
                    whole = pa.concat_tables(waiting)
                    yield whole.slice(0, size)
                    waiting, rows = [whole.slice(size)], rows - size
    except (OSError, pa.ArrowException) as error:
        raise RunError(
            Diagnostic("E0714", f"`{file.name}` cannot be read", None, str(error), ("check the file, and try again",))
        ) from error
    if rows:
        yield pa.concat_tables(waiting)


def _as_read(array: Any, type_: Type) -> Any:
    """Return a column of a file in the arrow type of its type in recipes, NaN as NULL and -0.0 as 0."""
    array = decoded(array).cast(_ARROW[type_])
    if type_ not in (Type.FLOAT, Type.DOUBLE):
        return array
    import pyarrow.compute as pc  # slow to import, and few inputs are floats

    numbers = pc.add(array, pa.scalar(0.0, array.type))
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, array.type), numbers)
