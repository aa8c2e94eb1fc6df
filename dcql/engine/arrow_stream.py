"""An Arrow stream, read through Arrow's C interface: pyarrow takes longer to import than many runs take.

For columns of numbers and truth values alone. https://arrow.apache.org/docs/format/CStreamInterface.html
"""

import ctypes
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p
from typing import Any

# The letters of the C interface, as Arrow calls the types, and the bits of a value.
_TYPES = {
    b"b": ("bool", 1),
    b"c": ("int8", 8),
    b"C": ("uint8", 8),
    b"s": ("int16", 16),
    b"S": ("uint16", 16),
    b"i": ("int32", 32),
    b"I": ("uint32", 32),
    b"l": ("int64", 64),
    b"L": ("uint64", 64),
    b"f": ("float", 32),
    b"g": ("double", 64),
}


class _Schema(Structure):
    pass


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_void_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", c_void_p),
    ("release", CFUNCTYPE(None, POINTER(_Schema))),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", c_void_p),
    ("release", CFUNCTYPE(None, POINTER(_Array))),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))),
    ("release", CFUNCTYPE(None, POINTER(_Stream))),
    ("private_data", c_void_p),
]

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = c_void_p, (ctypes.py_object, c_char_p)


class Column:
    """One column of a batch, with what `dcql.arrays` asks of an Arrow array."""

    def __init__(self, format_: bytes, array: _Array) -> None:
        self.type, self._bits = _TYPES[format_]
        self.offset: int = array.offset
        self.null_count: int = array.null_count
        self._length: int = array.length
        self._buffers = [array.buffers[0], array.buffers[1]]

    def __len__(self) -> int:
        return self._length

    def buffers(self) -> list[Any]:
        """Return the validity, a bit a value or None where all are there, and the values; both as they lie there."""
        values = self.offset + self._length
        return [_memory(self._buffers[0], (values + 7) // 8), _memory(self._buffers[1], (values * self._bits + 7) // 8)]


class Batch:
    """Rows of a stream; good until the next batch is read."""

    def __init__(self, formats: dict[str, tuple[int, bytes]], array: _Array) -> None:
        self.num_rows: int = array.length
        self._formats = formats
        self._array = array

    def column(self, name: str) -> Column:
        """Return the column of this name."""
        place, format_ = self._formats[name]
        return Column(format_, self._array.children[place].contents)


def batches_of(capsule: Any) -> Iterator[Batch]:
    """Yield the batches of a PyCapsule "arrow_array_stream". Raises OSError with the text of what made it fail."""
    stream = ctypes.cast(_pointer_of(capsule, b"arrow_array_stream"), POINTER(_Stream))
    schema, array = _Schema(), _Array()
    _check(stream, stream.contents.get_schema(stream, byref(schema)))
    try:
        columns = [schema.children[place].contents for place in range(schema.n_children)]
        formats = {column.name.decode(): (place, column.format) for place, column in enumerate(columns)}
    finally:
        schema.release(byref(schema))
    while True:
        _check(stream, stream.contents.get_next(stream, byref(array)))
        if not array.release:
            return
        try:
            yield Batch(formats, array)
        finally:
            array.release(byref(array))


def _check(stream: Any, code: int) -> None:
    if code:
        said = stream.contents.get_last_error(stream)
        raise OSError(said.decode(errors="replace") if said else f"the stream failed with {code}")


def _memory(address: int | None, size: int) -> Any:
    return None if address is None else (ctypes.c_uint8 * size).from_address(address)
