"""Lines and columns of the protocol, against Python's own codecs: astral signs, all line breaks, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.editing.positions import Positions

TEXTS = st.text(st.sampled_from("ab'\n\r\t 😀é漢\u2028\x0b\u0301"), max_size=30)
WIDTHS = {"utf-8": 1, "utf-16": 2, "utf-32": 4}


def lines(text: str) -> list[str]:
    """Split a text at the three line breaks of the protocol, and at nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@pytest.mark.parametrize("encoding", WIDTHS)
@given(text=TEXTS, data=st.data())
def test_a_place_and_back(encoding: str, text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    positions = Positions(text, encoding)
    line, column = positions.position(offset)
    before = lines(text[:offset])
    inside_break = text[offset - 1 : offset + 1] == "\r\n"
    if not inside_break:
        assert line == len(before) - 1
        name = encoding if encoding == "utf-8" else f"{encoding}-le"
        assert column == len(before[-1].encode(name)) // WIDTHS[encoding]
        assert positions.offset(line, column) == offset


def test_columns_are_utf_16_units() -> None:
    text = "-- 😀\r\nWHERE text = '😀😀' AND x\r\n"
    positions = Positions(text)
    assert positions.position(text.index("AND")) == (1, 20)
    assert positions.offset(1, 20) == text.index("AND")
    # Between the two halves of a sign.
    assert positions.offset(0, 4) == text.index("😀")
    # Beyond a line and beyond the text.
    assert text[: positions.offset(0, 99)] == "-- 😀"
    assert positions.offset(99, 0) == len(text)


@given(text=TEXTS, line=st.integers(-2, 40), column=st.integers(0, 40))
def test_any_place_is_one_of_the_text(text: str, line: int, column: int) -> None:
    assert 0 <= Positions(text).offset(line, column) <= len(text)
