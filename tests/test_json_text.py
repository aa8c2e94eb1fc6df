"""JSON of others: what Python's own parser takes, and could not be used or written again, is refused."""

import json

import pytest

from dcql.json_text import parse_json

TAKEN = ['{"a": [1, -2.5, "ä", null, true]}', '"\\ud83e\\udd8a"', "18446744073709551615", '"\\\\ud800"', " [] "]
REFUSED = {
    "NaN": "NaN is no number",
    "[-Infinity]": "-Infinity is no number",
    "1e999": "too large",
    "18446744073709551616": "more than 64 bits",
    "-" + "9" * 5000: "more than 64 bits",
    '{"a": 1, "b": 2, "a": 3}': "`a` stands twice",
    '"\\ud800"': "half a character",
    '{"\\udc00": 1}': "half a character",
    "[" * 100_000: "nested too deep",
    "{": "Expecting",
    "": "Expecting",
}


@pytest.mark.parametrize("text", TAKEN)
def test_json_is_read_as_python_reads_it(text: str) -> None:
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=lambda value: value[:20])
def test_what_cannot_be_used_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_bytes_are_utf_8() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse_json(b'"\xff"')
    with pytest.raises(ValueError, match="utf-8"):
        parse_json('"ä"'.encode("utf-16"))
