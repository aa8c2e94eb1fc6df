"""The samples of a tar as img2dataset writes them: which files belong together, of which kind, and each .json."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dcql.tar_headers import WINDOW, plain_members
from dcql.tars import EXTENSIONS, MAX_JSON, DamagedTarError, Member, key_of, members

# Extensions that belong to a sample; a kind is a position here, and images come last. What follows stands for others.
KINDS = ("json", "txt", *EXTENSIONS)
JSON, CAPTION, IMAGE, OTHER = 0, 1, 2, len(KINDS)
MOST = 1 << 32  # bytes of a member that a sample may have

_EXTENSION = 1 + max(map(len, KINDS))  # bytes by which one is known from longer ones

Read = Callable[[int, int], bytes]


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
        """Yield the position and the content of every .json, in order; None for one that is too large to be read."""
        for at in np.flatnonzero(self.kind == JSON).tolist():
            content = self._contents.get(at)
            if content is None and int(self.sizes[at]) <= MAX_JSON:
                content = self._read(int(self.offsets[at]), int(self.sizes[at]))
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
    found = plain_members(read, size)
    damage: DamagedTarError | None = None
    contents: Mapping[int, bytes] = {}
    if found is None:
        listed, damage = _listed(read, size)
        parts = [key_of(member.name) for member in listed]
        offsets, sizes = [member.offset for member in listed], [member.size for member in listed]
    else:
        offsets, sizes, contents = list(found.offsets), list(found.sizes), found.contents
        fast = _split(found.names)
        if fast is not None:
            return _files(*fast, offsets, sizes, None, read, contents)
        parts = [key_of(bytes(name).rstrip(b"\0").decode("ascii")) for name in found.names]
    # What is no file of a sample parts no files of one.
    own = [number for number, part in enumerate(parts) if part is not None]
    keys = [part[0] for part in parts if part is not None]
    kind = np.array(
        [KINDS.index(part[1]) if part[1] in KINDS else OTHER for part in parts if part is not None], np.uint8
    )
    starts = np.array([not at or keys[at] != keys[at - 1] for at in range(len(keys))], np.bool_)
    place = {number: at for at, number in enumerate(own)}
    contents = {place[number]: content for number, content in contents.items() if number in place}
    return _files(
        starts, kind, [offsets[number] for number in own], [sizes[number] for number in own], damage, read, contents
    )


def _listed(read: Read, size: int) -> tuple[list[Member], DamagedTarError | None]:
    listed: list[Member] = []
    try:
        for member in members(_Window(read), size):
            listed.append(member)
    except DamagedTarError as damage:
        return listed, damage
    return listed, None


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
                raise DamagedTarError(offset, "it became shorter while it was read")
        return self._content[at : at + length]
