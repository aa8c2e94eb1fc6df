"""The logical fingerprint of a pool, "dcpool1:<hex>": its samples and schema, however its files are cut or ordered.

It is the tree of SEMANTICS §5 with the domain T = "dcql.pool.v1" ‖ 00 and K = 12:

    record = uid16 ‖ SHA256(row)                   in the order of the uids
    leaf   = SHA256(T ‖ 00 ‖ its records)          one for each value of the uid's first K bits
    node   = SHA256(T ‖ 01 ‖ left ‖ right)
    schema = SHA256(T ‖ 03 ‖ u32be(number of columns) ‖ (text(name) ‖ text(type)) of each column)
    hash   = SHA256(T ‖ 02 ‖ u8(K) ‖ schema ‖ u64be(number of samples) ‖ root)

where text(s) = u32be(number of bytes) ‖ UTF-8 of s, and columns are ordered by the UTF-8 of their names. `uid` counts
among the columns of the schema and is left out of the row, so that a uid written short is that with its zeros.
A type is INT, FLOAT, DOUBLE, TEXT, BOOL, or for other columns the text that `dcql.catalog.parquet.spelling` gives:
`list<T>` for every kind of list, `struct<"name": T, ..>` in the order of the names, `binary`, else arrow's own name.

    row    = value ‖ value ‖ ..                    one for each column but uid, in the order of the names
    value  = 00 ‖ 0^w            NULL of a type of fixed width w
           | 01 ‖ w bytes        INT: i64be, w = 8; FLOAT: IEEE binary32, big-endian, w = 4; DOUBLE: binary64, w = 8;
                                 BOOL: 00 or 01, w = 1
           | 00 ‖ u32be(0)       NULL of another type
           | 01 ‖ u32be(n) ‖ n bytes, which are
                                 TEXT: its UTF-8; binary: its bytes; list: u32be(number of elements) ‖ their values;
                                 struct: the values of its fields in the order of their names; map: the list of its
                                 (key, value) structs as stored; decimal: its text; arrow's null: only NULL occurs

Before that, at any depth, NaN is NULL and -0.0 is 0; whole numbers of any width are INT, float16 is FLOAT; dates,
times, timestamps and durations are INT, counted in their type's unit.
"""

import hashlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dcql.catalog.parquet import is_list, type_of
from dcql.catalog.types import Type
from dcql.engine.scalars import decoded, read_scalars
from dcql.errors import Diagnostic, RunError
from dcql.merkle import MerkleTree, Words

DOMAIN = b"dcql.pool.v1"
DIGEST = np.dtype((np.void, 32))
_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("digest", DIGEST)])


class PoolTree:
    """The tree of a pool, fed with samples in the order of their uids, in pieces of any size."""

    def __init__(self) -> None:
        self._tree = MerkleTree(DOMAIN)
        self._rows = 0

    def update(self, high: Words, low: Words, digests: NDArray[np.void]) -> None:
        """Append samples by the halves of their uids, (n,) uint64, and their rows' digests, (n,) of 32 bytes."""
        records = np.empty(len(high), _RECORD)
        records["high"], records["low"], records["digest"] = high, low, digests
        self._tree.update(high, records)
        self._rows += len(high)

    def fingerprint(self, columns: Iterable[tuple[str, str]]) -> str:
        """Return the fingerprint, bound to the (name, type text) of each column; nothing may follow."""
        ordered = sorted((name.encode(), spelled.encode()) for name, spelled in columns)
        schema = hashlib.sha256(DOMAIN + b"\0\3" + len(ordered).to_bytes(4, "big"))
        for pair in ordered:
            for text in pair:
                schema.update(len(text).to_bytes(4, "big") + text)
        return "dcpool1:" + self._tree.seal(schema.digest() + self._rows.to_bytes(8, "big")).hex()


def row_digests(batch: Any, *, file: str) -> NDArray[np.void]:
    """Return the SHA-256 of each row of a pyarrow record batch, (n,) of 32 bytes.

    Raises RunError for a column whose type has no canonical form.
    """
    columns = [(field.name, batch.column(place)) for place, field in enumerate(batch.schema) if field.name != "uid"]
    rows = _encode(columns, batch.num_rows, file)
    _, ends, data = rows.buffers()
    edges = np.frombuffer(ends, np.int64, batch.num_rows + 1).tolist() if batch.num_rows else [0]
    text = data.to_pybytes() if data is not None else b""
    sha256 = hashlib.sha256
    digests = [sha256(text[start:end]).digest() for start, end in pairwise(edges)]
    return np.frombuffer(b"".join(digests), DIGEST)


def _encode(columns: list[tuple[str, Any]], rows: int, file: str) -> Any:
    """Return the canonical bytes of each row, a pyarrow large_binary array without NULLs or offset."""
    parts: list[Any] = []
    fixed: list[tuple[str, NDArray[Any]]] = []  # columns of fixed width that wait to be written side by side
    for name, array in sorted(columns, key=lambda column: column[0].encode()):
        array = _plain(array, name, file)
        contract = type_of(array.type)
        if contract in (Type.TEXT, Type.NESTED):
            payload = _payload(array, name, file)
            present = pc.is_valid(array).to_numpy(zero_copy_only=False)
            fixed += [("u1", present), (">u4", pc.binary_length(payload).to_numpy())]
            parts += [_side_by_side(fixed, rows), payload]
            fixed = []
        else:
            values, nulls = read_scalars(array, column=name, file=file)
            fixed += [("u1", ~nulls), (_BIG_ENDIAN[contract], values)]
    if fixed or not parts:
        parts.append(_side_by_side(fixed, rows))
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))


_BIG_ENDIAN = {Type.INT: ">i8", Type.FLOAT: ">f4", Type.DOUBLE: ">f8", Type.BOOL: "u1"}


def _side_by_side(fixed: list[tuple[str, NDArray[Any]]], rows: int) -> Any:
    """Return the columns' bytes, row by row, as a large_binary array."""
    form = np.dtype([(str(place), dtype) for place, (dtype, _) in enumerate(fixed)])
    records = np.empty(rows, form)
    for place, (_, values) in enumerate(fixed):
        records[str(place)] = values
    data = records.view(np.uint8) if form.itemsize and rows else np.empty(0, np.uint8)
    return _binaries(np.arange(rows + 1, dtype=np.int64) * form.itemsize, pa.py_buffer(data))


def _payload(array: Any, name: str, file: str) -> Any:
    """Return the bytes that follow a value's length, empty for NULL: a large_binary array without NULLs or offset."""
    rows = len(array)
    kinds = pa.types
    if kinds.is_null(array.type):
        return _binaries(np.zeros(rows + 1, np.int64), pa.py_buffer(b""))
    if kinds.is_struct(array.type):
        names = [array.type.field(place).name for place in range(array.type.num_fields)]
        inner = _encode(list(zip(names, array.flatten(), strict=True)), rows, file)
        if array.null_count:
            inner = pc.if_else(pc.is_valid(array), inner, pa.scalar(b"", pa.large_binary()))
        return inner
    if is_list(array.type):
        # A list's elements lie side by side, so that its bytes are a range of all elements' bytes.
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        elements = array.flatten()
        _, ends, data = _encode([(name, elements)], len(elements), file).buffers()
        edges = np.frombuffer(ends, np.int64, len(elements) + 1)
        offsets = edges[np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])]
        count = _side_by_side([(">u4", lengths)], rows)
        if array.null_count:
            count = pc.if_else(pc.is_valid(array), count, pa.scalar(b"", pa.large_binary()))
        joined = [count, _binaries(offsets, data), pa.scalar(b"", pa.large_binary())]
        return pc.binary_join_element_wise(*joined)
    array = array.cast(pa.large_binary())
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(b"", pa.large_binary()))
    return array


def _plain(array: Any, name: str, file: str) -> Any:
    """Return the array as one of the types that have canonical bytes, or raise RunError."""
    array = decoded(array)
    kinds, arrow = pa.types, array.type
    try:
        if kinds.is_map(arrow):
            entry = pa.struct([("key", arrow.key_type), ("value", arrow.item_type)])
            return array.cast(pa.list_(entry))
        if kinds.is_date32(arrow) or kinds.is_time32(arrow):
            return array.cast(pa.int32())
        if kinds.is_temporal(arrow) and not kinds.is_interval(arrow):
            return array.cast(pa.int64())
        if kinds.is_decimal(arrow):
            return array.cast(pa.string())
        if kinds.is_fixed_size_binary(arrow) or kinds.is_binary(arrow) or kinds.is_binary_view(arrow):
            return array.cast(pa.large_binary())
        known = kinds.is_null(arrow) or kinds.is_struct(arrow) or is_list(arrow) or kinds.is_large_binary(arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        known = False
    if known or type_of(arrow) is not Type.NESTED:
        return array
    raise RunError(
        Diagnostic(
            "E0716",
            f"column `{name}` has a type without a canonical form",
            None,
            f"it is {arrow} in `{file}`",
            ("leave the column out, or store it as text or numbers",),
        )
    )


def _binaries(offsets: NDArray[np.int64], data: Any) -> Any:
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), data])
