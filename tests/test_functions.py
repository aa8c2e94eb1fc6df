"""tests/functions.txt: what every function and operator gives, on one sample."""

from functools import cache
from pathlib import Path
from typing import Any

import pools
import pytest
from conformance import Ready, asked, make_ready, ran

import dcql
from dcql.catalog.functions import FUNCTIONS
from dcql.errors import DcqlError
from dcql.source import Source

TABLE = Path(__file__).parent / "functions.txt"
SAMPLE: dict[str, dict[str, Any]] = {
    "int64": {
        "two": 2,
        "five": 5,
        "minus_seven": -7,
        "zero": 0,
        "minus_one": -1,
        "int_max": 2**63 - 1,
        "int_min": -(2**63),
        "beyond": 2**53 + 1,
        "no_int": None,
    },
    "float32": {
        "tenth_f": 0.1,
        "third_f": 0.3,
        "quarter_f": 0.25,
        "huge_f": 3e38,
        "tiny_f": 2.0**-149,
        "zero_f": -0.0,
        "nan_f": float("nan"),
        "inf_f": float("inf"),
        "no_float": None,
    },
    "float64": {
        "tenth_d": 0.1,
        "third_d": 0.3,
        "half_d": 0.5,
        "huge_d": 1.7e308,
        "tiny_d": 5e-324,
        "zero_d": -0.0,
        "nan_d": float("nan"),
        "inf_d": float("inf"),
        "minus_inf_d": float("-inf"),
        "no_double": None,
    },
    "string": {
        "word": "photo",
        "sentence": "a photo of a dog",
        "accented": "café",
        "lines": "a\nb",
        "blanks": "\u3000a\u00a0b\v\x1cc\u200b",  # a zero-width space is no white space
        "none": "",
        "no_text": None,
    },
    "bool": {"yes": True, "no": False, "unknown": None},
}


def lines() -> list[tuple[str, str]]:
    """Return every expression of the table with its value."""
    written = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [(expression.strip(), value.strip()) for expression, _, value in (line.rpartition("|") for line in written)]


@cache
def one_sample() -> Ready:
    columns = {name: [value] for values in SAMPLE.values() for name, value in values.items()}
    types = {name: type_ for type_, values in SAMPLE.items() for name in values}
    # DataComp's columns, because the library names them.
    rest: dict[str, list[Any]] = {name: [None] for name in pools.TYPES if name not in ("uid", "text", *types)}
    everything: dict[str, list[Any]] = {"uid": ["0" * 32], "text": [None], **columns, **rest}
    return make_ready("one_sample", pools.Pool(everything, {**pools.TYPES, **types}))


def conditions(expression: str, value: str) -> list[str]:
    """Return the conditions that hold if the expression has the value, and no other."""
    match value:
        case "NULL":
            return [f"({expression}) IS NULL"]
        case "TRUE":
            return [expression, f"NOT (({expression}) IS NULL) AND ({expression})"]
        case "FALSE":
            return [f"NOT ({expression})"]
        case _:
            return [f"({expression}) = {value}", f"NOT (({expression}) <> {value})"]


@pytest.mark.parametrize(("expression", "value"), lines(), ids=[expression for expression, _ in lines()])
def test_value(expression: str, value: str) -> None:
    ready = one_sample()
    if value.startswith("E0"):
        with pytest.raises(DcqlError) as caught:
            dcql.check(Source("functions.txt", f"SELECT uid FROM pool WHERE ({expression}) IS NULL"), ready.raw.schema)
        assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {value}
        return
    for condition in conditions(expression, value):
        recipe = f"SELECT uid FROM pool WHERE {condition}"
        answer = asked(recipe, ready.rows)
        assert not isinstance(answer, str), f"the oracle refuses with {answer}: {recipe}"
        assert answer.counts[0][-1] == 1, f"not so for the oracle: {recipe}"
        for form, pool in ready.opened:
            assert ran(recipe, pool).subset.distinct == 1, f"{form}: {recipe}"


def test_every_function_has_its_values() -> None:
    written = TABLE.read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if f"{name}(" not in written] == []
