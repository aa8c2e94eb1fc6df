"""A reader of files of strangers: the table that a recipe joins, from its footer to the subset.

An input is a table's file, or what a table is made of: its columns, how it is written, and bytes of the file that are
written over. So most files are whole but for what is wrong with them.
"""

import hashlib
import io
import math
import os
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
from features.tars import uid

from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import run
from dcql.engine.add import add
from dcql.engine.duck import Resources
from fuzz.judging import promise
from fuzz.places import chosen, folder

ROWS = 6
WIDTHS = [1, 200, None, 400, 2**31, -(2**63)]
# Both keys, both joins, statistics and what is told of who has a row.
QUERIES = (
    "SELECT uid FROM pool JOIN t USING (uid)",
    "SELECT uid FROM pool JOIN t USING (uid) WHERE t.b IS NOT NULL",
    "SELECT uid FROM pool LEFT JOIN t USING (uid) WHERE t.b >= q(0.5 OF pool) OR t.c IS NULL",
    "SELECT uid FROM pool JOIN t USING (original_width) WHERE t.b > 0 ORDER BY t.c DESC LIMIT 2",
    "SELECT DISTINCT ON (t.c) uid FROM pool JOIN t USING (original_width) ORDER BY t.b",
)
FORMS = tuple((written, query) for written in (False, True) for query in QUERIES)


def table(data: bytes) -> bool:
    """A table of a recipe: a run over raw files and one over the pool that is added give the same subset."""
    number, content = chosen(data, tuple(str(one) for one in range(len(FORMS))))
    written, query = FORMS[int(number)]
    content = made(content) if written else content
    place = folder("table")
    (place / "t.parquet").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    recipe = place / "recipe.dcql"
    recipe.write_text(f"TABLE t FROM 't.parquet' SHA256 '{digest}';\n{query};\n", encoding="utf-8")
    raw, added = _pools()
    found = run(recipe, raw, resources=Resources(threads=1)).subset
    promise(run(recipe, added, resources=Resources(threads=1)).subset.hash == found.hash, "an added pool gives another")
    if query == QUERIES[0]:
        keys = pq.read_table(io.BytesIO(content), columns=["uid"]).column("uid").to_pylist()
        known = {str(key).zfill(32) for key in keys if key is not None}
        promise({*found.hex()} == known & {uid(each) for each in range(ROWS)}, "who has a row is not who is joined")
    return True


@cache
def _pools() -> tuple[Pool, Pool]:
    place, home = folder("table-pool"), folder("table-home")
    scores = pa.array([0.1, None, 0.3, math.nan, 0.3, -0.0], pa.float32())
    every = pa.table(
        {
            "uid": [uid(number) for number in range(ROWS)],
            "original_width": pa.array(WIDTHS, pa.int64()),
            "clip_l14_similarity_score": scores,
        }
    )
    for number in range(2):
        pq.write_table(every.slice(3 * number, 3), place / f"{number}.parquet")
    with patch.dict(os.environ, DCQL_HOME=str(home)):
        return open_pool(place), add("pool", place)


# --- tables that are made -----------------------------------------------------------------------------------------


class Bytes:
    """The bytes of an input, taken from the front; zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        taken, self._data = self._data[:count], self._data[count:]
        return taken.ljust(count, b"\0")

    def number(self) -> int:
        return self.take(1)[0]

    def of(self, values: Any) -> Any:
        return values[self.number() % len(values)]

    @property
    def left(self) -> bool:
        return bool(self._data)


UIDS = [uid(number) for number in range(ROWS + 2)]
NUMBERS = [*WIDTHS[:5], 0, -1, 255, 32767, 2**53 + 1, 2**63 - 1, -(2**63)]
FLOATS = [None, 0.0, -0.0, 0.5, math.nan, math.inf, -math.inf, 1e-45, 3e38, 0.1]
TEXTS = [None, "", "a", "日本語", "\0", "\x1b[31m", "e\u0301", "x" * 300, *UIDS[:3], UIDS[0].upper(), "7f", "0" * 33]
# What a column may be: its type, and values of which those that do not fit are left out.
COLUMNS: tuple[tuple[Any, Any], ...] = (
    (pa.string(), UIDS),
    (pa.string(), TEXTS),
    (pa.large_string(), TEXTS),
    (pa.string_view(), TEXTS),
    (pa.dictionary(pa.int8(), pa.string()), TEXTS),
    (pa.binary(), [None, b"", b"\xff\xfe", b"a", UIDS[0].encode()]),
    (pa.binary(4), [None, b"abcd", b"\0\0\0\0"]),
    (pa.int8(), NUMBERS),
    (pa.int16(), NUMBERS),
    (pa.int32(), NUMBERS),
    (pa.int64(), NUMBERS),
    (pa.uint8(), NUMBERS),
    (pa.uint32(), NUMBERS),
    (pa.uint64(), [*NUMBERS, 2**64 - 1, 2**63]),
    (pa.dictionary(pa.int32(), pa.int64()), NUMBERS),
    (pa.float16(), FLOATS),
    (pa.float32(), FLOATS),
    (pa.float64(), [*FLOATS, 1e308, 5e-324]),
    (pa.bool_(), [None, True, False]),
    (pa.null(), [None]),
    (pa.date32(), [None, date(2020, 2, 29)]),
    (pa.timestamp("ns", "UTC"), [None, datetime(2020, 2, 29)]),
    (pa.duration("s"), [None, 5]),
    (pa.decimal128(38, 2), [None, Decimal("0.25"), Decimal(10**35)]),
    (pa.list_(pa.int64()), [None, [], [1, None]]),
    (pa.struct([("a", pa.int64())]), [None, {"a": 1}]),
    (pa.map_(pa.string(), pa.int64()), [None, [], [("a", 1)]]),
    (pa.uuid(), [None, b"\0" * 16]),
)
NAMES = ("uid", "b", "c", "original_width", "", "UID", "pool", "a.b", 'q"', "@in", "select", "\x1b[31m", "x" * 300)
PATCHES = (
    b"\xff",
    b"\0",
    b"\x80",
    b"\x7f",
    b"\xff\xff\xff\xff",
    b"\xff" * 8,
    b"\xff\xff\xff\xff\x07",
    b"PAR1",
    b"\x15\x00",
)


def made(data: bytes) -> bytes:
    """Return a parquet file that is made as the bytes of an input say. Raises NoTableError."""
    source = Bytes(data)
    rows = source.number() % 24
    columns = [_column(source, name, rows) for name in ("uid", "b", "c", "original_width")]
    columns += [_column(source, source.of(NAMES), rows) for _ in range(source.number() % 3)]
    if source.number() % 4 == 3:  # one of them is not there
        columns.pop(source.number() % len(columns))
    out, names = io.BytesIO(), [name for name, _ in columns]
    try:
        whole = pa.Table.from_arrays([array for _, array in columns], names=names)
        pq.write_table(whole, out, **_options(source, names))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise NoTableError(str(error)) from error
    return _written_over(out.getvalue(), source)


class NoTableError(Exception):
    """What an input says cannot be written as a table."""


def _column(source: Bytes, name: str, rows: int) -> tuple[str, Any]:
    usual = {"uid": COLUMNS[0], "b": COLUMNS[16], "c": COLUMNS[1], "original_width": COLUMNS[10]}
    choice = source.number()
    type_, values = usual[name] if choice < 160 and name in usual else COLUMNS[choice % len(COLUMNS)]
    # Each value once and then none, or as the bytes say: a key that comes twice ends a run early.
    in_turn = [*values, *[None] * rows][:rows]
    picked = in_turn if choice % 2 else [source.of(values) for _ in range(rows)]
    return name, _array(picked, type_)


def _array(values: list[Any], type_: Any) -> Any:
    """Return an array of the values that fit its type, and NULL for the others."""
    if pa.types.is_dictionary(type_):
        return _array(values, type_.value_type).dictionary_encode().cast(type_)
    return pa.array([value if _fits(value, type_) else None for value in values], type_)


def _fits(value: Any, type_: Any) -> bool:
    try:
        pa.array([value], type_)
    except (pa.ArrowException, OverflowError, TypeError):
        return False
    return True


def _options(source: Bytes, names: list[str]) -> dict[str, Any]:
    """Return how a file is written. What options cannot be together is what Arrow decides."""
    encoding = source.of((None, None, "PLAIN", "DELTA_BINARY_PACKED", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"))
    options: dict[str, Any] = {
        "compression": source.of(("none", "none", "snappy", "zstd", "gzip", "brotli", "lz4")),
        "use_dictionary": source.of((False, True)),
        "data_page_version": source.of(("1.0", "2.0")),
        "row_group_size": 1 + source.number() % 7,
        "data_page_size": source.of((1 << 20, 1)),
        "write_statistics": source.of((True, False)),
        "store_schema": source.of((True, False)),
        "write_page_index": source.of((False, True)),
        "write_page_checksum": source.of((False, True)),
        "use_byte_stream_split": False,
    }
    if encoding is not None:
        options |= {"use_dictionary": False, "column_encoding": {source.of(names): encoding}}
    return options


def _written_over(content: bytes, source: Bytes) -> bytes:
    """Write over bytes of a file, counted from its start or that of its footer, as long as there are bytes."""
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    changed = bytearray(content)
    while source.left:
        how, at = source.number(), int.from_bytes(source.take(2), "little")
        piece = PATCHES[how // 4 % len(PATCHES)] if how % 4 == 0 else source.take(how % 4)
        start = footer + at % max(1, len(content) - footer) if how >= 128 else at % len(content)
        changed[start : start + len(piece)] = piece
    return bytes(changed[: len(content)])


# --- seeds ------------------------------------------------------------------------------------------------------------


def seeds() -> dict[str, bytes]:
    """Return a plain table for each query, as a file and as what it is made of."""
    out = io.BytesIO()
    numbers = [200, 400, 1, 7, 2**31, -1]
    plain = {
        "uid": [UIDS[number] for number in (0, 1, 3, 4, 6, 7)],
        "b": pa.array([0.5, None, math.nan, 0.25, 0.1, -0.0], pa.float32()),
        "c": ["a", None, "b", "", "日本語", "c"],
        "original_width": pa.array(numbers, pa.int64()),
    }
    pq.write_table(pa.table(plain), out, compression="none", store_schema=False)
    forms: dict[str, Callable[[int], bytes]] = {
        "file": lambda number: bytes([ord("0") + number]) + out.getvalue(),
        "made": lambda number: bytes([ord("0") + len(QUERIES) + number, 6, 1, 1, 1, 1, 0, 0]),
    }
    return {f"{name}_{number}": form(number) for name, form in forms.items() for number in range(len(QUERIES))}
