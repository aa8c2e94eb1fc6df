"""Ranking a pool: the sorted runs of all its files, merged into one order of uids.

The runs are cut at common uids into pieces that fit in memory, and each piece is sorted by itself. That gives, in one
pass in the order of the uids: uids.npy, the position of every row, the logical fingerprint, and uids that come twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.fingerprint import DIGEST, PoolTree
from dcql.engine.intake import MARK_EVERY, Work, open_words, read_marks
from dcql.engine.ranks import row_dtype
from dcql.errors import Diagnostic, RunError
from dcql.subset import UID, join_words, sort_order

SMALLEST_PIECE = 1 << 16  # rows; smaller pieces save no memory worth their reads
_SHOWN = 3  # duplicates named in the diagnostic


@dataclass(frozen=True, slots=True)
class _Run:
    """A sorted run of a file's uids: `start` is its first entry in the work's files."""

    file: str
    work: Work
    start: int
    length: int


def rank(works: dict[str, Work], folder: Path, memory: int, columns: list[tuple[str, str]]) -> str:
    """Write uids.npy and ranks/KEY.npy (KEY: the name of a work's folder) into `folder`; return the fingerprint.

    `works` holds the work of each file by the file's name, `columns` the (name, type text) of the pool's columns.
    Raises RunError where two rows have one uid.
    """
    runs = list(_runs(works))
    total = sum(work.rows for work in works.values())
    most = max(SMALLEST_PIECE, memory // 1024)
    cuts = _cuts(runs, _splitters(works, runs, most))
    dtype = row_dtype(total)
    positions = folder / "positions"
    positions.mkdir(parents=True)
    tree = PoolTree()
    base = 0
    previous: Any = None
    twice: list[Any] = []
    with (folder / "uids.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": UID.descr, "fortran_order": False, "shape": (total,)})
        for piece in range(cuts.shape[1] - 1):
            parts = [(run, int(cuts[place, piece]), int(cuts[place, piece + 1])) for place, run in enumerate(runs)]
            parts = [part for part in parts if part[1] < part[2]]
            if not parts:
                continue
            high, low, digests = (np.concatenate(read) for read in zip(*map(_read, parts), strict=True))
            order = sort_order(high, low)
            high, low = high[order], low[order]
            uids = join_words(high, low)
            same = uids[1:] == uids[:-1]
            if same.any():
                twice += list(uids[1:][same][: _SHOWN + 1])
            if previous is not None and uids[0] == previous:
                twice.append(uids[0])
            previous = uids[-1]
            tree.update(high, low, digests[order])
            file.write(uids.view(np.uint8).data)
            places = np.empty(len(order), dtype)
            places[order] = np.arange(base, base + len(order), dtype=dtype)
            _write_positions(positions, parts, places)
            base += len(order)
            if len(twice) > _SHOWN:
                break
    if twice:
        raise RunError(_duplicates(twice, runs))
    _write_ranks(works, positions, folder / "ranks", dtype)
    return tree.fingerprint(columns)


def _runs(works: dict[str, Work]) -> Iterator[_Run]:
    for file, work in works.items():
        start = 0
        for length in work.runs:
            yield _Run(file, work, start, length)
            start += length


def _splitters(works: dict[str, Work], runs: list[_Run], most: int) -> NDArray[np.void]:
    """Return uids that cut all runs into pieces of about `most` rows together, whatever their distribution.

    Each run adds at most 255 rows that no mark accounts for. Raises RunError where two marks are one uid, because a
    piece of one uid could be cut no further.
    """
    marks = np.concatenate([read_marks(work.folder) for work in works.values()] or [np.empty(0, UID)])
    marks = marks[sort_order(np.ascontiguousarray(marks["f0"]), np.ascontiguousarray(marks["f1"]))]
    same = marks[1:] == marks[:-1]
    if same.any():
        raise RunError(_duplicates(list(marks[1:][same]), runs))
    step = max(1, most // MARK_EVERY)
    return marks[step - 1 :: step]


def _cuts(runs: list[_Run], splitters: NDArray[np.void]) -> NDArray[np.int64]:
    """Return for each run where its pieces begin and end: (runs, pieces + 1)."""
    cuts = np.zeros((len(runs), len(splitters) + 2), np.int64)
    firsts = np.ascontiguousarray(splitters["f0"])
    for place, run in enumerate(runs):
        high = open_words(run.work.folder, "high")[run.start : run.start + run.length]
        ends = cuts[place, 1:-1]
        ends[:] = np.searchsorted(high, firsts, "right")
        # Each splitter is a uid of one run: in few is there a uid that begins as it does.
        for alike in np.flatnonzero(ends > np.searchsorted(high, firsts, "left")):
            ends[alike] = _find(run, splitters[alike])[1]
        cuts[place, -1] = run.length
    return cuts


def _find(run: _Run, uid: Any) -> tuple[int, int]:
    """Return where in the run the uids equal to `uid` begin and end."""
    whole = slice(run.start, run.start + run.length)
    high = open_words(run.work.folder, "high")[whole]
    first, last = (int(np.searchsorted(high, uid["f0"], side)) for side in ("left", "right"))
    low = open_words(run.work.folder, "low")[whole][first:last]
    begin, end = (first + int(np.searchsorted(low, uid["f1"], side)) for side in ("left", "right"))
    return begin, end


def _read(part: tuple[_Run, int, int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    run, begin, end = part
    read = []
    for name, dtype in (("high", np.dtype("<u8")), ("low", np.dtype("<u8")), ("digest", DIGEST)):
        offset = (run.start + begin) * dtype.itemsize
        read.append(np.fromfile(run.work.folder / f"{name}.bin", dtype, end - begin, offset=offset))
    return read[0], read[1], read[2]


def _write_positions(folder: Path, parts: list[tuple[_Run, int, int]], places: NDArray[Any]) -> None:
    """Write the position of each entry of the runs, in the runs' own order."""
    done = 0
    for run, begin, end in parts:
        path = folder / run.work.folder.name
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek((run.start + begin) * places.itemsize)
            file.write(places[done : done + end - begin].data)
        done += end - begin


def _write_ranks(works: dict[str, Work], positions: Path, folder: Path, dtype: Any) -> None:
    """Turn the positions of a file's sorted entries into the positions of its rows, run by run."""
    folder.mkdir()
    for work in works.values():
        with (folder / f"{work.folder.name}.npy").open("wb") as file:
            header = {"descr": dtype.str, "fortran_order": False, "shape": (work.rows,)}
            np.lib.format.write_array_header_1_0(file, header)
            start = 0
            for length in work.runs:
                offset = start * work.row_dtype.itemsize
                rows = np.fromfile(work.folder / "row.bin", work.row_dtype, length, offset=offset)
                ranks = np.empty(length, dtype)
                ranks[rows - work.row_dtype.type(start)] = np.fromfile(
                    positions / work.folder.name, dtype, length, offset=start * dtype.itemsize
                )
                file.write(ranks.data)
                start += length
        (positions / work.folder.name).unlink(missing_ok=True)
    positions.rmdir()


def _duplicates(twice: list[Any], runs: list[_Run]) -> Diagnostic:
    lines = []
    unique = list(dict.fromkeys((int(uid["f0"]), int(uid["f1"])) for uid in twice))
    for high, low in unique[:_SHOWN]:
        uid = np.array((high, low), UID)[()]
        found = []
        for run in runs:
            begin, end = _find(run, uid)
            end = min(end, begin + 2)
            itemsize = run.work.row_dtype.itemsize
            rows = np.fromfile(
                run.work.folder / "row.bin", run.work.row_dtype, end - begin, offset=(run.start + begin) * itemsize
            )
            found += [(run.file, row) for row in sorted(rows.tolist())]
        where = " and ".join(f"row {row} of `{file}`" for file, row in sorted(found)[:2])
        lines.append(f"{high:016x}{low:016x}: {where}")
    more = ", and more" if len(unique) > _SHOWN else ""
    return Diagnostic(
        "E0721",
        "two samples have one uid",
        None,
        "; ".join(lines) + more + " (rows counted from 0)",
        ("remove one of the two; where a file lies in the pool twice, remove the copy",),
    )
