"""The coverage of a pool: what its shards really held of each sample when `dcql pool coverage` read them.

$DCQL_HOME/coverage/PLACE/          PLACE: the first 32 digits of a digest of the pool's source
    coverage.json                   the record; replaced last and atomically
    lock                            held by flock while it is written
    states/DIGEST.npy               a state for each row of one file of the pool, by the digest of the states
    tars/..                         what each tar gave, so that a run that was stopped goes on

A state is a number of State, kept as three bit columns: (3, rows / 8) uint8, the lowest bit first.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.catalog import store
from dcql.catalog.pool import Pool, PoolFile, unwritable
from dcql.dataclass import dataclass
from dcql.digest import sha256_of
from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json
from dcql.npy import map_npy
from dcql.scratch import unfinished

RECORD_VERSION = 1
RECORD = "coverage.json"

_DIGITS = 32
_PLANES = 3  # bits of a state


class State(IntEnum):
    """What the shards hold of a sample: nothing, or an image of which one thing is known."""

    ABSENT = 0
    UNSTATED = 1  # its .json has no SHA-256
    UNRECORDED = 2  # the pool has none
    CHANGED = 3  # they are two
    INTACT = 4  # they are one
    DAMAGED = 5  # the image was read, and is not what its .json says


@dataclass(frozen=True)
class Counted:
    """How many samples of the pool are in each state, by the state's name in lower case; `samples` is all of them.

    `available` and `intact` are the hashes dcql1 of the samples that recipes see as such.
    """

    samples: int
    states: Mapping[str, int]
    available_hash: str
    intact_hash: str

    @property
    def available(self) -> int:
        """The samples of which the shards hold an image."""
        return self.samples - self.states["absent"]

    @property
    def intact(self) -> int:
        """The samples whose image was downloaded from the bytes that the pool recorded."""
        return self.states["intact"]


@dataclass(frozen=True)
class ShardsRead:
    """What was met in the shards, beside samples of the pool.

    `tars` and `members` count tars and samples in them. Further samples of a uid are `duplicates`; `strangers` are
    samples whose uid the pool lacks, and `stranger` names one and its tar. `incomplete` counts those without an image
    or a caption, `unnamed` images without a uid. `damaged` has a name, the byte from which it cannot be read, why, and
    how many samples stand before, for each tar that gave nothing; `missing` names tars that should be there by their
    numbers. With `bytes_read`, images were read too: `as_downloaded` of them are the very bytes that were downloaded.
    """

    source: str
    tars: int
    members: int
    duplicates: int
    strangers: int
    stranger: tuple[str, str] | None
    incomplete: int
    unnamed: int
    damaged: tuple[tuple[str, int, str, int], ...]
    missing: tuple[str, ...]
    bytes_read: bool
    as_downloaded: int


@dataclass(frozen=True)
class Coverage:
    """A pool's coverage: what was counted, what was read, and the digest of each file's states, by the file's name."""

    counted: Counted
    read: ShardsRead
    files: Mapping[str, tuple[str, str]]
    folder: Path

    def key(self, file: PoolFile) -> str:
        """Return the digest of a file's states. Raises RunError for a file of which nothing was recorded."""
        identity, digest = self.files.get(file.name, ("", ""))
        if identity != identity_of(file):
            _refuse_stale(file)
        return digest

    def states(self, file: PoolFile) -> NDArray[np.uint8]:
        """Return the state of each row of a file, (rows,) uint8. Raises RunError where what was recorded is damaged."""
        path = states_file(self.folder, self.key(file))
        try:
            planes = np.asarray(map_npy(path))
            if planes.dtype != np.uint8 or planes.shape != (_PLANES, (file.rows + 7) // 8):
                raise ValueError(f"it is {planes.dtype} {planes.shape}")
            if digest_of(planes, file.rows) != self.key(file):
                raise ValueError("it is not what its name says")
        except (OSError, ValueError, OverflowError) as error:
            _refuse_damaged(path, error)
        bits = np.unpackbits(planes, axis=1, count=file.rows)
        found: NDArray[np.uint8] = bits[0] | bits[1] << 1 | bits[2] << 2
        return found


def keep_states(folder: Path, states: NDArray[np.uint8]) -> str:
    """Keep the states of a file's rows, (rows,) uint8, by their digest, and return it. Raises OSError."""
    planes = np.packbits([states >> plane & 1 for plane in range(_PLANES)], axis=1)
    digest = digest_of(planes, len(states))
    path = states_file(folder, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(path) as place:
        with place.open("wb") as file:
            np.save(file, planes, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(place, path)
    return digest


def digest_of(planes: NDArray[np.uint8], rows: int) -> str:
    """Return the digest of the states of `rows` samples, (3, rows / 8) uint8: 32 hex digits."""
    return hashlib.sha256(b"dcql.coverage.v1\0" + rows.to_bytes(8, "big") + planes.tobytes()).hexdigest()[:_DIGITS]


def identity_of(file: PoolFile) -> str:
    """Return what tells a file of a pool apart, added or raw: its size and its footer."""
    return sha256_of([file.rows, file.size, file.footer])


def coverage_folder(pool: Pool) -> Path:
    """Return where the coverage of a pool is kept; it goes with the pool's source, so a raw pool has it too."""
    place = pool.source if "://" in pool.source else os.path.abspath(pool.source)
    return store.home() / "coverage" / sha256_of([place]).removeprefix("sha256:")[:_DIGITS]


def states_file(folder: Path, digest: str) -> Path:
    """Return where states are kept, by their digest."""
    return folder / "states" / f"{digest}.npy"


def open_coverage(pool: Pool) -> Coverage:
    """Return what `dcql pool coverage` recorded of a pool. Raises RunError where it recorded nothing, or it is damaged.

    That some files of the pool are new since is told when they are asked for.
    """
    folder = coverage_folder(pool)
    path = folder / RECORD
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        _refuse_unknown(pool)
    except OSError as error:
        _refuse_damaged(path, error)
    try:
        return _from_json(parse_json(content), folder)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        _refuse_damaged(path, ValueError(f"it lacks or garbles {error}"))


def known_coverage(pool: Pool) -> Coverage | None:
    """Return the coverage of a pool; None where nothing was recorded that holds for every file of it."""
    if not (coverage_folder(pool) / RECORD).exists():
        return None
    try:
        found = open_coverage(pool)
        for file in pool.files:
            found.key(file)
    except RunError:
        return None
    return found


def save(coverage: Coverage) -> None:
    """Write the record of a coverage whose states are kept. Raises RunError where the store cannot be written."""
    described = {
        "version": RECORD_VERSION,
        "counted": {**asdict(coverage.counted), "states": dict(coverage.counted.states)},
        "read": asdict(coverage.read),
        "files": {name: list(row) for name, row in coverage.files.items()},
    }
    path = coverage.folder / RECORD
    try:
        with unfinished(path) as place:
            with place.open("w", encoding="utf-8") as file:
                json.dump(described, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(place, path)
    except OSError as error:
        raise RunError(unwritable(error)) from error


def _from_json(record: Any, folder: Path) -> Coverage:
    if record["version"] != RECORD_VERSION:
        raise ValueError(f"it is of version {record['version']}, not {RECORD_VERSION}")
    counted, read = record["counted"], record["read"]
    states = {state.name.lower(): int(counted["states"][state.name.lower()]) for state in State}
    if int(counted["samples"]) != sum(states.values()):
        raise ValueError("its counts do not add up")
    files = {str(name): (str(row[0]), str(row[1])) for name, row in record["files"].items()}
    for _, digest in files.values():
        # Joined to a folder, any other text could lead out of it.
        if len(digest) != _DIGITS or not set(digest) <= set("0123456789abcdef"):
            raise ValueError(f"`{digest}`, which is no digest")
    return Coverage(
        Counted(int(counted["samples"]), states, str(counted["available_hash"]), str(counted["intact_hash"])),
        ShardsRead(
            source=str(read["source"]),
            stranger=tuple(map(str, read["stranger"])) if read["stranger"] is not None else None,  # type: ignore[arg-type]
            damaged=tuple((str(tar), int(at), str(why), int(before)) for tar, at, why, before in read["damaged"]),
            missing=tuple(map(str, read["missing"])),
            bytes_read=bool(read["bytes_read"]),
            **{name: int(read[name]) for name in _NUMBERS},
        ),
        files,
        folder,
    )


_NUMBERS = ("tars", "members", "duplicates", "strangers", "incomplete", "unnamed", "as_downloaded")


def _refuse_unknown(pool: Pool) -> NoReturn:
    name = pool.name if pool.added else "NAME"
    add = () if pool.added else (f"only an added pool is covered: `dcql pool add NAME {pool.source}` comes first",)
    raise RunError(
        Diagnostic(
            "E0680",
            f"what the shards of `{pool.name}` hold is not known",
            None,
            "`available` and `intact` are read off the shards once, and recorded",
            (f"run `dcql pool coverage {name}`", *add),
        )
    )


def _refuse_stale(file: PoolFile) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E0681",
            "the pool changed since its coverage was recorded",
            None,
            f"nothing is recorded of `{file.name}` as it is now",
            ("run `dcql pool coverage` again: tars that are unchanged are not read again",),
        )
    )


def _refuse_damaged(path: Path, error: Exception) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E0682",
            "the recorded coverage cannot be read",
            None,
            f"`{path}`: {error}",
            ("run `dcql pool coverage` again: tars that are unchanged are not read again",),
        )
    )
