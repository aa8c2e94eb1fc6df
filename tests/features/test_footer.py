"""The footers of files of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.engine.features.footer import Footer, footer_of, listed, written

COUNTS = st.integers(0, 2**40)
WHOLE = st.integers(-(2**63), 2**63 - 1)
FOOTERS = st.builds(
    Footer, COUNTS, COUNTS, COUNTS, st.none() | st.lists(st.text()).map(tuple), st.none() | WHOLE, st.none() | WHOLE
)


@given(FOOTERS)
def test_what_is_written_is_read(footer: Footer) -> None:
    assert footer_of(written(footer).encode()) == footer


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b'{"rows": 1, "known": 1}',
        b'{"rows": 1, "known": 1, "failed": []}',
        b'{"rows": 1, "known": 1, "failed": 0, "texts": "a"}',
        b'{"rows": 1, "known": 1, "failed": 0, "texts": [1]}',
        b'{"rows": 1, "known": 1, "failed": 0, "least": "x"}',
        b'{"rows": 1, "known": 1, "failed": 0, "most": [1]}',
        b"\xff",
    ],
)
def test_what_is_no_footer_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        footer_of(content)


def test_texts_are_listed_in_order_and_not_without_end() -> None:
    assert listed(["b", "a"]) == ("a", "b")
    assert listed([]) == ()
    assert listed(map(str, range(256))) is not None
    assert listed(map(str, range(257))) is None
    assert listed(["x" * (1 << 14)]) is not None
    assert listed(["x" * (1 << 14), "y"]) is None
