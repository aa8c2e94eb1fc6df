"""Arrays of others: whole ones are read as numpy reads them; a header that lies takes no memory and no other error."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcql.npy import map_npy, read_npy
from dcql.subset import UID

ARRAYS = {
    "numbers": np.arange(6).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "one": np.array(3, np.uint8),
    "none": np.zeros((0, 4), np.float16),
    "uids": np.zeros(2, UID),
    "text": np.array(["a", "bc"]),
}


def npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, array, version)
    return written.getvalue()


def header(text: str, values: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + values


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("name", ARRAYS)
def test_whole_arrays_are_read(name: str, version: tuple[int, int], tmp_path: Path) -> None:
    content = npy(ARRAYS[name], version)
    (tmp_path / "a.npy").write_bytes(content)
    for found in (read_npy(io.BytesIO(content)), map_npy(tmp_path / "a.npy")):
        assert found.dtype == ARRAYS[name].dtype
        assert found.shape == ARRAYS[name].shape
        assert np.array_equal(found, ARRAYS[name])
        assert not found.size or not found.flags.writeable


OTHERS = {
    "cut off": npy(np.arange(4))[:-1],
    "longer": npy(np.arange(4)) + b"\0",
    "huge": header("{'descr': '<u8', 'fortran_order': False, 'shape': (1099511627776,)}", bytes(16)),
    "beyond 64 bits": header("{'descr': '<u8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 2)}"),
    "negative": header("{'descr': '<u8', 'fortran_order': False, 'shape': (-1,)}", bytes(8)),
    "true": header("{'descr': '<u8', 'fortran_order': False, 'shape': (True,)}", bytes(8)),
    "objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cos\nsystem\n(S'x'\ntR."),
    "nothing wide": header("{'descr': '|S0', 'fortran_order': False, 'shape': (1099511627776,)}"),
    "no dictionary": header("[1, 2]"),
    "never closed": header("{'descr': '<u8'"),
    "no python": header("\0\0\0\0"),
    "nested": header("(" * 9000),
    "another version": b"\x93NUMPY\x09\x00" + npy(np.arange(2))[8:],
    "an archive": b"PK\x03\x04" + bytes(100),
    "empty": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(OTHERS[name])
    with pytest.raises(ValueError, match=r"\w"):
        read_npy(io.BytesIO(OTHERS[name]))
    with pytest.raises(ValueError, match=r"\w"):
        map_npy(tmp_path / "a.npy")
