"""Arrays in .npy files of others: whatever a header says, nothing beyond the file's own bytes is read or reserved."""

import math
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # of 2.0, but for names of fields that are not latin1
}


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return the shape, whether the array lies column by column, and the dtype; the file is left at the first value.

    Raises ValueError for a header that is none, and OSError where the file cannot be read.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"version {version[0]}.{version[1]} of .npy is not known")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote, and of what is wrong in one
            shape, fortran, dtype = _READERS[version](file)
    except OSError:
        raise
    except Exception as error:  # numpy reads the header as Python's text, which can fail in many ways
        # It quotes the header, of any length.
        raise ValueError((str(error) or type(error).__name__).splitlines()[0][:100]) from error
    if any(type(count) is not int or count < 0 for count in shape):
        raise ValueError(f"{shape} is no shape")
    return shape, fortran, dtype


def map_npy(path: Path) -> NDArray[Any]:
    """Map the array of a .npy into memory, not to be written to. Raises ValueError or OSError where it is none."""
    with path.open("rb") as file:
        shape, fortran, dtype = read_header(file)
        start, size = file.tell(), file.seek(0, 2)
    _check_size(shape, dtype, size - start)
    if not size - start:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")


def read_npy(file: BinaryIO) -> NDArray[Any]:
    """Return the array of a .npy that is open, not to be written to. Raises ValueError or OSError where it is none."""
    shape, fortran, dtype = read_header(file)
    content = file.read()
    _check_size(shape, dtype, len(content))
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _check_size(shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> None:
    if dtype.hasobject or not dtype.itemsize:
        raise ValueError(f"{dtype} is no type of numbers")
    wanted = math.prod(shape) * dtype.itemsize
    if wanted != size:
        raise ValueError(f"its header asks for {wanted:,} bytes of {dtype} in shape {shape}, and {size:,} follow")
