"""The images of a pool, found in its webdataset tars by uid.

A sample's image, caption and .json stand side by side in a tar and share the name before the first dot, the key. The
key says nothing about the pool, since it depends on how the images were downloaded: the `uid` of the .json does.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcql.checksum import crc32
from dcql.engine.tar_records import ends, keep, kept
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, list_shards, locate, unreadable
from dcql.merkle import Words
from dcql.subset import UID, Uids, find
from dcql.tars.members import BLOCK, DamagedTarError, uid_of
from dcql.tars.samples import IMAGE, Read, TarFiles, files_and_headers, reading

# An image in a tar: where its content begins, how long it is, which of EXTENSIONS it has, and the CRC-32 of the header
# block before it, by which an image that is no longer there is noticed.
ENTRY = np.dtype([("offset", "<u8"), ("size", "<u8"), ("header", "<u4"), ("extension", "u1")])

BATCH = 1024  # images that are handed out together, where they are not too large
_BATCH_BYTES = 256 << 20
_STRETCH_BYTES = 8 << 20  # read at once, where images lie side by side
_GAP = 64 << 10  # bytes between two images that are read rather than skipped
_THREADS = 8
_FORM = 2  # of the files that hold an index; another number is built anew


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
    place = store / f"{tar.name}.npz"
    try:
        probe = f"{tar.size} {ends(tar)}"
        found = _load(place, probe)
        if found is None:
            with reading(tar) as read:
                found = _walk(read, tar.size)
            _save(place, probe, found)
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error
    return found


def _walk(read: Read, size: int) -> _Tar:
    """Find the images of a tar. Of files of one kind with one key side by side, the first counts."""
    files, headers = files_and_headers(read, size)
    of = files.samples()
    uids, named = np.zeros(len(of.json), UID), np.zeros(len(of.json), np.bool_)
    sample_of = np.cumsum(files.starts) - 1
    jsons: dict[int, bytes | None] = {}
    damage = files.damage
    try:
        for at, content in files.jsons():
            jsons[at] = content
            sample = int(sample_of[at])
            uid = uid_of(content) if content is not None and of.json[sample] == at else None
            if uid is not None:
                uids[sample], named[sample] = divmod(uid, 1 << 64), True
    except DamagedTarError as stop:
        damage = stop
    digest, checks = _digested(files, headers, jsons, of.image)
    found = (of.image >= 0) & named
    images = of.image[found]
    entries = np.zeros(len(images), ENTRY)
    entries["offset"], entries["size"] = files.offsets[images], files.sizes[images]
    entries["header"], entries["extension"] = checks[found], files.kind[images] - IMAGE
    told = None if damage is None else (damage.offset, damage.reason)
    return _Tar(uids[found], entries, int(((of.image >= 0) & ~named).sum()), told, digest)


def _digested(
    files: TarFiles, headers: Iterator[tuple[int, bytes]], jsons: Mapping[int, bytes | None], images: NDArray[np.int64]
) -> tuple[str, NDArray[np.uint32]]:
    """Return the hex SHA-256 of what is read of a tar, and the CRC-32 of each sample's header of its image.

    It is of all headers in order, after that of a .json its content, and after that of an image the header again: by it
    values that were computed of images are known, so it stays as it was first made.
    """
    digest, checks = hashlib.sha256(), np.zeros(len(images), np.uint32)
    sample_of = {int(at): sample for sample, at in enumerate(images) if at >= 0}
    header, ahead = b"", next(headers, None)
    for at, offset in enumerate(files.offsets.tolist()):
        while ahead is not None and ahead[0] < offset:
            header, ahead = ahead[1], next(headers, None)
            digest.update(header)
        if at in sample_of:
            checks[sample_of[at]] = crc32(header)
            digest.update(header)
        else:
            digest.update(jsons.get(at) or b"")
    while ahead is not None:
        digest.update(ahead[1])
        ahead = next(headers, None)
    return digest.hexdigest(), checks


# What is kept of a tar.


def _save(path: Path, probe: str, tar: _Tar) -> None:
    about = {
        "form": _FORM,
        "probe": probe,
        "unnamed": tar.unnamed,
        "damage": tar.damage,
        "digest": tar.digest,
    }
    keep(path, about, uids=tar.uids, entries=tar.entries)


def _load(path: Path, probe: str) -> _Tar | None:
    """Return what was kept of a tar; None where nothing was, of another tar, or the file is damaged."""
    found = kept(path, form=_FORM, probe=probe, uids=UID, entries=ENTRY)
    if found is None or len(found[1]["uids"]) != len(found[1]["entries"]):
        return None
    about, arrays = found
    # What dcql wrote otherwise than now fails here, and the tar is then read again.
    with contextlib.suppress(Exception):
        damage = None if about["damage"] is None else (int(about["damage"][0]), str(about["damage"][1]))
        return _Tar(arrays["uids"], arrays["entries"], int(about["unnamed"]), damage, str(about["digest"]))
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
