"""The samples of a subset in one tar of the pool, found by the uid of their .json."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcql.subset import UID, Uids, find
from dcql.tars import EXTENSIONS, MAX_JSON, DamagedTarError, Member, key_of, members, uid_of

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
_FORMAT = [FORMATS.index(extension.replace("jpeg", "jpg")) for extension in EXTENSIONS]
_MOST = 1 << 32  # bytes of a member


@dataclass(frozen=True, eq=False, slots=True)
class Scan:
    """What one tar holds of a subset.

    `found` is (n,) of dtype FOUND in the order of the tar. `incomplete` counts samples of the subset without an image
    or a caption, `unnamed` the images without a uid that can be read.
    """

    found: NDArray[np.void]
    incomplete: int
    unnamed: int


class _Sample:
    """What was met of one sample."""

    __slots__ = ("caption", "format", "image", "json", "key", "uid")

    def __init__(self, key: str) -> None:
        self.key = key
        self.json: Member | None = None
        self.caption: Member | None = None
        self.image: Member | None = None
        self.format = 0
        self.uid: int | None = None


def scan(read: Callable[[int, int], bytes], size: int, uids: Uids) -> Scan:
    """Find the samples of `uids`, strictly ascending, in a tar of `size` bytes.

    `read(offset, length)` gives bytes of the tar. Raises DamagedTarError where the tar cannot be read to its end.
    """
    samples: list[_Sample] = []
    unnamed = 0

    def close(sample: _Sample) -> None:
        nonlocal unnamed
        if sample.uid is not None:
            samples.append(sample)
        elif sample.image is not None:
            unnamed += 1

    sample = _Sample("")
    for member in members(read, size):
        parts = key_of(member.name)
        if parts is None:
            continue
        key, extension = parts
        if key != sample.key:
            close(sample)
            sample = _Sample(key)
        if extension == "json":
            if sample.json is None and member.size <= MAX_JSON:
                sample.json, sample.uid = member, uid_of(read(member.offset, member.size))
        elif extension == "txt":
            sample.caption = sample.caption or member
        elif extension in EXTENSIONS and sample.image is None:
            sample.image, sample.format = member, _FORMAT[EXTENSIONS.index(extension)]
    close(sample)
    return _match(samples, unnamed, uids)


def _match(samples: list[_Sample], unnamed: int, uids: Uids) -> Scan:
    asked = np.array([divmod(sample.uid or 0, 1 << 64) for sample in samples], UID)
    ranks = find(uids, asked).tolist()
    rows, incomplete = [], 0
    for sample, rank in zip(samples, ranks, strict=True):
        if rank < 0:
            continue
        json, caption, image = sample.json, sample.caption, sample.image
        if json is None or caption is None or image is None or max(caption.size, image.size) >= _MOST:
            incomplete += 1
            continue
        rows.append(
            (rank, json.offset, json.size, caption.offset, caption.size, image.offset, image.size, sample.format)
        )
    return Scan(np.array(rows, FOUND), incomplete, unnamed)


__all__ = ["FORMATS", "FOUND", "DamagedTarError", "Scan", "scan"]
