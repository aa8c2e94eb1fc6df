"""What a sample's .json says, however it is written: as Python's own reader has it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.tars.members import described_by, uid_of

UID = "00ff" * 8
ODD = {
    "not a number": '{"uid": "UID", "similarity": NaN}',
    "infinite": '{"uid": "UID", "similarity": -Infinity, "other": 1e999}',
    "half a character": r'{"uid": "UID", "caption": "\ud800"}',
    "twice": '{"uid": "no", "uid": "UID"}',
    "an escape in the name": r'{"\u0075id": "UID"}',
    "spaces around": ' \n{"uid" : "UID"}\r\n',
    "many digits": '{"width": 123456789012345678901234567890, "uid": "UID"}',
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_a_uid_is_found_in_all_that_python_reads(text: str, encoding: str) -> None:
    content = text.replace("UID", UID).encode(encoding)
    assert json.loads(content)["uid"] == UID
    assert uid_of(content) == int(UID, 16)


NO_UID = [b"", b"{", b'{"uid": "', b"[]", b'"uid"', b'{"uid": 7}', b'{"uid": ""}', b'{"uid": "00FF"}', b"\xff{}"]


@pytest.mark.parametrize("content", [*NO_UID, b"[" * 9_999])
def test_there_is_none_in_what_python_cannot_read(content: bytes) -> None:
    assert uid_of(content) is None


@given(
    st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.integers(-(2**63), 2**64 - 1))
)
def test_all_is_read_as_python_reads_it(described: dict[str, object]) -> None:
    content = json.dumps(described).encode()
    assert repr(described_by(content)) == repr(json.loads(content))
