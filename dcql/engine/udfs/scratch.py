"""Memory that a thread uses again and again.

New memory of some megabytes is cleared by the system, page by page, before it can be written: that alone takes as long
as what is done with the rows of a batch beside their multiplication.
"""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

_mine = threading.local()


def scratch(purpose: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of this thread's memory for a purpose, with what happens to be in it.

    It is the caller's until the thread asks for the same purpose again.
    """
    held: dict[str, NDArray[np.uint8]] = _mine.__dict__
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if purpose not in held or len(held[purpose]) < size:
        held[purpose] = np.empty(size, np.uint8)
    found: NDArray[Any] = held[purpose][:size].view(dtype).reshape(shape)
    return found
