"""The logical fingerprint against its specification, written a second time in plain Python."""

import datetime
import hashlib
import math
import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from pool.samples import samples

from dcql.catalog.parquet import spelling
from dcql.engine.fingerprint import PoolTree, row_digests
from dcql.errors import RunError
from dcql.subset import sort_order


def fixed(form, width):
    def write(value):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return b"\0" * (width + 1)
        # Adding 0 makes -0.0 to 0.0 and leaves all else.
        return b"\1" + struct.pack(form, value + 0)

    return write


def sized(write):
    def both(value):
        if value is None:
            return b"\0\0\0\0\0"
        content = write(value)
        return b"\1" + struct.pack(">I", len(content)) + content

    return both


def listed(write):
    return sized(lambda values: struct.pack(">I", len(values)) + b"".join(map(write, values)))


INT, FLOAT, DOUBLE, BOOL = fixed(">q", 8), fixed(">f", 4), fixed(">d", 8), fixed(">B", 1)
TEXT, BINARY = sized(str.encode), sized(bytes)
STRUCT = sized(lambda value: TEXT(value["a"]) + INT(value["z"]))

COLUMNS = {
    "int8": (pa.int8(), INT, [1, -2, None]),
    "uint64": (pa.uint64(), INT, [2**63 - 1, None, 0]),
    "half": (pa.float16(), FLOAT, [np.float16(0.1), None, np.float16(-0.0)]),
    "float": (pa.float32(), FLOAT, [0.5, math.nan, -0.0, math.inf, 1e-45]),
    "double": (pa.float64(), DOUBLE, [0.1, None, -math.inf, 5e-324]),
    "bool": (pa.bool_(), BOOL, [True, False, None]),
    "text": (pa.string(), TEXT, ["", None, "日本", "a\0b"]),
    "large": (pa.large_string(), TEXT, ["x" * 1000, None]),
    "words": (pa.dictionary(pa.int32(), pa.string()), TEXT, ["a", "b", None, "a"]),
    "bytes": (pa.binary(), BINARY, [b"", None, b"\xff"]),
    "fixed bytes": (pa.binary(3), BINARY, [b"abc", None]),
    "faces": (pa.list_(pa.list_(pa.float64())), listed(listed(DOUBLE)), [[], None, [[0.1, math.nan], None, []]]),
    "large list": (pa.large_list(pa.int32()), listed(INT), [[1, None], [], None]),
    "fixed list": (pa.list_(pa.float32(), 2), listed(FLOAT), [[0.5, -0.0], None, [None, 1.0]]),
    "struct": (pa.struct([("z", pa.int64()), ("a", pa.string())]), STRUCT, [{"z": 1, "a": "q"}, None, {"z": None}]),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        listed(sized(lambda pair: TEXT(pair[0]) + INT(pair[1]))),
        [[("k", 1), ("l", None)], None, []],
    ),
    "nothing": (pa.null(), TEXT, [None]),
    "day": (pa.date32(), lambda day: INT(day and (day - datetime.date(1970, 1, 1)).days), [datetime.date(2024, 1, 2)]),
    "decimal": (pa.decimal128(9, 2), lambda number: TEXT(number and str(number)), [Decimal("1.50"), None]),
}


def complete(value):
    return {"a": None, **value} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", COLUMNS)
def test_bytes_of_one_column(name):
    kind, write, values = COLUMNS[name]
    values = values * 7
    array = pa.array(values, kind if name != "words" else pa.string()).cast(kind)
    batch = pa.record_batch({"uid": ["0"] * len(values), name: array})
    want = [hashlib.sha256(write(complete(value))).digest() for value in values]
    assert [bytes(digest) for digest in row_digests(batch, file="")] == want
    assert [bytes(digest) for digest in row_digests(batch.slice(2, 3), file="")] == want[2:5]


def test_bytes_of_a_row_are_its_columns_by_name():
    rows = 60
    names = sorted(COLUMNS, reverse=True)
    values = {name: [COLUMNS[name][2][row % len(COLUMNS[name][2])] for row in range(rows)] for name in names}
    batch = pa.record_batch(
        {
            name: pa.array(values[name]).cast(COLUMNS[name][0])
            if name == "words"
            else pa.array(values[name], COLUMNS[name][0])
            for name in names
        }
    )
    want = [
        hashlib.sha256(b"".join(COLUMNS[name][1](complete(values[name][row])) for name in sorted(names))).digest()
        for row in range(rows)
    ]
    assert [bytes(digest) for digest in row_digests(batch, file="")] == want


def test_tree_is_that_of_the_specification():
    table = samples(300).combine_chunks()
    digests = [bytes(digest) for digest in row_digests(table.to_batches()[0], file="")]
    numbers = [int(uid, 16) for uid in table["uid"].to_pylist()]
    tag = b"dcql.pool.v1\0"
    leaves = [b""] * 4096
    for number, digest in sorted(zip(numbers, digests, strict=True)):
        leaves[number >> 116] += number.to_bytes(16, "big") + digest
    level = [hashlib.sha256(tag + b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = [hashlib.sha256(tag + b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    columns = [(field.name, spelling(field.type)) for field in table.schema]
    schema = struct.pack(">I", len(columns))
    for pair in sorted(columns):
        for text in pair:
            schema += struct.pack(">I", len(text.encode())) + text.encode()
    header = hashlib.sha256(tag + b"\3" + schema).digest() + struct.pack(">Q", len(numbers))
    want = "dcpool1:" + hashlib.sha256(tag + b"\2" + bytes([12]) + header + level[0]).hexdigest()

    high = np.array([number >> 64 for number in numbers], np.uint64)
    low = np.array([number & (2**64 - 1) for number in numbers], np.uint64)
    order = sort_order(high, low)
    tree = PoolTree()
    for part in np.array_split(order, 11):
        tree.update(high[part], low[part], np.array(digests, (np.void, 32))[part])
    assert tree.fingerprint(columns) == want


def test_types_are_spelled_by_their_values():
    same = [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.field("element", pa.float64()), 4)]
    assert {spelling(kind) for kind in same} == {"list<DOUBLE>"}
    assert spelling(pa.struct([("b", pa.int8()), ("a", pa.large_string())])) == 'struct<"a": TEXT, "b": INT>'
    assert spelling(pa.map_(pa.string(), pa.int64())) == 'list<struct<"key": TEXT, "value": INT>>'


def test_a_type_without_canonical_bytes_is_refused():
    batch = pa.record_batch({"uid": ["0"], "x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pytest.raises(RunError, match="E0716"):
        row_digests(batch, file="a.parquet")
