"""Uids out of a pool: from text of 32 hex digits to two 64-bit numbers, and from those to a sorted subset."""

import binascii
import mmap
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.subset import UID, Subset, Words, join_words, sort_order

_DIGITS = 32
_ITEM = "V16"
_PARTS = 256
_ENOUGH = 1 << 18  # uids to wait for before they are parted
_PILE_BYTES = 1 << 16


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


class Gathered:
    """The uids of a subset, gathered in any order and sorted at the end.

    Kept apart by their first byte from the start, and each part given back once it is sorted: memory stays near the 16
    bytes a uid that the subset itself takes.
    """

    def __init__(self, *, with_copies: bool) -> None:
        self.count = 0
        self._uids = [_Pile(_ITEM) for _ in range(_PARTS)]
        self._copies = [_Pile("<u8") for _ in range(_PARTS)] if with_copies else None
        self._waiting: list[tuple[Words, Words, Any]] = []
        self._rows = 0

    def add(self, high: Words, low: Words, copies: NDArray[Any] | None) -> None:
        """Add uids, (n,) each half, and the copies of each."""
        self._waiting.append((high, low, copies))
        self._rows += len(high)
        self.count += len(high)
        if self._rows >= _ENOUGH:
            self._part()

    def subset(self) -> Subset:
        """Return the subset and forget the uids; one that comes again adds its copies."""
        self._part()
        uids = np.empty(self.count, UID)
        copies = np.empty(self.count, np.uint64) if self._copies is not None else None
        done = 0
        for part, pile in enumerate(self._uids):
            mixed = pile.items()
            halves = mixed.view(np.uint64)
            order = sort_order(np.ascontiguousarray(halves[::2]), np.ascontiguousarray(halves[1::2]))
            end = done + len(mixed)
            uids.view(_ITEM)[done:end] = mixed.take(order)
            if copies is not None and self._copies is not None:
                copies[done:end] = self._copies[part].items().take(order)
            done = end
            pile.clear()
        return Subset.from_uids(uids, copies)

    def _part(self) -> None:
        """Put the uids that wait with those of the same first byte."""
        if not self._waiting:
            return
        high, low = (np.concatenate([each[half] for each in self._waiting]) for half in (0, 1))
        first = (high >> np.uint64(56)).astype(np.uint8)
        order = np.argsort(first, kind="stable")
        # Taken as 16-byte items, uids come several times faster than as pairs.
        items = join_words(high, low).view(_ITEM).take(order)
        ends = np.cumsum(np.bincount(first, minlength=_PARTS)).tolist()
        taken = np.concatenate([each[2] for each in self._waiting]).take(order) if self._copies is not None else None
        for part, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if start < end:
                self._uids[part].add(items[start:end])
                if self._copies is not None and taken is not None:
                    self._copies[part].add(taken[start:end])
        self._waiting, self._rows = [], 0


class _Pile:
    """A growing array in pages of its own: what is cleared goes back to the system, and not to the heap.

    Pages count as memory once they are written, so room kept ahead costs nothing.
    """

    def __init__(self, item: str) -> None:
        self._item = np.dtype(item)
        self._pages: mmap.mmap | None = None
        self._size = 0

    def add(self, items: NDArray[Any]) -> None:
        """Append items."""
        end = self._size + items.nbytes
        if self._pages is None:
            # Private, for a shared mapping cannot grow.
            self._pages = mmap.mmap(-1, max(end, _PILE_BYTES), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        elif end > len(self._pages):
            self._pages.resize(max(end, 2 * len(self._pages)))
        self._pages[self._size : end] = items.tobytes()
        self._size = end

    def items(self) -> NDArray[Any]:
        """Return all items, (n,), as a copy."""
        if self._pages is None:
            return np.empty(0, self._item)
        return np.frombuffer(self._pages[: self._size], self._item)

    def clear(self) -> None:
        """Give the memory back."""
        if self._pages is not None:
            self._pages.close()
            self._pages = None
