"""The samples of a subset in one tar of the pool, found by the uid of their .json."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcql.subset import UID, Uids, find
from dcql.tars.members import uid_of
from dcql.tars.samples import KINDS, files_of

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
# The position in FORMATS of each kind of image.
_FORMAT = np.array([FORMATS.index(kind.replace("jpeg", "jpg")) if kind in ("jpeg", *FORMATS) else 0 for kind in KINDS])
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


def scan(read: Callable[[int, int], bytes], size: int, uids: Uids) -> Scan:
    """Find the samples of `uids`, strictly ascending, in a tar of `size` bytes.

    `read(offset, length)` gives bytes of the tar, fewer at its end. Of files of one kind with one key side by side, the
    first counts. Raises DamagedTarError where the tar cannot be read to its end.
    """
    files = files_of(read, size)
    if files.damage is not None:
        raise files.damage
    given, has_uid = np.zeros(len(files.kind), UID), np.zeros(len(files.kind), np.bool_)
    for at, content in files.jsons():
        number = None if content is None else uid_of(content)
        if number is not None:
            given[at], has_uid[at] = (number >> 64, number & _LOW), True
    samples = files.samples()
    json, caption, image = samples.json, samples.caption, samples.image
    named = (json >= 0) & has_uid[json] if len(json) else np.zeros(0, np.bool_)
    unnamed = int(((image >= 0) & ~named).sum())
    ranks = np.full(len(json), -1, np.int64)
    ranks[named] = find(uids, given[json[named]])
    kept = np.flatnonzero(ranks >= 0)
    whole = files.are_whole(caption[kept], image[kept])
    kept = kept[whole]
    found = np.empty(len(kept), FOUND)
    found["rank"] = ranks[kept]
    for name, which in (("json", json), ("caption", caption), ("image", image)):
        found[f"{name}_offset"], found[f"{name}_size"] = files.offsets[which[kept]], files.sizes[which[kept]]
    found["format"] = _FORMAT[files.kind[image[kept]]]
    return Scan(found, int((~whole).sum()), unnamed)
