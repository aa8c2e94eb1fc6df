"""One training shard, from the samples that a plan gives it: its bytes, its SHA-256, its rows of the index."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from dcql.runtime.reshard.scan import FORMATS
from dcql.runtime.reshard.ustar import BLOCK, PADDING, end, header
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, LocalFiles, locate, unreadable

# Where a copy's image and caption lie in a training shard, without `key` and `shard`: see shards.INDEX_COLUMNS.
PLACED = np.dtype(
    [
        ("image_offset", "<i8"),
        ("image_size", "<i8"),
        ("format", "u1"),
        ("caption_offset", "<i8"),
        ("caption_size", "<i8"),
        ("crc32", "<u4"),
    ]
)
_STRETCH = 8 << 20  # bytes read at once, where samples lie side by side
_GAP_HERE, _GAP_FAR = 4 << 10, 256 << 10  # bytes between samples that are read rather than skipped
_WRITE = 1 << 20
_AHEAD = 8  # reads from afar that are under way together

Change = Callable[[bytes, bytes, NDArray[np.void]], bytes | None]


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """A shard: its size, the hex SHA-256 of its bytes, (n,) PLACED of its copies, how many `Change` changed."""

    size: int
    sha256: str
    placed: NDArray[np.void]
    changed: int


def write_shard(
    tars: Sequence[Listed],
    samples: NDArray[np.void],
    copies: NDArray[np.uint32],
    write: Callable[[bytes], Any],
    change: Change | None = None,
) -> Written:
    """Give the bytes of a shard to `write`, in pieces; `samples` is (n,) of dtype TAKEN, `copies` their numbers.

    `change` takes an image, its .json and the row of its sample, and gives a WebP in place of the image, or None to
    keep it. Raises RunError where a tar cannot be read or is not what it was when it was scanned.
    """
    placed = np.zeros(len(samples), PLACED)
    digest = hashlib.sha256()
    pieces: list[bytes | memoryview] = []
    waiting = at = changed = 0

    def flush() -> None:
        nonlocal waiting
        content = b"".join(pieces)
        digest.update(content)
        write(content)
        pieces.clear()
        waiting = 0

    for position, (row, json, caption, image) in enumerate(_read(tars, samples)):
        kind = FORMATS[row["format"]]
        if change is not None:
            other = change(bytes(image), bytes(json), row)
            if other is not None:
                image, kind, changed = memoryview(other), "webp", changed + 1
        key = b"%016x%016x-%d" % (row["uid_high"], row["uid_low"], copies[position])
        start = at
        for extension, content in (("json", json), ("txt", caption), (kind, image)):
            size = len(content)
            pieces += (header(b"%b.%b" % (key, extension.encode()), size), content, PADDING[size % BLOCK])
            at += BLOCK + size + -size % BLOCK
        caption_at = start + 2 * BLOCK + len(json) + -len(json) % BLOCK
        image_at = caption_at + len(caption) + -len(caption) % BLOCK + BLOCK
        crc32 = zlib.crc32(caption, zlib.crc32(image))
        placed[position] = (image_at, len(image), FORMATS.index(kind), caption_at, len(caption), crc32)
        waiting += at - start
        if waiting >= _WRITE:
            flush()
    pieces.append(end(at))
    at += len(pieces[-1])
    flush()
    return Written(at, digest.hexdigest(), placed, changed)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Samples from `first` up to `last` that lie close together in a tar, in bytes `start` up to `end`."""

    tar: int
    first: int
    last: int
    start: int
    end: int


def _read(
    tars: Sequence[Listed], samples: NDArray[np.void]
) -> Iterator[tuple[Any, memoryview, memoryview, memoryview]]:
    """Yield each sample's row, and its .json, caption and image."""
    for stretch, content in _fetch(tars, samples):
        view = memoryview(content)
        for row in samples[stretch.first : stretch.last]:
            parts = []
            for name in ("json", "caption", "image"):
                at = int(row[f"{name}_offset"]) - stretch.start
                parts.append(view[at : at + int(row[f"{name}_size"])])
            uid = b"%x" % (int(row["uid_high"]) << 64 | int(row["uid_low"]))
            if len(content) < stretch.end - stretch.start or uid not in bytes(parts[0]):
                raise _changed(tars[stretch.tar])
            yield row, parts[0], parts[1], parts[2]


def _fetch(tars: Sequence[Listed], samples: NDArray[np.void]) -> Iterator[tuple[_Stretch, bytes]]:
    """Yield stretches with their bytes; those of tars that lie afar are asked for ahead of time."""
    far = any(not isinstance(locate(tar.path)[0], LocalFiles) for tar in tars[:1])
    stretches = _stretches(samples, _GAP_FAR if far else _GAP_HERE)
    if not far:
        opened: dict[int, int] = {}
        try:
            for stretch in stretches:
                yield stretch, _pread(tars[stretch.tar], stretch, opened)
        finally:
            for descriptor in opened.values():
                os.close(descriptor)
        return
    with ThreadPoolExecutor(_AHEAD) as threads:
        for start in range(0, len(stretches), _AHEAD):
            some = stretches[start : start + _AHEAD]
            yield from zip(some, threads.map(lambda each: _cat(tars[each.tar], each), some), strict=True)


def _stretches(samples: NDArray[np.void], gap: int) -> list[_Stretch]:
    names = ("json", "caption", "image")
    offsets = [samples[f"{name}_offset"].astype(np.int64) for name in names]
    ends = [offset + samples[f"{name}_size"] for name, offset in zip(names, offsets, strict=True)]
    starts, stops = np.minimum.reduce(offsets), np.maximum.reduce(ends)
    apart = np.ones(len(samples), np.bool_)
    same = samples["tar"][1:] == samples["tar"][:-1]
    apart[1:] = ~same | (starts[1:] < stops[:-1]) | (starts[1:] > stops[:-1] + gap)
    found: list[_Stretch] = []
    rows = zip(samples["tar"].tolist(), starts.tolist(), stops.tolist(), apart.tolist(), strict=True)
    for number, (tar, start, stop, new) in enumerate(rows):
        if new or stop - found[-1].start > _STRETCH:
            found.append(_Stretch(tar, number, number + 1, start, stop))
        else:
            last = found[-1]
            found[-1] = _Stretch(tar, last.first, number + 1, last.start, stop)
    return found


def _pread(tar: Listed, stretch: _Stretch, opened: dict[int, int]) -> bytes:
    try:
        descriptor = opened.get(stretch.tar)
        if descriptor is None:
            if len(opened) >= 64:
                os.close(opened.pop(next(iter(opened))))
            descriptor = opened[stretch.tar] = os.open(tar.path, os.O_RDONLY)
        return os.pread(descriptor, stretch.end - stretch.start, stretch.start)
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error


def _cat(tar: Listed, stretch: _Stretch) -> bytes:
    try:
        filesystem, path = locate(tar.path)
        return bytes(filesystem.cat_file(path, start=stretch.start, end=stretch.end))
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error


def _changed(tar: Listed) -> RunError:
    return RunError(
        Diagnostic(
            "E1010",
            f"`{tar.name}` changed while it was resharded",
            None,
            "another sample, or nothing, lies where one was found",
            ("keep the tars as they are until the shards are written", "remove the unfinished shards and start again"),
        )
    )
