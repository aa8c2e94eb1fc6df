"""Subsets as tables of other libraries: Arrow, pandas, Polars."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_WIDTH = 32  # digits of a uid


class Tabular:
    """A bag of uids that other libraries take as a table.

    `uids` is (n,) of dtype u8,u8, `copies` (n,) uint32, or None where each is taken once.
    """

    __slots__ = ()

    uids: NDArray[np.void]
    copies: NDArray[np.uint32] | None

    def to_arrow(self) -> "pa.Table":
        """Return a pyarrow.Table, a row a sample in order: `uid`, its 32 hex digits as text, and `copies`, uint32."""
        import pyarrow as pa

        copies = np.ones(len(self.uids), np.uint32) if self.copies is None else self.copies
        return pa.table({"uid": _hex(self.uids), "copies": copies})

    def to_pandas(self) -> Any:
        """Return what `to_arrow` does as a pandas.DataFrame. Raises ImportError without pandas."""
        _require("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """Return what `to_arrow` does as a polars.DataFrame. Raises ImportError without Polars."""
        return _require("polars").from_arrow(self.to_arrow())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand `to_arrow` to any library that reads Arrow, as `polars.DataFrame(subset)` does."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)


def _hex(uids: NDArray[np.void]) -> "pa.LargeStringArray":
    """Write uids, (n,) of dtype u8,u8, as 32 lower-case hex digits each."""
    import pyarrow as pa

    # Big-endian, the two numbers of a uid are its digits in order.
    octets = np.empty((len(uids), 2), ">u8")
    octets[:, 0], octets[:, 1] = uids["f0"], uids["f1"]
    flat = octets.view(np.uint8).reshape(-1)
    digits = np.empty((len(flat), 2), np.uint8)
    digits[:, 0], digits[:, 1] = _DIGITS[flat >> 4], _DIGITS[flat & 15]
    ends = np.arange(len(uids) + 1, dtype=np.int64) * _WIDTH
    return pa.LargeStringArray.from_buffers(len(uids), pa.py_buffer(ends), pa.py_buffer(digits))


def _require(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is not installed: pip install {package}, or use to_arrow()") from error
