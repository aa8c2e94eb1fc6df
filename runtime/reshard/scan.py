"""The samples of a subset in one tar of the pool, found by the uid of their .json."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from dcql.runtime.reshard.headers import WINDOW, plain_members
from numpy.typing import NDArray

from dcql.subset import UID, Uids, find
from dcql.tars import EXTENSIONS, MAX_JSON, DamagedTarError, key_of, members, uid_of

FORMATS = ("webp", "jpg", "png")  # of images in training shards

# A sample of the subset in a tar: `rank` is the position of its uid among the subset's, offsets are bytes from the
# beginning of the tar, `format` is a position in FORMATS.
FOUND = np.dtype(
    [
        ("rank", "<u4"),
        ("json_offset", "<u8"),
        ("json_size", "<u4"),
        ("caption_offset", "<u8"),
        ("caption_size", "<u4"),
        ("image_offset", "<u8"),
        ("image_size", "<u4"),
        ("format", "u1"),
    ]
)
# Extensions that belong to a sample, and of images their position in FORMATS. What comes after stands for all others.
_KINDS = (
    ("json", 0),
    ("txt", 0),
    *((extension, FORMATS.index(extension.replace("jpeg", "jpg"))) for extension in EXTENSIONS),
)
_JSON, _CAPTION, _IMAGE, _OTHER = 0, 1, 2, len(_KINDS)
_EXTENSION = 1 + max(len(extension) for extension, _ in _KINDS)  # bytes by which one is known from longer ones
_MOST = 1 << 32  # bytes of a member
_LOW = (1 << 64) - 1


@dataclass(frozen=True, eq=False, slots=True)
class Scan:
    """What one tar holds of a subset.

    `found` is (n,) of dtype FOUND in the order of the tar. `incomplete` counts samples of the subset without an image
    or a caption, `unnamed` the images without a uid that can be read.
    """

    found: NDArray[np.void]
    incomplete: int
    unnamed: int


@dataclass(frozen=True, eq=False, slots=True)
class _Files:
    """The files of samples in a tar, in their order, (n,) each.

    `starts` is true where another key begins, `kind` is a position in _KINDS; `uids` is what a .json gives, `named`
    false where it gives none.
    """

    starts: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    offsets: NDArray[np.uint64]
    sizes: NDArray[np.uint64]
    uids: Uids
    named: NDArray[np.bool_]


def scan(read: Callable[[int, int], bytes], size: int, uids: Uids) -> Scan:
    """Find the samples of `uids`, strictly ascending, in a tar of `size` bytes.

    `read(offset, length)` gives bytes of the tar, fewer at its end. Of files of one kind with one key side by side, the
    first counts. Raises DamagedTarError where the tar cannot be read to its end.
    """
    files = _files(read, size)
    sample = np.cumsum(files.starts) - 1
    count = int(sample[-1]) + 1 if len(sample) else 0

    def first(of: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return which file of some is the first of each sample, -1 without one."""
        which = np.flatnonzero(of)[::-1]
        found = np.full(count, -1, np.int64)
        found[sample[which]] = which  # of equal samples the last assignment holds
        return found

    json, caption = first(files.kind == _JSON), first(files.kind == _CAPTION)
    image = first((files.kind >= _IMAGE) & (files.kind < _OTHER))
    named = (json >= 0) & files.named[json] if count else np.zeros(0, np.bool_)
    unnamed = int(((image >= 0) & ~named).sum())
    ranks = np.full(count, -1, np.int64)
    ranks[named] = find(uids, files.uids[json[named]])
    kept = np.flatnonzero(ranks >= 0)
    whole = (caption[kept] >= 0) & (image[kept] >= 0)
    whole &= (files.sizes[caption[kept]] < _MOST) & (files.sizes[image[kept]] < _MOST)
    kept = kept[whole]
    found = np.empty(len(kept), FOUND)
    found["rank"] = ranks[kept]
    for name, which in (("json", json), ("caption", caption), ("image", image)):
        found[f"{name}_offset"], found[f"{name}_size"] = files.offsets[which[kept]], files.sizes[which[kept]]
    found["format"] = np.array([format_ for _, format_ in _KINDS], np.uint8)[files.kind[image[kept]]]
    return Scan(found, int((~whole).sum()), unnamed)


def _files(read: Callable[[int, int], bytes], size: int) -> _Files:
    found = plain_members(read, size)
    if found is None:
        window = _Window(read)
        listed = list(members(window, size))
        parts = [key_of(member.name) for member in listed]
        offsets, sizes = [member.offset for member in listed], [member.size for member in listed]
        contents: Mapping[int, bytes] = {}
    else:
        offsets, sizes, contents = list(found.offsets), list(found.sizes), found.contents
        fast = _split(found.names)
        if fast is not None:
            starts, kind = fast
            return _with_uids(read, starts, kind, offsets, sizes, contents)
        parts = [key_of(bytes(name).rstrip(b"\0").decode("ascii")) for name in found.names]
    # What is no file of a sample parts no files of one.
    own = [number for number, part in enumerate(parts) if part is not None]
    keys = [part[0] for part in parts if part is not None]
    names = [extension for extension, _ in _KINDS]
    kind = np.array(
        [names.index(part[1]) if part[1] in names else _OTHER for part in parts if part is not None], np.uint8
    )
    starts = np.array([not at or keys[at] != keys[at - 1] for at in range(len(keys))], np.bool_)
    place = {number: at for at, number in enumerate(own)}
    contents = {place[number]: content for number, content in contents.items() if number in place}
    return _with_uids(
        read, starts, kind, [offsets[number] for number in own], [sizes[number] for number in own], contents
    )


def _split(names: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], NDArray[np.uint8]] | None:
    """Return for names, (n, width), where another key begins, and their kinds; None where a name is out of the ordinary.

    It is what `key_of` gives, for names without folders.
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
    kind = np.full(count, _OTHER, np.uint8)
    for number, (extension, _) in enumerate(_KINDS):
        kind[text == extension.encode()] = number
    beyond = np.arange(width) > dot[1:, None]
    same = ((names[1:] == names[:-1]) | beyond).all(axis=1)
    return np.concatenate([[True], ~same]), kind


def _with_uids(
    read: Callable[[int, int], bytes],
    starts: NDArray[np.bool_],
    kind: NDArray[np.uint8],
    offsets: Sequence[int],
    sizes: Sequence[int],
    contents: Mapping[int, bytes],
) -> _Files:
    uids, named = np.zeros(len(kind), UID), np.zeros(len(kind), np.bool_)
    jsons = np.flatnonzero(kind == _JSON)
    numbers = []
    for at in jsons.tolist():
        content = contents.get(at)
        if content is None and sizes[at] <= MAX_JSON:
            content = read(offsets[at], sizes[at])
        numbers.append(None if content is None else uid_of(content))
    named[jsons] = [number is not None for number in numbers]
    uids["f0"][jsons] = [(number or 0) >> 64 for number in numbers]
    uids["f1"][jsons] = [(number or 0) & _LOW for number in numbers]
    return _Files(starts, kind, np.array(offsets, np.uint64), np.array(sizes, np.uint64), uids, named)


class _Window:
    """Reads stretches of a tar, and keeps the bytes around the last one: headers lie close together."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
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
