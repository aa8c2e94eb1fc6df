"""A subset: the sorted bag of uids that a recipe selects, with its hash and its file."""

import errno
import io
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.dataclass import dataclass
from dcql.displayed import Displayed
from dcql.errors import Diagnostic, RunError
from dcql.frames import Tabular
from dcql.merkle import MerkleTree, Words, leaf_edges
from dcql.npy import read_header
from dcql.scratch import unfinished

# A uid as DataComp's subset files hold it: the first and the last 16 hex digits as numbers.
UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])

MAX_COPIES = 2**32 - 1
_CHUNK = 1 << 18  # rows taken at a time, so that memory beside the uids themselves stays at a few MB
PIECE = 1 << 16  # the same where each piece is gone over several times, and is to stay in the cache
_MAGIC = b"\x93NUMPY"
_DOMAIN = b"dcql.subset.v1"
_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("copies", ">u4")])

Uids = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class Subset(Displayed, Tabular):
    """A sorted bag of 128-bit uids.

    `uids` is (distinct,) of dtype u8,u8, strictly ascending; `copies` is (distinct,) uint32 from 1 up, or None where
    every sample is taken once. Both are made read-only. Raises ValueError for arrays of another form.
    """

    uids: Uids
    copies: NDArray[np.uint32] | None = None

    def __post_init__(self) -> None:
        if self.uids.dtype != UID or self.uids.ndim != 1:
            raise ValueError(f"uids are of dtype u8,u8 in one dimension, not {self.uids.dtype} in {self.uids.ndim}")
        if first_descent(self.uids, strict=True) is not None:
            raise ValueError("uids ascend strictly: Subset.from_uids sorts")
        object.__setattr__(self, "uids", _read_only(self.uids))
        if self.copies is None:
            return
        if self.copies.dtype != np.uint32 or self.copies.shape != self.uids.shape:
            raise ValueError(f"copies are uint32, one a uid, not {self.copies.dtype} of shape {self.copies.shape}")
        if len(self.copies) and int(self.copies.min()) < 1:
            raise ValueError("copies are 1 or more: Subset.from_uids refuses others with a diagnostic")
        once = not len(self.copies) or int(self.copies.max()) == 1
        object.__setattr__(self, "copies", None if once else _read_only(self.copies))

    @classmethod
    def from_uids(cls, uids: Uids, copies: NDArray[Any] | None = None) -> "Subset":
        """Return the bag of `uids`, (n,) of dtype u8,u8 in any order, each taken `copies` times (once without).

        A uid that comes again adds its copies. Raises RunError for copies outside 1 .. 2^32-1.
        """
        if uids.dtype != UID or uids.ndim != 1:
            raise ValueError(f"uids are of dtype u8,u8 in one dimension, not {uids.dtype} in {uids.ndim}")
        if copies is not None and (copies.dtype.kind not in "iu" or copies.shape != uids.shape):
            raise ValueError("copies are whole numbers, one a uid")
        if copies is not None:
            _refuse_copies(uids, copies)
        if first_descent(uids, strict=True) is not None:
            order = sort_order(np.ascontiguousarray(uids["f0"]), np.ascontiguousarray(uids["f1"]))
            # Taken as 16-byte items, uids come several times faster than as pairs.
            uids = uids.view("V16").take(order).view(UID)
            copies = None if copies is None else copies[order]
        first = _starts(uids)
        if not first.all():
            starts = np.flatnonzero(first)
            if copies is None:
                copies = np.diff(starts, append=len(uids))
            else:
                copies = np.add.reduceat(copies.astype(np.uint64), starts)
            uids = uids[starts]
            _refuse_copies(uids, copies)
        return cls(uids, None if copies is None else copies.astype(np.uint32))

    @property
    def distinct(self) -> int:
        """The number of distinct uids."""
        return len(self.uids)

    @property
    def total(self) -> int:
        """The number of samples, copies counted."""
        return self.distinct if self.copies is None else _sum(self.copies)

    @cached_property
    def hash(self) -> str:
        """The hash `dcql1` of the bag (SEMANTICS §5)."""
        hashing = _Hashing()
        for uids, copies in self.pieces():
            hashing.update(uids, copies)
        return hashing.of(self.distinct, self.total)

    def pieces(self) -> Iterator[tuple[Uids, NDArray[np.uint32] | None]]:
        """Yield the distinct uids in order, some at a time, and their copies; they are good until the next ones."""
        for start in range(0, self.distinct, PIECE):
            here = slice(start, start + PIECE)
            yield self.uids[here], None if self.copies is None else self.copies[here]

    def hex(self) -> Iterator[str]:
        """Yield the distinct uids in order, 32 hex digits each."""
        for part, _ in self.pieces():
            for high, low in part.tolist():
                yield f"{high:016x}{low:016x}"

    def __len__(self) -> int:
        return self.distinct

    def __or__(self, other: "Subset") -> "Subset":
        """Return the distinct uids of either, once each."""
        both, _, starts, _ = _merge(self.uids, other.uids)
        return Subset(both[starts])

    def __and__(self, other: "Subset") -> "Subset":
        """Return the distinct uids of both, once each."""
        both, _, starts, _ = _merge(self.uids, other.uids)
        return Subset(both[~starts])

    def __sub__(self, other: "Subset") -> "Subset":
        """Return the distinct uids that `other` lacks, once each."""
        both, ours, starts, ends = _merge(self.uids, other.uids)
        return Subset(both[starts & ends & ours])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subset):
            return NotImplemented
        if self.distinct != other.distinct or (self.copies is None) != (other.copies is None):
            return False
        if self.copies is not None and other.copies is not None and not np.array_equal(self.copies, other.copies):
            return False
        return bool(np.array_equal(self.uids, other.uids))

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"Subset(distinct={self.distinct}, total={self.total})"

    def save(self, path: str | Path) -> None:
        """Write DataComp's subset file: .npy of dtype u8,u8, sorted, each uid as often as it has copies.

        The file appears whole or not at all, and the hash is known from then on. Raises RunError where it cannot be
        written.
        """
        path = Path(path)
        try:
            with unfinished(path) as place:
                with place.open("wb") as file:
                    np.lib.format.write_array_header_1_0(
                        file, {"descr": UID.descr, "fortran_order": False, "shape": (self.total,)}
                    )
                    self._write(file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(place, path)
        except OSError as error:
            _refuse("E0736", f"cannot write subset `{path}`", error.strerror or str(error), _advice(error))

    def _write(self, file: BinaryIO) -> None:
        """Write the uids, and hash them on the way."""
        hashing = _Hashing()
        for part, copies in self.pieces():
            hashing.update(part, copies)
            if copies is None:
                file.write(part.view(np.uint8).data)
                continue
            # Where one piece repeats to more than a few MB, it goes out uid by uid.
            if int(copies.sum(dtype=np.uint64)) <= 8 * _CHUNK:
                file.write(np.repeat(part, copies.astype(np.int64)).tobytes())
                continue
            for uid, count in zip(part, copies.tolist(), strict=True):
                for done in range(0, count, _CHUNK):
                    file.write(uid.tobytes() * min(_CHUNK, count - done))
        vars(self)["hash"] = hashing.of(self.distinct, self.total)

    @classmethod
    def load(cls, path: str | Path) -> "Subset":
        """Read a subset file as `save` or DataComp writes it, or DataComp's raw form of it without a header.

        Raises RunError for a file that cannot be read, is of another form, truncated or not sorted.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                rows = _rows(file, size, path)
                uids = np.fromfile(file, UID, rows)
        except OSError as error:
            _refuse("E0737", f"cannot read subset `{path}`", error.strerror or str(error), _advice(error))
        return cls._in_order(uids, path)

    @classmethod
    def parse(cls, content: bytes, path: str | Path) -> "Subset":
        """Return what the content of a subset file says; `path` is for messages. Raises RunError as `load` does."""
        file = io.BytesIO(content)
        rows = _rows(file, len(content), Path(path))
        return cls._in_order(np.frombuffer(content, UID, rows, file.tell()), Path(path))

    @classmethod
    def _in_order(cls, uids: Uids, path: Path) -> "Subset":
        place = first_descent(uids, strict=False)
        if place is not None:
            _refuse(
                "E0733",
                f"subset `{path}` is not sorted",
                f"uid {_text(uids[place])} stands after {_text(uids[place - 1])}, at position {place}",
                "sort it as DataComp does: `numpy.save(path, numpy.sort(numpy.load(path)))`",
            )
        return cls.from_uids(uids)


class _Hashing:
    """The hash of a bag whose uids come in order, some at a time."""

    def __init__(self) -> None:
        self._tree = MerkleTree(_DOMAIN)
        self._memory = np.ones(PIECE, _RECORD)  # new memory would take longer than what is done with it

    def update(self, uids: Uids, copies: NDArray[np.uint32] | None) -> None:
        """Append at most PIECE uids."""
        records = self._memory[: len(uids)]
        records["high"], records["low"] = uids["f0"], uids["f1"]
        if copies is not None:
            records["copies"] = copies
        self._tree.update(uids["f0"], records)

    def of(self, distinct: int, total: int) -> str:
        """Return the hash of all that was appended; nothing may follow."""
        return _sealed(self._tree, distinct, total)


def hashes(
    uids: Uids, kept: Sequence[NDArray[np.bool_]], copies: Sequence[NDArray[np.uint32] | None]
) -> tuple[str, ...]:
    """Return the hash of each of several subsets of `uids`, (n,) ascending, in one pass over them.

    Each subset is an (n,) array of which samples it keeps, and one of how many copies of each, or None for one.
    """
    trees = [MerkleTree(_DOMAIN) for _ in kept]
    for start in range(0, len(uids), PIECE):
        here = slice(start, start + PIECE)
        part = uids[here]
        first, edges = leaf_edges(np.ascontiguousarray(part["f0"]))
        records = _records(part)
        for tree, taken, many in zip(trees, kept, copies, strict=True):
            places = np.flatnonzero(taken[here])
            # As one item each, records come several times faster than field by field.
            own = records.view(f"V{records.itemsize}").take(places)
            if many is not None:
                own.view(_RECORD)["copies"] = many[here].take(places)
            tree.update_leaves(first, np.searchsorted(places, edges), own)
    return tuple(
        _sealed(tree, (distinct := int(np.count_nonzero(taken))), distinct if many is None else _sum(many))
        for tree, taken, many in zip(trees, kept, copies, strict=True)
    )


def _records(uids: Uids) -> NDArray[np.void]:
    """Return the records of uids, one copy each, (n,)."""
    records = np.empty(len(uids), _RECORD)
    records["high"], records["low"], records["copies"] = uids["f0"], uids["f1"], 1
    return records


def _sum(copies: NDArray[np.uint32]) -> int:
    return int(copies.sum(dtype=np.uint64))


def _sealed(tree: MerkleTree, distinct: int, total: int) -> str:
    return "dcql1:" + tree.seal(distinct.to_bytes(8, "big") + total.to_bytes(8, "big")).hex()


def sort_order(high: Words, low: Words) -> NDArray[np.intp]:
    """Return the permutation that sorts 128-bit numbers given as two (n,) uint64; equal ones in any order."""
    order = _order_by(high)
    ordered = high[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return order
    # Equal uids tie as well, and need no second look.
    below = low[order]
    if not (same & (below[1:] < below[:-1])).any():
        return order
    if ordered[0] == ordered[-1]:
        return _order_by(low)
    tied = np.zeros(len(high), np.bool_)
    tied[1:] |= same
    tied[:-1] |= same
    places = order[tied]
    order[tied] = places[np.lexsort((low[places], high[places]))]
    return order


def _order_by(key: Words) -> NDArray[np.intp]:
    """Return np.argsort(key, kind="stable"), made faster by a radix step over the top 16 bits that differ."""
    if len(key) < 1 << 10:
        return np.argsort(key, kind="stable")
    # The bits above are shared by all, so that the cast keeps the order.
    shift = max(0, (int(key.min()) ^ int(key.max())).bit_length() - 16)
    order = np.argsort((key >> np.uint64(shift)).astype(np.uint16), kind="stable")
    # What is left is sorted but for short stretches, which a merge sort passes over quickly.
    return order[np.argsort(key[order], kind="stable")]


def find(uids: Uids, asked: Uids) -> NDArray[np.int64]:
    """Return for each of `asked`, in any order, its position in `uids`, strictly ascending, and -1 without one."""
    ours, our_low = (np.ascontiguousarray(uids[half]) for half in ("f0", "f1"))
    high, low = (np.ascontiguousarray(asked[half]) for half in ("f0", "f1"))
    start = np.searchsorted(ours, high, "left").astype(np.int64)
    end = np.searchsorted(ours, high, "right").astype(np.int64)
    last = end.copy()
    # Uids that share their first half are few, but for pools made to have many.
    while (open_ := start < last).any():
        middle = (start + last) // 2
        below = open_ & (our_low[np.where(open_, middle, 0)] < low)
        last = np.where(open_ & ~below, middle, last)
        start = np.where(below, middle + 1, start)
    found = start < end
    found[found] = our_low[start[found]] == low[found]
    return np.where(found, start, -1)


def join_words(high: Words, low: Words) -> Uids:
    """Return (n,) uids of dtype u8,u8 from their two halves."""
    uids = np.empty(len(high), UID)
    uids["f0"], uids["f1"] = high, low
    return uids


def _merge(ours: Uids, theirs: Uids) -> tuple[Uids, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return all uids of two sets in order, whether each is ours, and whether it starts and ends its pair of equals."""
    both = np.concatenate([ours, theirs])
    order = sort_order(np.ascontiguousarray(both["f0"]), np.ascontiguousarray(both["f1"]))
    both = both[order]
    starts = _starts(both)
    ends = np.ones(len(both), np.bool_)
    ends[:-1] = starts[1:]
    return both, order < len(ours), starts, ends


def _starts(uids: Uids) -> NDArray[np.bool_]:
    """Return where sorted uids differ from the one before."""
    starts = np.ones(len(uids), np.bool_)
    for start in range(1, len(uids), _CHUNK):
        end = min(start + _CHUNK, len(uids))
        now, before = uids[start:end], uids[start - 1 : end - 1]
        starts[start:end] = (now["f0"] != before["f0"]) | (now["f1"] != before["f1"])
    return starts


def first_descent(uids: Uids, *, strict: bool) -> int | None:
    """Return the first position whose uid is below the one before (with `strict`, not above it), or None."""
    for start in range(1, len(uids), _CHUNK):
        end = min(start + _CHUNK, len(uids))
        now, before = uids[start:end], uids[start - 1 : end - 1]
        if (now["f0"] > before["f0"]).all():
            continue
        below = now["f0"] < before["f0"]
        level = now["f0"] == before["f0"]
        if level.any():
            below |= level & ((now["f1"] <= before["f1"]) if strict else (now["f1"] < before["f1"]))
        if below.any():
            return start + int(np.argmax(below))
    return None


def _refuse_copies(uids: Uids, copies: NDArray[Any]) -> None:
    wrong = (copies < 1) | (copies > MAX_COPIES)
    if wrong.any():
        place = int(np.argmax(wrong))
        _refuse(
            "E0735",
            f"sample {_text(uids[place])} would be taken {int(copies[place])} times",
            "a subset holds a sample 1 to 4294967295 times",
            "leave out the samples that are taken 0 times, and scale the others down",
        )


def _rows(file: BinaryIO, size: int, path: Path) -> int:
    """Return how many uids the open subset file holds, placed at the first; raise RunError for another form."""
    if file.read(len(_MAGIC)) != _MAGIC:
        file.seek(0)
        if size == 0:
            _refuse("E0734", f"subset `{path}` is truncated", "the file is empty", "copy or write it again")
        if size % UID.itemsize:
            _refuse(
                "E0730",
                f"`{path}` is not a subset file",
                "it does not begin as .npy does, and does not hold whole uids of 16 bytes",
                "a subset file is what `dcql run` writes: a .npy of dtype u8,u8",
            )
        return size // UID.itemsize
    file.seek(0)
    try:
        shape, fortran, dtype = read_header(file)
    except ValueError as error:
        _refuse("E0730", f"`{path}` is not a subset file", f"its .npy header cannot be read: {error}", "write it again")
    if dtype != UID:
        _refuse(
            "E0731",
            f"`{path}` holds {dtype}, not uids",
            "a uid is two unsigned 64-bit numbers: dtype u8,u8",
            "a subset file is what `dcql run` writes: a .npy of dtype u8,u8",
        )
    if len(shape) != 1 or fortran:
        _refuse(
            "E0732",
            f"`{path}` has shape {shape}",
            "a subset is one row of uids, shape (n,)",
            "flatten it: `numpy.save(path, numpy.sort(numpy.load(path).ravel()))`",
        )
    rows = int(shape[0])
    held = size - file.tell()
    if held != rows * UID.itemsize:
        kind = "truncated" if held < rows * UID.itemsize else "longer than its header says"
        _refuse(
            "E0734",
            f"subset `{path}` is {kind}",
            f"its header says {rows} uids of 16 bytes, and {held} bytes follow",
            "copy or write it again",
        )
    return rows


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _text(uid: Any) -> str:
    return f"{int(uid['f0']):016x}{int(uid['f1']):016x}"


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "free some space on the disk, or name another folder"
        case errno.ENOENT:
            return "check the path: the file and its folder must exist"
        case _:
            return "check the path and its permissions"


def _refuse(code: str, message: str, label: str, advice: str) -> NoReturn:
    raise RunError(Diagnostic(code, message, None, label, (advice,)))
