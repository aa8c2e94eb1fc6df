"""Embeddings of a pool: one array of an .npz file, read in place.

numpy.savez writes a zip of .npy members that are stored, not compressed, so that each array is one stretch of the file.
It is found from the zip's directory and mapped into memory; the other arrays, three quarters of DataComp's files, are
not read.
"""

import ast
import hashlib
import io
import posixpath
import struct
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError, did_you_mean
from dcql.files import first_line, locate, unreadable

_LOCAL = struct.Struct("<4s5H3I2H")  # a member's header before its data: the last two are the lengths of name and extra
_END_MAX = 22 + 65535  # a zip's last record with the longest comment
_HEADER_MAX = 1 << 16  # bytes of a .npy header that are read; numpy writes 128
_STRETCH = 1 << 22  # bytes copied at a time
_WORTH_THREADS = 16  # stretches from which two threads are faster than one: new memory is what takes long
_HALF_TO_SINGLE = np.float32(2.0**112)  # what the exponents' offsets of float16 and float32 differ by
_HALF_SPECIAL = np.int16(0x7C00)  # the exponent of float16's infinity and NaN


@dataclass(frozen=True)
class Embeddings:
    """An array of an .npz file: `shape` (rows, d), `dtype` float16, float32 or float64, its bytes from `offset` on."""

    path: str
    key: str
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int

    @classmethod
    def open(cls, path: str, key: str, rows: int | None = None) -> "Embeddings":
        """Find the array `key` of a local .npz or one behind a URL, reading its headers only.

        `rows` is how many the array has to have, None for any number. Raises RunError for a file that is missing or not
        a whole .npz, for a key that it lacks, and for an array that is not a stored matrix of floats in C order.
        """
        file = _File.open(path)
        member = file.members.get(key)
        if member is None:
            meant = did_you_mean(key, file.members)
            there = ", ".join(f"`{name}`" for name in file.members) or "nothing"
            advice = f"did you mean `{meant}`?" if meant else "name one of those"
            raise _fault("E0662", f"`{path}` has no array `{key}`", f"it holds {there}", advice)
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise _unfit(path, key, "it is compressed or encrypted")
        offset = member.header_offset
        local = file.read(offset, offset + _LOCAL.size)
        if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
            raise _damaged(path, f"`{key}` does not start where its directory says")
        *_, name_length, extra_length = _LOCAL.unpack(local)
        start = offset + _LOCAL.size + name_length + extra_length
        end = start + member.file_size
        if end > file.size or member.compress_size != member.file_size:
            raise _damaged(path, f"`{key}` ends after the file does")
        shape, dtype, header = _npy_header(path, key, file.read(start, min(end, start + _HEADER_MAX)))
        if start + header + shape[0] * shape[1] * dtype.itemsize != end:
            raise _damaged(path, f"`{key}` has fewer or more bytes than its shape asks for")
        if rows is not None and shape[0] != rows:
            raise _fault(
                "E0664",
                f"`{key}` of `{path}` has {shape[0]:,} rows",
                f"the samples beside it are {rows:,}, and rows are matched by place",
                "put the .npz beside the .parquet file that it was made from",
            )
        return cls(path, key, shape, dtype, start + header)

    def rows(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return the rows from `start` to before `stop` as (n, d) in the stored dtype, not to be written to.

        A local file is mapped, so that bytes are read when they are looked at; of a URL the stretch is fetched.
        Raises RunError where the file cannot be read.
        """
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        shape = (max(0, stop - start), self.shape[1])
        width = self.shape[1] * self.dtype.itemsize
        if 0 in shape:
            return np.empty(shape, self.dtype)
        first = self.offset + start * width
        try:
            if "://" not in self.path:
                return np.memmap(self.path, self.dtype, "r", first, shape)
            filesystem, path = locate(self.path)
            content = filesystem.cat_file(path, start=first, end=first + shape[0] * width)
            return np.frombuffer(content, self.dtype).reshape(shape)
        except (OSError, ValueError) as error:
            raise RunError(unreadable(self.path, error)) from error

    def read(self, start: int = 0, stop: int | None = None, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the rows from `start` to before `stop` copied into memory, into the first rows of `out` where given.

        `out` is (at least as many rows, d), of the stored dtype or float32, to which values are converted. Large
        stretches are copied by two threads. Raises RunError where the file cannot be read.
        """
        rows = self.rows(start, stop)
        out = np.empty(rows.shape, rows.dtype) if out is None else out[: len(rows)]
        step = max(1, _STRETCH // max(1, rows[:1].nbytes))
        parts = [slice(first, first + step) for first in range(0, len(rows), step)]

        def copy(part: slice) -> None:
            if out.dtype == rows.dtype:
                np.copyto(out[part], rows[part])
            else:
                to_float32(rows[part], out[part])

        if len(parts) < _WORTH_THREADS:
            for part in parts:
                copy(part)
        else:
            from concurrent.futures import ThreadPoolExecutor  # few reads are so large

            with ThreadPoolExecutor(2) as threads:
                list(threads.map(copy, parts))
        return out


def keys(path: str) -> tuple[str, ...]:
    """Return the names of the arrays of an .npz file, as numpy.load does; raise RunError where it cannot be read."""
    return tuple(_File.open(path).members)


def digest(path: str) -> str:
    """Return "npz1:<hex>", the identity of an .npz file: SHA-256 over its size and its zip directory.

    The directory holds the CRC-32 of every array: this finds accidents without reading the arrays, not malice.
    Raises RunError where the file cannot be read.
    """
    file = _File.open(path)
    return "npz1:" + hashlib.sha256(b"dcql.npz.v1\0%d\0" % file.size + file.directory).hexdigest()


def to_float32(values: NDArray[Any], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return floats of any width as float32, in `out` where it is given; float16 is several times as fast as astype.

    float16 holds nothing that float32 does not, so that no value changes; float64 is rounded.
    """
    if out is None:
        out = np.empty(values.shape, np.float32)
    if values.dtype != np.float16 or values.ndim != 2 or _flushes_denormals():
        with np.errstate(over="ignore"):
            np.copyto(out, values, casting="same_kind")
        return out
    bits = values.view(np.int16)
    step = max(1, (1 << 16) // max(1, values.shape[1]))  # a block stays in the processor's cache
    for start in range(0, len(values), step):
        # Sign, exponent and fraction move to where float32 has them; numpy's own conversion takes values one by one.
        block = out[start : start + step]
        moved = np.left_shift(bits[start : start + step], 13, dtype=np.int32)
        moved &= np.int32(-0x70002000)
        np.multiply(moved.view(np.float32), _HALF_TO_SINGLE, out=block)
        if (bits[start : start + step] & _HALF_SPECIAL).max(initial=0) == _HALF_SPECIAL:
            np.copyto(block, values[start : start + step])  # infinity and NaN have an exponent of their own
    return out


def _flushes_denormals() -> bool:
    # Some libraries make the processor take denormal numbers for zero; those are float16 values on their way here.
    return bool(np.float32(2.0**-136) * _HALF_TO_SINGLE != np.float32(2.0**-24))


@dataclass(frozen=True)
class _File:
    """An .npz file: its size, the bytes of its directory, and its members by the names of their arrays."""

    path: str
    size: int
    directory: bytes
    members: dict[str, zipfile.ZipInfo]

    @classmethod
    def open(cls, path: str) -> "_File":
        try:
            filesystem, inner = locate(path)
            if not filesystem.isfile(inner):
                raise FileNotFoundError(path)
            size = int(filesystem.size(inner))
            tail = filesystem.cat_file(inner, start=max(0, size - _END_MAX), end=size)
            # zipfile reads the directory through a file that begins with a hole where the arrays are.
            stream = _Tail(tail, size, lambda start, end: bytes(filesystem.cat_file(inner, start=start, end=end)))
            with zipfile.ZipFile(stream) as archive:
                members = {
                    info.filename.removesuffix(".npy"): info
                    for info in archive.infolist()
                    if not info.filename.endswith("/")
                }
                directory = stream.from_offset(archive.start_dir)
            if members and min(info.header_offset for info in members.values()) != 0:
                raise ValueError("it does not begin with an array, so that a part is missing or too much")
        except FileNotFoundError:
            raise _fault(
                "E0660",
                f"no embeddings at `{path}`",
                "nothing lies at that path",
                f"put {posixpath.basename(path)} beside the .parquet file of the same name",
            ) from None
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error) as error:
            raise _damaged(path, first_line(error)) from error
        except (OSError, ImportError) as error:
            raise RunError(unreadable(path, error)) from error
        return cls(path, size, directory, members)

    def read(self, start: int, end: int) -> bytes:
        try:
            filesystem, path = locate(self.path)
            return bytes(filesystem.cat_file(path, start=start, end=end))
        except OSError as error:
            raise RunError(unreadable(self.path, error)) from error


class _Tail(io.RawIOBase):
    """A file to read of which the last bytes are at hand; what lies before them is fetched when asked for."""

    def __init__(self, tail: bytes, size: int, fetch: Any) -> None:
        self.tail, self.size, self.fetch, self.place = tail, size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        if self.place < 0:
            raise OSError("a place before the file's start")
        return self.place

    def read(self, count: int | None = -1) -> bytes:
        end = self.size if count is None or count < 0 else min(self.size, self.place + count)
        start, self.place = self.place, max(self.place, end)
        known = self.size - len(self.tail)
        return self.tail[start - known : max(0, end - known)] if start >= known else bytes(self.fetch(start, end))

    def from_offset(self, offset: int) -> bytes:
        """Return everything from a place to the end."""
        self.seek(offset)
        return self.read()


def _npy_header(path: str, key: str, content: bytes) -> tuple[tuple[int, int], np.dtype[Any], int]:
    """Return the shape and dtype that the start of a .npy says, and where its values begin."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        width = 2 if version == (1, 0) else 4
        length = int.from_bytes(stream.read(width), "little")
        text = stream.read(length)
        if len(text) < length or version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError("its header is cut off or of an unknown version")
        fields = ast.literal_eval(text.decode("utf-8" if version == (3, 0) else "latin1").strip())
        shape, fortran, described = fields["shape"], fields["fortran_order"], fields["descr"]
        dtype = np.dtype(described) if isinstance(described, str) else np.dtype(object)
        counts = isinstance(shape, tuple) and all(type(count) is int and count >= 0 for count in shape)
        if not counts or not isinstance(fortran, bool):
            raise ValueError("its header has no shape")
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError) as error:
        raise _damaged(path, f"`{key}` is not a .npy: {first_line(error)}") from error
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8) or not dtype.isnative:
        raise _unfit(path, key, f"its values are {dtype.str.lstrip('<|=') if dtype.kind != 'O' else 'objects'}")
    if len(shape) != 2:
        raise _unfit(path, key, f"it has {len(shape)} dimensions")
    if fortran and min(shape) > 1:
        raise _unfit(path, key, "it is stored column by column")
    return (shape[0], shape[1]), dtype, stream.tell()


def _fault(code: str, message: str, label: str, advice: str) -> RunError:
    return RunError(Diagnostic(code, message, None, label, (advice,)))


def _damaged(path: str, reason: str) -> RunError:
    return _fault("E0661", f"`{path}` is not a whole .npz file", reason, "copy or download it again")


def _unfit(path: str, key: str, reason: str) -> RunError:
    return _fault(
        "E0663",
        f"`{key}` of `{path}` cannot be read as embeddings",
        reason,
        "write it with numpy.savez as a matrix of float16, float32 or float64, a row a sample",
    )
