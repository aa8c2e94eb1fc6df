"""The samples of a tar as img2dataset writes them: which files belong together, of which kind, and each .json."""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dcql.files import Listed, LocalFiles, locate
from dcql.tars.members import BLOCK, EXTENSIONS, MAX_JSON, DamagedTarError, Member, key_of, members
from dcql.tars.plain import WINDOW, Members, plain_members

# Extensions that belong to a sample; a kind is a position here, and images come last. What follows stands for others.
KINDS = ("json", "txt", *EXTENSIONS)
JSON, CAPTION, IMAGE, OTHER = 0, 1, 2, len(KINDS)
MOST = 1 << 32  # bytes of a member that a sample may have

_SHORTER = "it became shorter while it was read"
_EXTENSION = 1 + max(map(len, KINDS))  # bytes by which one is known from longer ones

Read = Callable[[int, int], bytes]


@contextlib.contextmanager
def reading(tar: Listed) -> Iterator[Read]:
    """Give a function of offset and length that reads a tar, from any thread where it is a local one."""
    filesystem, path = locate(tar.path)
    with filesystem.open(path, "rb") as file:
        if isinstance(filesystem, LocalFiles):
            descriptor = file.fileno()
            yield lambda offset, length: os.pread(descriptor, length, offset)
            return

        def read(offset: int, length: int) -> bytes:
            file.seek(offset)
            return bytes(file.read(length))

        yield read


@dataclass(frozen=True, eq=False, slots=True)
class TarFiles:
    """The files of samples in a tar, in their order, (n,) each.

    `starts` is true where another key begins, `kind` is a position in KINDS, or OTHER. `damage` is why the tar cannot
    be read to its end, None where it can.
    """

    starts: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    damage: DamagedTarError | None
    _read: Read = field(repr=False)
    _contents: Mapping[int, bytes] = field(repr=False)

    def jsons(self) -> Iterator[tuple[int, bytes | None]]:
        """Yield the position and the content of every .json, in order; None for one that is too large to be read.

        Raises DamagedTarError where the tar became shorter.
        """
        for at in np.flatnonzero(self.kind == JSON).tolist():
            content = self._contents.get(at)
            if content is None and int(self.sizes[at]) <= MAX_JSON:
                offset, size = int(self.offsets[at]), int(self.sizes[at])
                content = self._read(offset, size)
                if len(content) < size:
                    raise DamagedTarError(offset, _SHORTER)
            yield at, content

    def samples(self) -> "Samples":
        """Return which of the files each sample has."""
        sample = np.cumsum(self.starts) - 1
        count = int(sample[-1]) + 1 if len(sample) else 0

        def first(of: NDArray[np.bool_]) -> NDArray[np.int64]:
            which = np.flatnonzero(of)[::-1]
            found = np.full(count, -1, np.int64)
            found[sample[which]] = which  # of equal samples the last assignment holds
            return found

        images = (self.kind >= IMAGE) & (self.kind < OTHER)
        return Samples(first(self.kind == JSON), first(self.kind == CAPTION), first(images))

    def are_whole(self, caption: NDArray[np.int64], image: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which samples have a caption and an image that can be copied, by the positions of these files."""
        there = (caption >= 0) & (image >= 0)
        if not len(self.sizes):
            return there
        return there & (self.sizes[caption] < MOST) & (self.sizes[image] < MOST)


@dataclass(frozen=True, eq=False, slots=True)
class Samples:
    """The samples of a tar, in its order: the position of each one's first .json, caption and image, -1 without one."""

    json: NDArray[np.int64]
    caption: NDArray[np.int64]
    image: NDArray[np.int64]


def files_of(read: Read, size: int) -> TarFiles:
    """Find the files of samples in a tar of `size` bytes; `read(offset, length)` gives bytes of it, fewer at its end.

    Only headers are read, and the .json files that lie beside them. A tar that is damaged gives what stands before.
    """
    plain = plain_members(read, size)
    if plain is not None:
        return _of_plain(plain, read)
    return _of_listed(*_listed(_Window(read), size), read)


def files_and_headers(read: Read, size: int) -> tuple[TarFiles, Iterator[tuple[int, bytes]]]:
    """Return what `files_of` does, and all headers with their offsets, in order, as far as they can be read.

    The last one before the content of a file is its own. Long names and the block that closes a tar are among them.
    """
    plain = plain_members(read, size)
    if plain is not None:
        before = zip(plain.offsets, plain.headers, strict=True)
        headers = ((offset - BLOCK, header.tobytes()) for offset, header in before)
        return _of_plain(plain, read), itertools.chain(headers, [(plain.end, bytes(BLOCK))])
    window, seen = _Window(read), list[tuple[int, bytes]]()

    def recorded(offset: int, length: int) -> bytes:
        seen.append((offset, window(offset, length)))
        return seen[-1][1]

    return _of_listed(*_listed(recorded, size), read), iter(seen)


def _of_plain(plain: Members, read: Read) -> TarFiles:
    fast = _split(plain.names)
    if fast is not None:
        return _files(*fast, plain.offsets, plain.sizes, None, read, plain.contents)
    names = [bytes(name).rstrip(b"\0").decode("ascii") for name in plain.names]
    return _named(names, plain.offsets, plain.sizes, None, read, plain.contents)


def _of_listed(listed: list[Member], damage: DamagedTarError | None, read: Read) -> TarFiles:
    names, offsets, sizes = ([getattr(one, what) for one in listed] for what in ("name", "offset", "size"))
    return _named(names, offsets, sizes, damage, read, {})


def _listed(read: Read, size: int) -> tuple[list[Member], DamagedTarError | None]:
    listed: list[Member] = []
    try:
        for member in members(read, size):
            listed.append(member)
    except DamagedTarError as damage:
        return listed, damage
    return listed, None


def _named(
    names: list[str],
    offsets: Sequence[int],
    sizes: Sequence[int],
    damage: DamagedTarError | None,
    read: Read,
    contents: Mapping[int, bytes],
) -> TarFiles:
    """Return those that have a key: what is no file of a sample parts no files of one."""
    parts = [(number, part) for number, name in enumerate(names) if (part := key_of(name)) is not None]
    own, keys = [number for number, _ in parts], [key for _, (key, _) in parts]
    kind = np.array([KINDS.index(end) if end in KINDS else OTHER for _, (_, end) in parts], np.uint8)
    starts = np.array([not at or keys[at] != keys[at - 1] for at in range(len(keys))], np.bool_)
    place = {number: at for at, number in enumerate(own)}
    contents = {place[number]: content for number, content in contents.items() if number in place}
    return _files(
        starts, kind, [offsets[number] for number in own], [sizes[number] for number in own], damage, read, contents
    )


def _files(
    starts: NDArray[np.bool_],
    kind: NDArray[np.uint8],
    offsets: Sequence[int],
    sizes: Sequence[int],
    damage: DamagedTarError | None,
    read: Read,
    contents: Mapping[int, bytes],
) -> TarFiles:
    return TarFiles(starts, kind, np.array(offsets, np.uint64), np.array(sizes, np.uint64), damage, read, contents)


def _split(names: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]] | None:
    """Return for names, (n, width), where another key begins, and their kinds: what `key_of` gives.

    None where a name is out of the ordinary: in a folder, hidden, or without an extension.
    """
    count, width = names.shape
    wide = np.zeros((count, width + _EXTENSION), np.uint8)
    wide[:, :width] = names
    dot = (names == ord(".")).argmax(axis=1)
    if count == 0 or (names == ord("/")).any() or (dot == 0).any():
        return None
    extensions = wide[np.arange(count)[:, None], dot[:, None] + np.arange(1, _EXTENSION + 1)]
    extensions += ((extensions >= ord("A")) & (extensions <= ord("Z"))) * np.uint8(32)
    text = np.ascontiguousarray(extensions).view(f"S{_EXTENSION}")[:, 0]
    kind = np.full(count, OTHER, np.uint8)
    for number, extension in enumerate(KINDS):
        kind[text == extension.encode()] = number
    beyond = np.arange(width) > dot[1:, None]
    same = ((names[1:] == names[:-1]) | beyond).all(axis=1)
    return np.concatenate([[True], ~same]), kind


class _Window:
    """Reads stretches of a tar, and keeps the bytes around the last one: headers lie close together."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._start = 0
        self._content = b""

    def __call__(self, offset: int, length: int) -> bytes:
        at = offset - self._start
        if at < 0 or at + length > len(self._content):
            self._start, self._content, at = offset, self._read(offset, max(length, WINDOW)), 0
            if len(self._content) < length:
                raise DamagedTarError(offset, _SHORTER)
        return self._content[at : at + length]
