"""One training shard, from the samples that a plan gives it: its bytes, its SHA-256, its rows of the index."""

import contextlib
import hashlib
import itertools
import operator
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from dcql.runtime.reshard.scan import FORMATS
from dcql.runtime.reshard.ustar import BLOCK, PADDING, end, header
from numpy.typing import NDArray

from dcql.checksum import crc32
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
_EXTENSIONS = tuple(kind.encode() for kind in FORMATS)
_place = operator.itemgetter(0)
_BUFFER = 1 << 20  # bytes of a shard that are made before they are digested and written
_GAP = 64 << 10  # bytes between the files of a sample that are read rather than skipped
_OPEN = 64  # tars that are held open
# Of tars that lie afar, samples close together are read at once, and some such reads are under way together.
_FAR_STRETCH, _FAR_GAP, _FAR_READS = 8 << 20, 256 << 10, 8

Change = Callable[[int, bytes, bytes], bytes | None]
Piece = tuple[int, memoryview]  # where bytes of a tar begin, and where they are put


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
    write: Callable[[memoryview], Any],
    change: Change | None = None,
) -> Written:
    """Give the bytes of a shard to `write`, in pieces; `samples` is (n,) of dtype TAKEN, `copies` their numbers.

    `change` takes the position of a sample, its image and its .json, and gives a WebP in place of the image, or None
    to keep it. Raises RunError where a tar cannot be read or is not what it was when it was scanned.
    """
    placed: list[tuple[int, int, int, int, int, int]] = []
    digest = hashlib.sha256()
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    flushed = used = changed = 0

    def flush() -> None:
        nonlocal flushed, used
        digest.update(view[:used])
        write(view[:used])
        flushed, used = flushed + used, 0

    def reserve(size: int) -> None:
        nonlocal buffer, view
        if used + size > len(buffer):
            flush()
        if size > len(buffer):
            buffer = bytearray(size)
            view = memoryview(buffer)

    def put(at: int, content: bytes) -> None:
        view[at : at + len(content)] = content

    rows = zip(samples.tolist(), copies.tolist(), strict=True)
    with _source(tars, samples) as read:
        for position, ((high, low, tar, *places, kind), copy) in enumerate(rows):
            json_from, json_size, caption_from, caption_size, image_from, image_size = places
            # What a member takes, its header included, is a whole number of blocks.
            json_room, caption_room, image_room = (-(-size // BLOCK) * BLOCK + BLOCK for size in places[1::2])
            reserve(json_room + caption_room + image_room)
            json_at = used + BLOCK
            caption_at = json_at + json_room
            image_at = caption_at + caption_room
            json, caption = view[json_at : json_at + json_size], view[caption_at : caption_at + caption_size]
            image = view[image_at : image_at + image_size]
            read(position, tar, ((json_from, json), (caption_from, caption), (image_from, image)))
            uid = b"%016x%016x" % (high, low)
            if buffer.find(uid.lstrip(b"0"), json_at, json_at + json_size) < 0:
                raise _changed(tars[tar])
            other = None if change is None else change(position, bytes(image), bytes(json))
            if other is not None:
                # The image is last: all that is before it stays where it is, in a larger buffer if need be.
                head = bytes(view[used : image_at - BLOCK])
                before, image_room = used, -(-len(other) // BLOCK) * BLOCK + BLOCK
                reserve(len(head) + image_room)
                moved = used - before
                json_at, caption_at, image_at = json_at + moved, caption_at + moved, image_at + moved
                put(used, head)
                put(image_at, other)
                image_size, kind, changed = len(other), FORMATS.index("webp"), changed + 1
                caption, image = view[caption_at : caption_at + caption_size], view[image_at : image_at + image_size]
            key = b"%b-%d" % (uid, copy)
            for extension, at, size, room in (
                (b"json", json_at, json_size, json_room),
                (b"txt", caption_at, caption_size, caption_room),
                (_EXTENSIONS[kind], image_at, image_size, image_room),
            ):
                put(at - BLOCK, header(b"%b.%b" % (key, extension), size))
                put(at + size, PADDING[room - BLOCK - size])
            check = crc32(caption, crc32(image))
            placed.append((flushed + image_at, image_size, kind, flushed + caption_at, caption_size, check))
            used = image_at - BLOCK + image_room
    last = end(flushed + used)
    reserve(len(last))
    put(used, last)
    used += len(last)
    flush()
    return Written(flushed, digest.hexdigest(), np.array(placed, PLACED), changed)


@contextlib.contextmanager
def _source(
    tars: Sequence[Listed], samples: NDArray[np.void]
) -> Iterator[Callable[[int, int, tuple[Piece, Piece, Piece]], None]]:
    """Give a function that reads the pieces of a sample: of its position, which ascends, and its tar."""
    far = any(not isinstance(locate(tar.path)[0], LocalFiles) for tar in tars[:1])
    with contextlib.closing(_Far(tars, samples) if far else _Here(tars)) as source:
        yield source.read


class _Here:
    """Tars on a disk: a sample is read by one call, straight to where it is written from."""

    def __init__(self, tars: Sequence[Listed]) -> None:
        self._tars = tars
        self._open: dict[int, int] = {}
        self._skipped = memoryview(bytearray(_GAP))

    def read(self, position: int, tar: int, pieces: tuple[Piece, Piece, Piece]) -> None:
        ordered = sorted(pieces, key=_place)
        views: list[memoryview] = []
        start = at = ordered[0][0]
        try:
            descriptor = self._descriptor(tar)
            for offset, view in ordered:
                if not 0 <= offset - at <= _GAP:
                    self._all(tar, descriptor, views, start)
                    views, start, at = [], offset, offset
                if offset > at:
                    views.append(self._skipped[: offset - at])
                views.append(view)
                at = offset + len(view)
            self._all(tar, descriptor, views, start)
        except OSError as error:
            raise RunError(unreadable(self._tars[tar].path, error)) from error

    def _all(self, tar: int, descriptor: int, views: list[memoryview], start: int) -> None:
        wanted = sum(map(len, views))
        if wanted and os.preadv(descriptor, views, start) != wanted:
            raise _changed(self._tars[tar])

    def _descriptor(self, tar: int) -> int:
        descriptor = self._open.get(tar)
        if descriptor is None:
            if len(self._open) >= _OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            descriptor = self._open[tar] = os.open(self._tars[tar].path, os.O_RDONLY)
        return descriptor

    def close(self) -> None:
        """Close the tars."""
        for descriptor in self._open.values():
            os.close(descriptor)


class _Far:
    """Tars of an fsspec filesystem, of which stretches are asked for ahead of time."""

    def __init__(self, tars: Sequence[Listed], samples: NDArray[np.void]) -> None:
        self._tars = tars
        self._stretches = iter(_stretches(samples))
        self._threads = ThreadPoolExecutor(_FAR_READS)
        self._waiting: deque[tuple[_Stretch, Future[bytes]]] = deque()
        self._content = b""
        self._start = self._last = 0

    def read(self, position: int, tar: int, pieces: tuple[Piece, Piece, Piece]) -> None:
        while position >= self._last:
            for stretch in itertools.islice(self._stretches, _FAR_READS - len(self._waiting)):
                self._waiting.append((stretch, self._threads.submit(self._fetch, stretch)))
            stretch, content = self._waiting.popleft()
            self._content, self._start, self._last = content.result(), stretch.start, stretch.last
        for offset, view in pieces:
            content_here = self._content[offset - self._start : offset - self._start + len(view)]
            if len(content_here) < len(view):
                raise _changed(self._tars[tar])
            view[:] = content_here

    def _fetch(self, stretch: "_Stretch") -> bytes:
        tar = self._tars[stretch.tar]
        try:
            filesystem, path = locate(tar.path)
            return bytes(filesystem.cat_file(path, start=stretch.start, end=stretch.end))
        except OSError as error:
            raise RunError(unreadable(tar.path, error)) from error

    def close(self) -> None:
        """Ask for nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Samples up to position `last` that lie close together in a tar, in bytes `start` up to `end`."""

    tar: int
    last: int
    start: int
    end: int


def _stretches(samples: NDArray[np.void]) -> list[_Stretch]:
    names = ("json", "caption", "image")
    offsets = [samples[f"{name}_offset"].astype(np.int64) for name in names]
    ends = [offset + samples[f"{name}_size"] for name, offset in zip(names, offsets, strict=True)]
    rows = zip(
        samples["tar"].tolist(),
        np.minimum.reduce(offsets).tolist(),
        np.maximum.reduce(ends).tolist(),
        strict=True,
    )
    found: list[_Stretch] = []
    for number, (tar, start, stop) in enumerate(rows, 1):
        last = found[-1] if found else None
        if (
            last is not None
            and last.tar == tar
            and last.end <= start <= last.end + _FAR_GAP
            and stop - last.start <= _FAR_STRETCH
        ):
            found[-1] = _Stretch(tar, number, last.start, stop)
        else:
            found.append(_Stretch(tar, number, start, stop))
    return found


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
