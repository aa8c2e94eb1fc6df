"""What is read of a pool: the types of its columns and its samples (SEMANTICS §1)."""

import math
import re
from collections import deque
from fractions import Fraction

from pools import Pool

from .errors import OracleError
from .numeric import nearest_float32
from .types import Sample, Value

Read = tuple[dict[str, str], dict[bytes, Sample]]
# Tests ask many recipes of few pools. By identity: a pool holds dicts, which have no hash.
_read: deque[tuple[Pool, Read]] = deque(maxlen=16)


def read_pool(pool: Pool) -> Read:
    """Read a pool: the type of each column, and its samples by uid; NaN is NULL, -0.0 is 0; raises E07."""
    for known, read in _read:
        if known is pool:
            return read
    _read.append((pool, _read_anew(pool)))
    return _read[-1][1]


def _read_anew(pool: Pool) -> Read:
    columns = {name: expression_type(type_) for name, type_ in pool.types.items()}
    samples: dict[bytes, Sample] = {}
    for row in range(pool.rows):
        text = pool.columns["uid"][row]
        if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{1,32}", text):
            raise OracleError("E07", f"{text!r} is not a uid of 32 lower-case hex digits")
        padded = text.zfill(32)
        values = {name: normal(pool.columns[name][row], type_) for name, type_ in columns.items() if type_}
        uid = bytes.fromhex(padded)
        if uid in samples:
            raise OracleError("E07", f"two rows of the pool have the uid {padded}")
        samples[uid] = Sample(uid, values | {"uid": padded})
    return columns, samples


def expression_type(pool_type: str) -> str:
    """Map a pool's column type to the language's; '' for one that no expression may name."""
    if re.fullmatch(r"u?int\d+", pool_type):
        return "INT"
    known = {"float16": "FLOAT", "float32": "FLOAT", "float64": "DOUBLE", "string": "TEXT", "bool": "BOOL"}
    return known.get(pool_type, "")


def normal(value: Value, type_: str) -> Value:
    """Make NaN NULL and -0.0 0; a FLOAT column's value is rounded to float32, as writing it would."""
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    if type_ == "FLOAT" and not math.isinf(value):
        rounded = nearest_float32(Fraction(value))
        return math.copysign(math.inf, value) if rounded is None else rounded
    return value + 0.0  # -0.0 + 0.0 is 0.0
