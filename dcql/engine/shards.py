"""The images of a pool, found in its webdataset tars by uid.

A sample's image, caption and .json stand side by side in a tar and share the name before the first dot, the key. The
key says nothing about the pool, since it depends on how the images were downloaded: the `uid` of the .json does.
"""

import contextlib
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.checksum import crc32
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, list_shards, locate, unreadable
from dcql.merkle import Words
from dcql.scratch import unfinished
from dcql.subset import UID, Uids, find
from dcql.tars import BLOCK, EXTENSIONS, MAX_JSON, DamagedTarError, Member, key_of, members, uid_of

# An image in a tar: where its content begins, how long it is, which of EXTENSIONS it has, and the CRC-32 of the header
# block before it, by which an image that is no longer there is noticed.
ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8"), ("header", "<u4"), ("extension", "u1")])

_PACKED_ENTRY, _PACKED_UID = struct.Struct("<QQIB"), struct.Struct("<QQ")  # an ENTRY and a UID as bytes

BATCH = 1024  # images that are handed out together, where they are not too large
_BATCH_BYTES = 256 << 20
_STRETCH_BYTES = 8 << 20  # read at once, where images lie side by side
_GAP = 64 << 10  # bytes between two images that are read rather than skipped
_PROBE = 64 << 10
_THREADS = 8
_FORM = 1  # of the files that hold an index; another number is built anew


@dataclass(frozen=True, slots=True)
class Damage:
    """A tar that cannot be read beyond a byte. What stands before it is used; what would follow is unknown."""

    tar: str
    offset: int
    reason: str

    def __str__(self) -> str:
        return f"`{self.tar}` cannot be read beyond byte {self.offset}: {self.reason}"


@dataclass(frozen=True, eq=False, slots=True)
class ShardIndex:
    """Where the image of each sample lies.

    `uids` is (n,) of dtype u8,u8, strictly ascending; `tar` is (n,) uint32, a position in `tars`; `entries` is (n,) of
    dtype ENTRY. A uid that comes again counts in `duplicates`: its first image, by name of the tar and then by offset,
    is the one. `unnamed` counts the images without a uid that can be read. `digest` is the hex SHA-256 of what was read
    of all tars: their headers and .json files, not the images. It takes 41 bytes a sample.
    """

    tars: tuple[Listed, ...]
    uids: Uids
    tar: NDArray[np.uint32]
    entries: NDArray[np.void]
    duplicates: int
    unnamed: int
    damages: tuple[Damage, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.uids)

    def find(self, uids: Uids) -> NDArray[np.int64]:
        """Return for each of `uids`, (m,) of dtype u8,u8 in any order, its position in this index, -1 without one."""
        return find(self.uids, uids)

    def of(self, uids: Uids) -> "ShardIndex":
        """Return the index of those of `uids`, strictly ascending, that have an image, with the tars of these alone."""
        places = self.find(uids)
        places = places[places >= 0]
        used, tar = np.unique(self.tar[places], return_inverse=True)
        tars = tuple(self.tars[number] for number in used.tolist())
        found = (self.uids[places], tar.astype(np.uint32), self.entries[places])
        return ShardIndex(tars, *found, duplicates=0, unnamed=0, damages=(), digest=self.digest)


@dataclass(frozen=True, eq=False, slots=True)
class _Tar:
    """What the walk of one tar gave: entries and uids in the order of the tar."""

    uids: Uids
    entries: NDArray[np.void]
    unnamed: int
    damage: tuple[int, str] | None
    digest: str


def index(source: str | Path, store: Path, *, progress: Callable[[int, int], None] | None = None) -> ShardIndex:
    """Find the images of the pool or folder of tars `source`, a path or URL, without reading them.

    What each tar gave is kept in `store` as NAME.npz, and taken from there when the tar has the same size and the same
    first and last 64 KiB; so a walk that was stopped goes on where it was, and a store belongs to one folder of tars. A
    tar that is cut off or damaged gives what stands before that, and is told in `damages`. `progress` is told how many
    tars of how many are done. Raises RunError where there are no tars, or one cannot be read at all.
    """
    tars = list_shards(os.fspath(source))
    store.mkdir(parents=True, exist_ok=True)
    walked = []
    with ThreadPoolExecutor(min(_THREADS, len(tars))) as threads:
        for done, walk in enumerate(threads.map(lambda tar: _walk_or_load(tar, store), tars), 1):
            walked.append(walk)
            if progress is not None:
                progress(done, len(tars))
    return _merge(tars, walked)


def read(shards: ShardIndex, uids: Uids, *, batch: int = BATCH) -> Iterator[list[bytes | None]]:
    """Yield the encoded images of `uids`, (m,) of dtype u8,u8, in their order and in lists; None for one without.

    A list holds up to `batch` images and 256 MiB; a larger image comes alone. Its images are read in the order in which
    they lie in the tars, those side by side at once, so uids in the order of the pool are read fastest. Raises RunError
    where a tar cannot be read or changed since it was walked.
    """
    places = shards.find(uids)
    sizes = np.zeros(len(places), np.int64)
    sizes[places >= 0] = shards.entries["size"][places[places >= 0]]
    start = 0
    with ThreadPoolExecutor(_THREADS) as threads:
        while start < len(places):
            fit = int(np.searchsorted(np.cumsum(sizes[start : start + batch]), _BATCH_BYTES, "right"))
            end = start + max(1, fit)
            yield _fetch(shards, places[start:end], threads)
            start = end


# The walk of one tar.


def _walk_or_load(tar: Listed, store: Path) -> _Tar:
    kept = store / f"{tar.name}.npz"
    try:
        filesystem, path = locate(tar.path)
        head = filesystem.cat_file(path, start=0, end=min(tar.size, _PROBE))
        tail = filesystem.cat_file(path, start=max(0, tar.size - _PROBE), end=tar.size)
        probe = f"{tar.size} {hashlib.sha256(head + tail).hexdigest()}"
        found = _load(kept, probe)
        if found is None:
            with filesystem.open(path, "rb") as file:
                found = _walk(_Reader(file), tar.size)
            _save(kept, probe, found)
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error
    return found


@dataclass(slots=True)
class _Reader:
    """Reads stretches of a file, and digests what it read."""

    file: Any
    digest: Any = field(default_factory=hashlib.sha256)

    def __call__(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        content = bytes(self.file.read(length))
        if len(content) < length:
            raise DamagedTarError(offset, "it became shorter while it was read")
        self.digest.update(content)
        return content


@dataclass(slots=True)
class _Sample:
    """What was met of one sample."""

    key: str = ""
    image: tuple[int, int, int, int] | None = None
    uid: int | None = None


def _walk(read: _Reader, size: int) -> _Tar:
    images, uids = bytearray(), bytearray()
    unnamed = 0
    damage: tuple[int, str] | None = None

    def close(sample: _Sample) -> int:
        if sample.image is None:
            return 0
        if sample.uid is None:
            return 1
        images.extend(_PACKED_ENTRY.pack(*sample.image))
        uids.extend(_PACKED_UID.pack(*divmod(sample.uid, 1 << 64)))
        return 0

    sample = _Sample()
    try:
        for member in members(read, size):
            parts = key_of(member.name)
            if parts is None:
                continue
            key, extension = parts
            if key != sample.key:
                unnamed += close(sample)
                sample = _Sample(key)
            if extension == "json":
                sample.uid = _uid(read, member)
            elif extension in EXTENSIONS and sample.image is None:
                check = crc32(read(member.header, BLOCK))
                sample.image = (member.offset, member.size, check, EXTENSIONS.index(extension))
    except DamagedTarError as stop:
        damage = (stop.offset, stop.reason)
    unnamed += close(sample)
    return _Tar(np.frombuffer(uids, UID), np.frombuffer(images, ENTRY), unnamed, damage, read.digest.hexdigest())


def _uid(read: _Reader, member: Member) -> int | None:
    """Return the uid that a sample's .json gives, None without one."""
    return uid_of(read(member.offset, member.size)) if member.size <= MAX_JSON else None


# What is kept of a tar.


def _save(path: Path, probe: str, tar: _Tar) -> None:
    about = {
        "form": _FORM,
        "probe": probe,
        "unnamed": tar.unnamed,
        "damage": tar.damage,
        "digest": tar.digest,
    }
    with unfinished(path) as place:
        with place.open("wb") as file:
            text = np.frombuffer(json.dumps(about).encode(), np.uint8)
            np.savez(file, allow_pickle=False, uids=tar.uids, entries=tar.entries, about=text)
        os.replace(place, path)


def _load(path: Path, probe: str) -> _Tar | None:
    """Return what was kept of a tar; None where nothing was, of another tar, or the file is damaged."""
    # A damaged file can fail in zipfile, in numpy or in json; the tar is then walked again.
    with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as kept:
        about = json.loads(kept["about"].tobytes())
        uids, entries = kept["uids"], kept["entries"]
        if about["form"] != _FORM or about["probe"] != probe:
            return None
        if uids.dtype != UID or entries.dtype != ENTRY or uids.shape != entries.shape or uids.ndim != 1:
            return None
        damage = None if about["damage"] is None else (int(about["damage"][0]), str(about["damage"][1]))
        return _Tar(uids, entries, int(about["unnamed"]), damage, str(about["digest"]))
    return None


def _merge(tars: tuple[Listed, ...], walked: list[_Tar]) -> ShardIndex:
    uids = np.concatenate([tar.uids for tar in walked])
    entries = np.concatenate([tar.entries for tar in walked])
    numbers = np.repeat(np.arange(len(walked), dtype=np.uint32), [len(tar.uids) for tar in walked])
    high: Words = np.ascontiguousarray(uids["f0"])
    low: Words = np.ascontiguousarray(uids["f1"])
    # A stable sort, so that of equal uids the first in the tars comes first.
    order = np.lexsort((low, high))
    first = np.ones(len(order), np.bool_)
    high, low = high[order], low[order]
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    order = order[first]
    digest = hashlib.sha256(b"dcql.shards.v1\0")
    for tar, walk in zip(tars, walked, strict=True):
        digest.update(json.dumps([tar.name, tar.size, walk.digest]).encode())
    return ShardIndex(
        tars=tars,
        uids=uids[order],
        tar=numbers[order],
        entries=entries[order],
        duplicates=len(uids) - len(order),
        unnamed=sum(tar.unnamed for tar in walked),
        damages=tuple(
            Damage(tar.name, *walk.damage) for tar, walk in zip(tars, walked, strict=True) if walk.damage is not None
        ),
        digest=digest.hexdigest(),
    )


# Reading images.


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Bytes of a tar that are read at once, and which images of the list lie in it."""

    tar: int
    start: int
    end: int
    positions: tuple[int, ...]


def _fetch(shards: ShardIndex, places: NDArray[np.int64], threads: Executor) -> list[bytes | None]:
    images: list[bytes | None] = [None] * len(places)
    entries = np.zeros(len(places), ENTRY)
    entries[places >= 0] = shards.entries[places[places >= 0]]
    stretches = _stretches(shards, places, entries)
    for stretch, content in zip(stretches, threads.map(lambda each: _read(shards, each), stretches), strict=True):
        for position in stretch.positions:
            entry = entries[position]
            start = int(entry["offset"]) - stretch.start
            if crc32(content[start - BLOCK : start]) != int(entry["header"]):
                raise _changed(shards.tars[stretch.tar], f"no image begins at byte {int(entry['offset'])} any more")
            images[position] = content[start : start + int(entry["size"])]
    return images


def _stretches(shards: ShardIndex, places: NDArray[np.int64], entries: NDArray[np.void]) -> list[_Stretch]:
    present = np.flatnonzero(places >= 0)
    tars = shards.tar[places[present]]
    ordered = np.lexsort((entries["offset"][present], tars))
    found: list[_Stretch] = []
    for position, tar in zip(present[ordered].tolist(), tars[ordered].tolist(), strict=True):
        offset, size = int(entries["offset"][position]), int(entries["size"][position])
        start, end = offset - BLOCK, offset + size
        last = found[-1] if found else None
        if (
            last is not None
            and last.tar == tar
            and start <= last.end + _GAP
            and max(end, last.end) - last.start <= _STRETCH_BYTES
        ):
            found[-1] = _Stretch(tar, last.start, max(end, last.end), (*last.positions, position))
        else:
            found.append(_Stretch(tar, start, end, (position,)))
    return found


def _read(shards: ShardIndex, stretch: _Stretch) -> bytes:
    tar = shards.tars[stretch.tar]
    try:
        filesystem, path = locate(tar.path)
        content = bytes(filesystem.cat_file(path, start=stretch.start, end=stretch.end))
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error
    if len(content) < stretch.end - stretch.start:
        raise _changed(tar, "it is shorter than it was")
    return content


def _changed(tar: Listed, reason: str) -> RunError:
    advice = "index the images again, and keep the tars as they are while features are computed"
    return RunError(Diagnostic("E0642", f"`{tar.name}` changed since it was indexed", None, reason, (advice,)))
