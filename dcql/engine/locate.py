"""From a uid, or its first digits, to the one sample of a pool that has it."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcql import files
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Resources, Source, session
from dcql.engine.sources import every_path
from dcql.errors import Diagnostic, RunError

FEWEST_DIGITS = 6
_DIGITS = 32
_SHOWN = 5
_BATCH_ROWS = 1 << 14
_PREFIX = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},{_DIGITS}}}")
_HEX = re.compile(r"[0-9a-f]+")
# What people copy along with a uid, or that other systems write into one.
_AROUND = re.compile(r"0x|uuid:|[-{}()\[\]'\"`,;\s]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """A sample: its uid as 32 digits, the file of the pool that holds it, and its row there from 0."""

    uid: str
    file: PoolFile
    row: int


def locate(pool: Pool, digits: str, resources: Resources | None = None) -> Place:
    """Return the sample whose uid is, or begins with, `digits`: at least 6 of them.

    Raises RunError for what is no uid (E1431), a uid that the pool lacks (E1432) and digits that several begin with
    (E1433).
    """
    prefix = _checked(digits)
    found = _in_added(pool, prefix) if pool.uids is not None else _in_raw(pool, prefix, resources or Resources())
    if not found:
        raise RunError(_absent(pool, prefix))
    if len(found) > 1:
        raise RunError(_ambiguous(pool, prefix, [place.uid for place in found]))
    return found[0]


def _checked(digits: str) -> str:
    """Return the digits of a uid. Raises RunError where they are none."""
    if _PREFIX.fullmatch(digits):
        return digits
    cleaned = _AROUND.sub("", digits).lower()
    if _PREFIX.fullmatch(cleaned):
        reason = "a uid is 32 digits, 0-9 and a-f in lower case, and nothing else"
        help_ = f"did you mean {cleaned}?"
    elif _HEX.fullmatch(cleaned) and len(cleaned) > _DIGITS:
        reason, help_ = f"it has {len(cleaned)} digits, and a uid has {_DIGITS}", "give the uid alone"
    elif _HEX.fullmatch(cleaned):
        reason = f"too few digits: a sample is named by its uid, or by its first {FEWEST_DIGITS} digits or more"
        help_ = "give more of its digits"
    else:
        wrong = next((character for character in cleaned if character not in "0123456789abcdef"), "")
        reason = f"`{wrong}` is no hex digit" if wrong else "it has no digits"
        help_ = "a uid is 32 digits, 0-9 and a-f, as in the column `uid` of the pool"
    raise RunError(Diagnostic("E1431", f"`{digits}` is no uid", None, reason, (help_,)))


def _in_added(pool: Pool, prefix: str) -> list[Place]:
    """Return the samples that begin so, at most one more than are shown, from the pool's sorted uids."""
    assert pool.uids is not None
    uids = np.load(pool.uids, mmap_mode="r")

    def number(rank: int) -> int:
        return int(uids[rank]["f0"]) << 64 | int(uids[rank]["f1"])

    lowest, highest = (int(prefix.ljust(_DIGITS, digit), 16) for digit in "0f")
    ranks = range(len(uids))
    start = bisect_left(ranks, lowest, key=number)
    found: list[Place] = []
    for rank in ranks[start : start + _SHOWN + 1]:
        if number(rank) > highest:
            break
        found.append(_of_rank(pool, rank, f"{number(rank):032x}"))
    return found


def _of_rank(pool: Pool, rank: int, uid: str) -> Place:
    for file in pool.files:
        if not file.rows:
            continue
        rows = np.flatnonzero(np.load(file.rank, mmap_mode="r") == rank)  # type: ignore[arg-type]
        if len(rows):
            return Place(uid, file, int(rows[0]))
    raise RunError(
        Diagnostic(
            "E0756",
            "the pool's files do not hold the samples that were added",
            label="a uid that no file has",
            helps=("run `dcql pool add` again",),
        )
    )


def _in_raw(pool: Pool, prefix: str, resources: Resources) -> list[Place]:
    """Return the samples that begin so, at most one more than are shown, from the files' own uids."""
    # Of an added pool no SQL is asked, whose printer is slow to import.
    from dcql.lower.observe import finding

    found: list[Place] = []
    with session(every_path(pool), resources) as opened:
        samples, query = finding()
        for file in pool.files:
            source = Source(samples.raw_rows, (file.path,))
            given = {"prefix": prefix, "most": _SHOWN + 1 - len(found)}
            found += [Place(uid, file, row) for uid, row in opened.rows(query, source, given)]
            if len(found) > _SHOWN:
                break
    return sorted(found, key=lambda place: place.uid)


def _ambiguous(pool: Pool, prefix: str, uids: list[str]) -> Diagnostic:
    more = " and more" if len(uids) > _SHOWN else ""
    shown = "\n".join([*uids[:_SHOWN]])
    if len(set(uids)) == 1:
        label = "its uids are not distinct, which no recipe can run over"
        return Diagnostic("E1433", f"{len(uids)} samples of pool `{pool.name}` share the uid {uids[0]}", None, label)
    message = f"several samples of pool `{pool.name}` begin with `{prefix}`"
    return Diagnostic("E1433", message, None, f"{shown}{more}", ("give more digits, or all 32",))


def _absent(pool: Pool, prefix: str) -> Diagnostic:
    what = "the uid" if len(prefix) == _DIGITS else "a uid that begins with"
    helps = tuple(_similar(pool, prefix))
    message = f"no sample of pool `{pool.name}` has {what} {prefix}"
    label = f"it has {pool.rows:,} samples, none of them this one"
    return Diagnostic("E1432", message, None, label, helps or ("name the pool that holds it: `--pool`",))


def _similar(pool: Pool, prefix: str) -> Iterator[str]:
    """Say which uid may be meant: one whose first half is the same, or that is padded."""
    half = _DIGITS // 2
    if pool.uids is None:
        return
    if len(prefix) < _DIGITS and len(_in_added(pool, prefix.rjust(_DIGITS, "0"))) == 1:
        yield f"did you mean {prefix.rjust(_DIGITS, '0')}? A short uid is padded with zeros"
    elif len(prefix) > half and len(near := _in_added(pool, prefix[:half])) == 1:
        yield f"did you mean {near[0].uid}?"


def values_of(pool: Pool, place: Place) -> dict[str, Any]:
    """Return every column of the sample as the pool has it, by name. Raises RunError where the file cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, path = files.locate(place.file.path)
    try:
        with filesystem.open(path, "rb") as opened:
            file = pq.ParquetFile(opened)
            start = 0
            for batch in file.iter_batches(_BATCH_ROWS):
                if place.row < start + batch.num_rows:
                    return {name: batch.column(name)[place.row - start].as_py() for name in batch.schema.names}
                start += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        message = f"`{place.file.name}` could not be read"
        raise RunError(Diagnostic("E0751", message, None, reason, ("check the file, or fetch it again",))) from error
    raise RunError(
        Diagnostic("E0756", "the pool's files do not hold the samples that were added", label="fewer rows than ranks")
    )
