"""Reading uids out of text."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.engine.uids import parse_uids
from dcql.errors import RunError

digits = st.text("0123456789abcdef", min_size=1, max_size=32)


def numbers(array):
    high, low = parse_uids(array, file="a.parquet")
    assert high.dtype == low.dtype == np.uint64
    return [(int(a) << 64) + int(b) for a, b in zip(high, low, strict=True)]


@given(st.lists(digits))
def test_values_are_those_of_int(texts):
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert numbers(pa.array(texts, kind)) == [int(text, 16) for text in texts]


def test_slices_chunks_and_dictionaries():
    texts = [f"{i:032x}" for i in range(100)]
    array = pa.array(texts)
    assert numbers(array.slice(7, 50)) == list(range(7, 57))
    assert numbers(pa.chunked_array([array, array.slice(3)])) == [*range(100), *range(3, 100)]
    assert numbers(array.dictionary_encode()) == list(range(100))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "NULL"),
        ("", "empty"),
        ("A" * 32, "upper-case"),
        ("0" * 33, "more than 32"),
        ("9b2d5f00-53a1-4c0e-9c68-00000000", "`-` is no"),
        ("0x" + "0" * 30, "`x` is no"),
        (" 1", "` ` is no"),
        ("1\n", "is no lower-case"),
        ("é" * 16, "`é` is no"),
        ("g", "`g` is no"),
    ],
)
def test_anything_else_is_refused_with_its_row(text, reason):
    for good in ("0" * 32, "1"):
        with pytest.raises(RunError) as caught:
            parse_uids(pa.array([good] * 5 + [text] + [good]), file="a.parquet", first_row=1000)
        assert caught.value.diagnostics[0].code == "E0720"
        assert reason in str(caught.value)
        assert "row 1005 of `a.parquet`" in str(caught.value)


def test_bytes_that_are_no_text_are_refused():
    broken = pa.array([b"0" * 31 + b"\xff"]).view(pa.string())
    with pytest.raises(RunError, match="E0720"):
        parse_uids(broken, file="a.parquet")
