"""The members of a tar, found by its headers alone: v7, USTAR, GNU and pax, with long names.

In a webdataset tar the members of a sample share the name before the first dot, its key.
"""

import json
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

BLOCK = 512
_MAX_NAME = 1 << 16  # bytes of a long name
_MAX_RECORDS = 1 << 20  # bytes of a pax header
_LENGTH = 10  # digits that the length of a record in it has less than

_REGULAR = (b"0", b"\0", b"7")
# Their headers may give a size, and yet no content follows.
_EMPTY = (b"1", b"2", b"3", b"4", b"5", b"6")
_LONG_NAME, _LONG_LINK, _RECORDS, _RECORDS_FOR_ALL, _SPARSE = b"L", b"K", b"x", b"g", b"S"


EXTENSIONS = ("webp", "jpg", "jpeg", "png")  # of images
MAX_JSON = 4 << 20  # bytes of a .json that is read

_KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")
_UID = re.compile(r"[0-9a-f]{1,32}")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar: its header's last block begins at byte `header`, its `size` bytes of content at `offset`."""

    name: str
    header: int
    offset: int
    size: int


class DamagedTarError(Exception):
    """A tar that cannot be read beyond byte `offset`, and why."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.offset = offset
        self.reason = reason


def members(read: Callable[[int, int], bytes], size: int) -> Iterator[Member]:
    """Yield the files of a tar of `size` bytes in their order; `read(offset, length)` gives bytes of it.

    Only headers are read, and the long names that stand between them. Raises DamagedTarError where the tar is cut off
    or is no tar from some byte on, once the files before that are yielded.
    """
    at = 0
    shared: dict[str, str] = {}
    own: dict[str, str] = {}
    records = ChainMap(own, shared)
    sparse = False
    while True:
        if at + BLOCK > size:
            reason = "it is cut off inside of a header" if size > at else "it ends without the blocks that close a tar"
            raise DamagedTarError(min(at, size), reason)
        block = read(at, BLOCK)
        if not block.strip(b"\0"):
            return
        if not _is_header(block):
            raise DamagedTarError(at, "what stands there is no header")
        kind = block[156:157]
        # A pax header gives the size of the file that it describes, never its own.
        describes = kind in (_LONG_NAME, _LONG_LINK, _RECORDS, _RECORDS_FOR_ALL)
        length = _number(block[124:136], at) if describes else _size(block, records, at)
        content = at + BLOCK
        after = content if kind in _EMPTY else content + length + -length % BLOCK
        if kind not in _EMPTY and content + length > size:
            raise DamagedTarError(at, "a file is cut off")
        if kind == _SPARSE or sparse:
            raise DamagedTarError(at, "a sparse file cannot be read")
        if describes:
            if length > (_MAX_NAME if kind in (_LONG_NAME, _LONG_LINK) else _MAX_RECORDS):
                raise DamagedTarError(at, "a header is too large")
            if kind == _LONG_NAME:
                own["path"] = _text(read(content, length))
            elif kind == _RECORDS:
                own |= (found := _records(read(content, length), at))
                sparse = any(name.startswith("GNU.sparse") for name in found)
            elif kind == _RECORDS_FOR_ALL:
                shared |= (found := _records(read(content, length), at))
                sparse = any(name.startswith("GNU.sparse") for name in found)
        else:
            if kind in _REGULAR:
                yield Member(records.get("path") or _name(block), at, content, length)
            own.clear()
        at = after


def key_of(name: str) -> tuple[str, str] | None:
    """Split the name of a member of a sample into its key and its extension in lower case; None for other names."""
    parts = _KEY.fullmatch(name)
    return (parts[1], parts[2].lower()) if parts is not None else None


def described_by(content: bytes) -> dict[str, Any] | None:
    """Return what a sample's .json says of it, None where it cannot be read."""
    try:
        described = orjson.loads(content)
    except orjson.JSONDecodeError:
        # What it refuses, Python's own reader may take: NaN, other encodings, half of a character.
        try:
            described = json.loads(content)
        except (ValueError, RecursionError):
            return None
    return described if isinstance(described, dict) else None


def uid_of(content: bytes) -> int | None:
    """Return the uid that a sample's .json gives, None without one."""
    return uid_in(described_by(content) or {})


def uid_in(described: Mapping[str, Any]) -> int | None:
    """Return the uid that is among what a sample's .json says, None without one."""
    text = described.get("uid")
    return int(text, 16) if isinstance(text, str) and _UID.fullmatch(text) else None


def _is_header(block: bytes) -> bool:
    try:
        stated = int(block[148:156].strip(b"\0 "), 8)
    except ValueError:
        return False
    # The sum is taken as if its own eight bytes were spaces.
    total = sum(block) - sum(block[148:156]) + 8 * 32
    # Some old writers added bytes as signed numbers.
    return stated == total or stated == total - 256 * sum(byte > 127 for byte in block[:148] + block[156:])


def _size(block: bytes, records: Mapping[str, str], at: int) -> int:
    if "size" not in records:
        return _number(block[124:136], at)
    if not (records["size"].isascii() and records["size"].isdigit() and len(records["size"]) < 20):
        raise DamagedTarError(at, "a header has a size that is no number")
    return int(records["size"])


def _number(field: bytes, at: int) -> int:
    """Return a number in octal digits, or in GNU's form for large ones: its first byte is 0x80, the others base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip()
    if not all(0x30 <= digit <= 0x37 for digit in digits):
        raise DamagedTarError(at, "a header has a size that is no number")
    return int(digits or b"0", 8)


def _name(block: bytes) -> str:
    name = _text(block[:100])
    # GNU's own form has other things where POSIX has the first part of a long name.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _records(content: bytes, at: int) -> dict[str, str]:
    """Return the records of a pax header: each is its own length, a space, name=value and a line feed."""
    found = {}
    start = 0
    while start < len(content):
        digits, _, _ = content[start : start + _LENGTH].partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < _LENGTH else 0
        record = content[start : start + length]
        name, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        if len(record) < length or not record.endswith(b"\n") or not equals:
            raise DamagedTarError(at, "a pax header cannot be read")
        found[_text(name)] = value.decode("utf-8", "surrogateescape")
        start += length
    return found
