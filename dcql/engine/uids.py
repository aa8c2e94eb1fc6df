"""Uids out of a pool: from text of 32 hex digits to two 64-bit numbers, and from those to a sorted subset."""

import binascii
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.merkle import Words
from dcql.subset import UID, Subset, Uids, sort_order

_DIGITS = 32
_ITEM = "V16"
_PARTS = 256
_ENOUGH = 1 << 16  # uids to wait for before they are parted
_PILE_BYTES = 1 << 16


def parse_uids(texts: Any, *, file: str, first_row: int | None = 0) -> tuple[Words, Words]:
    """Return the uids of a pyarrow text array or chunked array as (high, low), two (n,) uint64.

    Shorter ones are padded with 0 on the left, as DataComp does. Raises RunError for anything but 1 to 32 lower-case
    hex digits, naming `file` and the row, where the array's first is row `first_row`. Where that is None the array is a
    part of the pool `file` that no row numbers fit, and only `file` is named.
    """
    halves = parse_items(texts, file=file, first_row=first_row).view(">u8").reshape(-1, 2)
    return halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)


def parse_items(texts: Any, *, file: str, first_row: int | None = 0) -> NDArray[np.void]:
    """Return what `parse_uids` does as 16 bytes a uid, its digits in order: (n,) of dtype V16."""
    import pyarrow as pa  # an added pool has its uids as numbers

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


def _whole_digits(texts: Any) -> NDArray[np.void] | None:
    """Return the bytes that the digits spell, or None where some text is not 32 lower-case hex digits."""
    rows = len(texts)
    if rows == 0:
        return np.empty(0, _ITEM)
    if texts.null_count:
        return None
    _, ends, data = texts.buffers()
    width = np.int64 if str(texts.type) == "large_string" else np.int32
    offsets = np.frombuffer(ends, width)[texts.offset : texts.offset + rows + 1]
    if not (np.diff(offsets) == _DIGITS).all():
        return None
    digits = memoryview(data)[int(offsets[0]) : int(offsets[-1])]
    # Bit 5 is set in 0-9 and a-f, and not in A-F, which unhexlify would take.
    lower = np.uint64(0x2020202020202020)
    if np.bitwise_and.reduce(np.frombuffer(digits, np.uint64)) & lower != lower:
        return None
    try:
        return np.frombuffer(binascii.unhexlify(digits), _ITEM)
    except binascii.Error:
        return None


def _first_fault(texts: Any, file: str, first_row: int | None) -> Diagnostic:
    import pyarrow as pa
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
    """Uids, and columns of numbers beside them, gathered in any order and sorted at the end.

    Kept apart by their first byte from the start, and each part given back once it is sorted: memory stays near the 16
    bytes a uid that the uids themselves take, and sorting a part stays in the cache. `dtypes` are those of the columns.
    """

    def __init__(self, *dtypes: str) -> None:
        self.count = 0
        self._piles = [[_Pile(item) for _ in range(_PARTS)] for item in (_ITEM, *dtypes)]
        self._waiting: list[tuple[NDArray[Any], ...]] = []
        self._rows = 0

    def add(self, items: NDArray[np.void], *columns: NDArray[Any]) -> None:
        """Add uids as `parse_items` gives them, (n,), and the numbers beside them, (n,) each."""
        self._waiting.append((items, *columns))
        self._rows += len(items)
        self.count += len(items)
        if self._rows >= _ENOUGH:
            self._part()

    def sorted(self) -> tuple[Uids, tuple[NDArray[Any], ...]]:
        """Return all uids, (n,) ascending, and the columns, (n,) each, and forget them; equal uids in any order."""
        self._part()
        found = [np.empty(self.count, piles[0].item) for piles in self._piles]
        done = 0
        for parts in zip(*self._piles, strict=True):
            # In place: new memory takes longer to come by than to fill.
            halves = parts[0].taken().view(">u8").byteswap(inplace=True).view("<u8")
            order = sort_order(np.ascontiguousarray(halves[::2]), halves[1::2])
            end = done + len(order)
            _take(halves.view(_ITEM), order, found[0][done:end])
            for pile, column in zip(parts[1:], found[1:], strict=True):
                _take(pile.taken(), order, column[done:end])
            done = end
        return found[0].view(UID), tuple(found[1:])

    def subset(self) -> Subset:
        """Return the subset and forget the uids; one that comes again adds its copies, which are the only column."""
        uids, columns = self.sorted()
        return Subset.from_uids(uids, *columns)

    def _part(self) -> None:
        """Put the uids that wait with those of the same first byte."""
        if not self._waiting:
            return
        items, *columns = map(_joined, zip(*self._waiting, strict=True))
        first = np.ascontiguousarray(items.view(np.uint8)[::16])
        order = np.argsort(first, kind="stable")
        ends = np.cumsum(np.bincount(first, minlength=_PARTS)).tolist()
        for piles, each in zip(self._piles, (items, *columns), strict=True):
            parted = np.empty(len(each), piles[0].item)
            _take(each.astype(piles[0].item, copy=False), order, parted)
            for pile, start, end in zip(piles, [0, *ends[:-1]], ends, strict=True):
                if start < end:
                    pile.add(parted[start:end])
        self._waiting, self._rows = [], 0


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _take(items: NDArray[Any], order: NDArray[np.intp], out: NDArray[Any]) -> None:
    """Write `items` to `out` in an order: without a second copy, which "raise" makes in case that a place is wrong.

    As 16-byte items, uids come several times faster than as pairs.
    """
    items.take(order, out=out, mode="clip")


class _Pile:
    """A growing array in pages of its own: what is taken goes back to the system, and not to the heap.

    Pages count as memory once they are written, so room kept ahead costs nothing.
    """

    def __init__(self, item: str) -> None:
        self.item = np.dtype(item)
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

    def taken(self) -> NDArray[Any]:
        """Return all items, (n,), and forget them: their pages go with the array."""
        if self._pages is None:
            return np.empty(0, self.item)
        pages, self._pages = self._pages, None
        return np.frombuffer(pages, self.item, self._size // self.item.itemsize)
