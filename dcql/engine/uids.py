"""Uids out of a pool: from text of 32 hex digits to two 64-bit numbers."""

import binascii
from typing import Any

import numpy as np
import pyarrow as pa

from dcql.errors import Diagnostic, RunError
from dcql.subset import Words

_DIGITS = 32


def parse_uids(texts: Any, *, file: str, first_row: int | None = 0) -> tuple[Words, Words]:
    """Return the uids of a pyarrow text array or chunked array as (high, low), two (n,) uint64.

    Shorter ones are padded with 0 on the left, as DataComp does. Raises RunError for anything but 1 to 32 lower-case
    hex digits, naming `file` and the row, where the array's first is row `first_row`. Where that is None the array is a
    part of the pool `file` that no row numbers fit, and only `file` is named.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks() if texts.num_chunks != 1 else texts.chunk(0)
    if pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    if texts.type not in (pa.string(), pa.large_string()):
        texts = texts.cast(pa.large_string())
    digits = _whole_digits(texts)
    if digits is None and texts.null_count == 0:
        import pyarrow.compute as pc  # slow to import, and hardly ever needed

        padded = pc.if_else(pc.equal(texts, ""), "?", pc.ascii_lpad(texts, _DIGITS, "0"))
        digits = _whole_digits(padded)
    if digits is None:
        raise RunError(_first_fault(texts, file, first_row))
    return digits


def _whole_digits(texts: Any) -> tuple[Words, Words] | None:
    """Return the numbers, or None where some text is not 32 lower-case hex digits."""
    rows = len(texts)
    if rows == 0:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    if texts.null_count:
        return None
    _, ends, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(ends, width)[texts.offset : texts.offset + rows + 1]
    if not (np.diff(offsets) == _DIGITS).all():
        return None
    digits = memoryview(data)[int(offsets[0]) : int(offsets[-1])]
    # Bit 5 is set in 0-9 and a-f, and not in A-F, which unhexlify would take.
    lower = np.uint64(0x2020202020202020)
    if np.bitwise_and.reduce(np.frombuffer(digits, np.uint64)) & lower != lower:
        return None
    try:
        halves = np.frombuffer(binascii.unhexlify(digits), ">u8").reshape(rows, 2)
    except binascii.Error:
        return None
    return halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)


def _first_fault(texts: Any, file: str, first_row: int | None) -> Diagnostic:
    import pyarrow.compute as pc

    # As bytes, because a damaged file may hold text that is not UTF-8.
    texts = texts.cast(pa.large_binary())
    good = pc.fill_null(pc.match_substring_regex(texts, r"\A[0-9a-f]{1,32}\z"), False)
    place = pc.index(good, False).as_py()
    found = texts[place].as_py()
    text = None if found is None else found.decode("utf-8", "backslashreplace")
    if text is None:
        message, reason = "a uid is NULL", "every sample is named by its uid"
    elif text == "":
        message, reason = "a uid is empty", "every sample is named by its uid"
    else:
        message, reason = f"`{text[:80]}` is not a uid", _reason(text)
    helps: tuple[str, ...] = ("write uids as 32 lower-case hex digits",)
    if first_row is None:
        helps = (*helps, "`dcql pool add NAME PATH` says which one, by file and row")
        return Diagnostic("E0720", message, None, f"in pool `{file}`: {reason}", helps)
    where = f"row {first_row + place} of `{file}`, counted from 0"
    return Diagnostic("E0720", message, None, f"{where}: {reason}", helps)


def _reason(text: str) -> str:
    if len(text) > _DIGITS:
        return f"it has {len(text)} characters, more than 32"
    if text != text.lower() and all(digit in "0123456789abcdefABCDEF" for digit in text):
        return "it has upper-case digits"
    stranger = next((digit for digit in text if digit not in "0123456789abcdef"), "")
    return f"`{stranger}` is no lower-case hex digit"
