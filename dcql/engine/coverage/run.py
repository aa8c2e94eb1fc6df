"""`dcql pool coverage`: a pool, and the shards that are really there -> the record of what they hold of each sample."""

import contextlib
import hashlib
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from dcql.catalog.coverage import (
    Counted,
    Coverage,
    ShardsRead,
    State,
    coverage_folder,
    identity_of,
    keep_states,
    save,
    states_file,
)
from dcql.catalog.pool import Pool, locked, open_pool, unwritable
from dcql.engine.coverage.join import Join, ranks_of
from dcql.engine.coverage.scan import Scanned, scan_or_load
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, list_shards, locate
from dcql.subset import Uids, hashes

Progress = Callable[[str, int, int], None]

_THREADS = 8
_TARS_AT_ONCE = 64
_DIGITS = 32
_NUMBERED = re.compile(r"(\d+)(\.tar|\.parquet|_stats\.json)")
_MOST_GAPS = 1_000_000  # numbers in a row that are told as missing tars; more say that these are no numbers of shards


def cover(pool: Pool, shards: str | None, tell: Progress, *, check_bytes: bool = False) -> Coverage:
    """Read what the shards of an added pool hold, and record it; they lie at `shards`, else with the pool.

    With `check_bytes` the images are read too. `tell(what, done, total)` is called as tars and files are done. Raises
    RunError for a raw pool, where there are no tars, none of their samples is of the pool, a tar cannot be read at all,
    or the store cannot be written. What was recorded before stays then.
    """
    if not pool.added:
        _refuse_raw(pool)
    source = shards if shards is not None else pool.source
    tars = list_shards(source)
    with locked(pool.name), _store_errors():
        # Nobody changes it from here on.
        pool = open_pool(pool.name)
        folder = coverage_folder(pool)
        with _unfinished(folder) as runs:
            join = Join(pool, runs)
            read = _read(source, tars, join, folder / "tars", tell, check_bytes=check_bytes)
            found = _record(pool, join, read, folder, tell)
        save(found)
        _sweep(found, tars)
        return found


@dataclass
class _Totals:
    """What the tars were, one after the other."""

    members: int = 0
    incomplete: int = 0
    unnamed: int = 0
    as_downloaded: int = 0
    damaged: list[tuple[str, int, str, int]] = field(default_factory=list)

    def add(self, tar: Listed, scanned: Scanned) -> None:
        self.members += len(scanned.samples)
        self.incomplete += scanned.incomplete
        self.unnamed += scanned.unnamed
        self.as_downloaded += scanned.as_downloaded
        if scanned.damage is not None:
            self.damaged.append((tar.name, *scanned.damage, scanned.before))


def _read(
    source: str, tars: tuple[Listed, ...], join: Join, kept: Path, tell: Progress, *, check_bytes: bool
) -> ShardsRead:
    """Read the tars in their order, and add what they hold to `join`; duplicates are known later."""
    kept.mkdir(parents=True, exist_ok=True)
    totals = _Totals()
    done = 0
    tell("tars", 0, len(tars))
    with ThreadPoolExecutor(min(_THREADS, len(tars))) as threads:
        # A few at a time, so that what waits to be added stays small.
        for start in range(0, len(tars), _TARS_AT_ONCE):
            some = tars[start : start + _TARS_AT_ONCE]
            scans = threads.map(lambda tar: scan_or_load(tar, _place(kept, tar), check_bytes=check_bytes), some)
            for tar, scanned in zip(some, scans, strict=True):
                totals.add(tar, scanned)
                join.add(tar.name, scanned.samples)
                done += 1
                tell("tars", done, len(tars))
    return ShardsRead(
        source=source,
        tars=len(tars),
        members=totals.members,
        duplicates=0,
        strangers=0,
        stranger=None,
        incomplete=totals.incomplete,
        unnamed=totals.unnamed,
        damaged=tuple(totals.damaged),
        missing=_missing(source, tars),
        bytes_read=check_bytes,
        as_downloaded=totals.as_downloaded,
    )


def _record(pool: Pool, join: Join, read: ShardsRead, folder: Path, tell: Progress) -> Coverage:
    """Keep the states of the pool's samples, file by file, and return the record of them."""
    files: dict[str, tuple[str, str]] = {}
    counts = np.zeros(len(State), np.int64)
    available, intact = np.zeros(pool.rows, np.bool_), np.zeros(pool.rows, np.bool_)
    duplicates = 0
    for done, (file, states, again) in enumerate(join.states()):
        if not done and read.members and join.strangers == read.members:
            _refuse_foreign(pool, join, read)
        duplicates += again
        counts += np.bincount(states, minlength=len(State))
        ranks = ranks_of(file)
        available[ranks], intact[ranks] = states != State.ABSENT, states == State.INTACT
        files[file.name] = (identity_of(file), keep_states(folder, states))
        tell("files", done + 1, len(pool.files))
    uids: Uids = np.load(pool.uids, mmap_mode="r")  # type: ignore[arg-type]
    told = hashes(uids, [available, intact], [None, None])
    by_name = {state.name.lower(): int(counts[state]) for state in State}
    whole = replace(read, duplicates=duplicates, strangers=join.strangers, stranger=join.stranger)
    return Coverage(Counted(pool.rows, by_name, *told), whole, files, folder)


def _missing(source: str, tars: tuple[Listed, ...]) -> tuple[str, ...]:
    """Return the tars that the numbers of the others, and what lies beside them, say should be there."""
    filesystem, path = locate(tars[0].path)
    with contextlib.suppress(OSError):
        beside = [posixpath.basename(str(entry["name"])) for entry in filesystem.ls(posixpath.dirname(path))]
        named = [match for name in beside if (match := _NUMBERED.fullmatch(name))]
        there = {match[1] for match in named if match[2] == ".tar"}
        widths = {len(digits) for digits in there}
        if len(widths) != 1 or len(there) != len(tars):
            return ()  # they are not numbered, or only one of them was named
        width = widths.pop()
        numbers = {int(match[1]) for match in named if len(match[1]) == width}
        if max(numbers) - len(there) > _MOST_GAPS:
            return ()
        return tuple(f"{n:0{width}d}.tar" for n in range(max(numbers) + 1) if f"{n:0{width}d}" not in there)
    return ()


def _place(kept: Path, tar: Listed) -> Path:
    return kept / f"{hashlib.sha256(tar.path.encode()).hexdigest()[:_DIGITS]}.npz"


def _sweep(found: Coverage, tars: tuple[Listed, ...]) -> None:
    """Remove the states and the tars that the record does not name."""
    folder = found.folder
    states = {states_file(folder, digest) for _, digest in found.files.values()}
    scans = {_place(folder / "tars", tar) for tar in tars}
    for kept, needed in (("states", states), ("tars", scans)):
        for path in (folder / kept).iterdir():
            if path not in needed:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give an empty folder, removed at the end; a killed run may have left one."""
    path = folder / "unfinished"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(unwritable(error)) from error


def _refuse_raw(pool: Pool) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E0683",
            f"`{pool.name}` was not added",
            None,
            "its coverage is recorded row for row, by the pool's sorted uids",
            (f"add it first: `dcql pool add NAME {pool.source}`, then `dcql pool coverage NAME`",),
        )
    )


def _refuse_foreign(pool: Pool, join: Join, read: ShardsRead) -> NoReturn:
    assert join.stranger is not None
    uid, tar = join.stranger
    raise RunError(
        Diagnostic(
            "E0684",
            "the shards are of another pool",
            None,
            f"`{pool.name}` has none of their {read.members:,} samples; the first is {uid} in `{tar}`",
            (f"name the shards of `{pool.name}`: `dcql pool coverage {pool.name} --shards PATH`",),
        )
    )
