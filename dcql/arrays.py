"""Between numpy and Arrow without a third library: Arrow's own conversions import pandas where it is installed.

What only reads takes pyarrow's arrays and those of `dcql.engine.arrow_stream`, and imports neither.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What numpy calls otherwise than Arrow.
_DTYPES = {"halffloat": "float16", "float": "float32", "double": "float64"}


def truths(array: Any) -> NDArray[np.bool_]:
    """Return an Arrow array of truth values without NULL as (n,) bool."""
    return _bits(array.buffers()[1], array)


def present(array: Any) -> NDArray[np.bool_]:
    """Return which values of an Arrow array are not NULL, (n,) bool."""
    validity = array.buffers()[0]
    return np.ones(len(array), np.bool_) if validity is None else _bits(validity, array)


def indices(positions: NDArray[np.int64]) -> Any:
    """Return positions, (n,) int64, as an Arrow array."""
    import pyarrow as pa

    contiguous = np.ascontiguousarray(positions, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(contiguous), [None, pa.py_buffer(contiguous)])


def arrow_of(values: NDArray[Any]) -> Any:
    """Return whole numbers or floats, (n,), as an Arrow array of the same type."""
    import pyarrow as pa

    contiguous = np.ascontiguousarray(values)
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(contiguous.dtype), len(contiguous), [None, pa.py_buffer(contiguous)]
    )


def texts_of(values: Sequence[bytes | None]) -> Any:
    """Return UTF-8 texts, of less than 2 GiB together, as an Arrow array of strings, None as NULL."""
    import pyarrow as pa

    texts = [value or b"" for value in values]
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, texts), np.int32, len(texts)), out=offsets[1:])
    validity = None
    if None in values:
        there = np.fromiter((value is not None for value in values), np.bool_, len(values))
        validity = pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(
        pa.string(), len(texts), [validity, pa.py_buffer(offsets), pa.py_buffer(b"".join(texts))]
    )


def numbers(array: Any) -> NDArray[Any]:
    """Return the values of an Arrow array of numbers, any number where one is NULL; not to be written to."""
    dtype = _DTYPES.get(str(array.type), str(array.type))
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


def count_true(array: Any) -> int:
    """Count the true values of an Arrow array of truth values."""
    values = truths(array)
    return int(np.count_nonzero(values & present(array) if array.null_count else values))


def _bits(buffer: Any, array: Any) -> NDArray[np.bool_]:
    bits = np.unpackbits(np.frombuffer(buffer, np.uint8), count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].view(np.bool_)
