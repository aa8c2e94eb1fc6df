"""What one tar says of its samples: their uids, and the SHA-256 of the bytes that their images were downloaded as.

img2dataset hashes what it downloaded, not what it made of it by resizing and encoding, and writes that into the .json.
So the .json is what can be compared with a pool's `sha256`, and the image beside it cannot: where it was encoded anew
it has another one. With `check_bytes` the images are read too, and held against their .json.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import unwritable
from dcql.engine.tar_records import ends, keep, kept
from dcql.errors import RunError
from dcql.files import Listed, LocalFiles, locate, unreadable
from dcql.images import open_rgb
from dcql.subset import UID
from dcql.tars.members import DamagedTarError, described_by, uid_in
from dcql.tars.samples import Read, TarFiles, files_of, reading

# A sample of a tar; `sha256` is what its .json states.
SAMPLE = np.dtype([("uid", UID), ("sha256", "u1", (32,)), ("state", "u1")])
# What is known of an image by its tar alone.
UNSTATED, STATED, DAMAGED = 0, 1, 2

_FORM = 1  # of the files that hold a scan; another number is scanned anew
_LOW = (1 << 64) - 1
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, eq=False, slots=True)
class Scanned:
    """What a tar holds: (n,) of dtype SAMPLE in its order.

    `incomplete` counts samples without an image or a caption, `unnamed` images without a uid, `as_downloaded` images
    that are the very bytes that their .json states. A tar with `damage`, the byte and the reason, gives no samples:
    `before` counts those that stand before the damage.
    """

    samples: NDArray[np.void]
    incomplete: int = 0
    unnamed: int = 0
    as_downloaded: int = 0
    damage: tuple[int, str] | None = None
    before: int = 0


def scan_or_load(tar: Listed, place: Path, *, check_bytes: bool) -> Scanned:
    """Return what a tar holds: what is kept at `place` where the tar is the same, else what is found now, and keep it.

    It is the same by its size, its first and last 64 KiB and, of a local file, its time of change. Raises RunError
    where the tar cannot be read at all, or the store cannot be written.
    """
    try:
        probe = f"{tar.size} {_changed(tar)} {ends(tar)} {check_bytes}"
        found = _load(place, probe)
        if found is not None:
            return found
        with reading(tar) as read:
            found = scan(read, tar.size, check_bytes=check_bytes)
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error
    try:
        _save(place, probe, found)
    except OSError as error:
        raise RunError(unwritable(error)) from error
    return found


def _changed(tar: Listed) -> int:
    """Return a local tar's time of change, in nanoseconds, 0 for others."""
    filesystem, path = locate(tar.path)
    return os.stat(path).st_mtime_ns if isinstance(filesystem, LocalFiles) else 0


def scan(read: Read, size: int, *, check_bytes: bool = False) -> Scanned:
    """Return what a tar of `size` bytes holds; `read(offset, length)` gives bytes of it, fewer at its end.

    A sample is whole where it has an image, a caption and a .json that gives its uid: what `dcql reshard` copies.
    """
    files = files_of(read, size)
    try:
        found = _scan(files, _checked(files, read) if check_bytes else None)
    except DamagedTarError as damage:
        return Scanned(np.zeros(0, SAMPLE), damage=(damage.offset, damage.reason))
    if files.damage is not None:
        nothing = np.zeros(0, SAMPLE)
        return Scanned(nothing, damage=(files.damage.offset, files.damage.reason), before=len(found.samples))
    return found


# Tells of an image, by its position and its .json, whether it is damaged, and whether it is what was downloaded.
_Look = Callable[[int, "dict[str, Any]"], tuple[bool, bool]] | None


def _scan(files: TarFiles, look: _Look) -> Scanned:
    of = files.samples()
    count = len(of.json)
    whole = files.are_whole(of.caption, of.image)
    number_of = np.full(len(files.kind), -1, np.int64)
    number_of[of.json[of.json >= 0]] = np.flatnonzero(of.json >= 0)
    samples, named = np.zeros(count, SAMPLE), np.zeros(count, np.bool_)
    stated: list[int] = []
    digits: list[str] = []
    downloaded = 0
    for at, content in files.jsons():
        number = int(number_of[at])
        about = described_by(content) if number >= 0 and content is not None else None
        uid = uid_in(about) if about is not None else None
        if about is None or uid is None:
            continue
        samples["uid"][number], named[number] = (uid >> 64, uid & _LOW), True
        if not whole[number]:
            continue
        text = about.get("sha256")
        if isinstance(text, str) and _SHA256.fullmatch(text):
            stated.append(number)
            digits.append(text)
        if look is not None:
            is_damaged, is_same = look(int(of.image[number]), about)
            downloaded += is_same
            samples["state"][number] = DAMAGED if is_damaged else UNSTATED
    samples["sha256"][stated] = np.frombuffer(bytes.fromhex("".join(digits)), np.uint8).reshape(-1, 32)
    samples["state"][stated] = np.where(samples["state"][stated] == DAMAGED, DAMAGED, STATED)
    return Scanned(
        samples[named & whole],
        incomplete=int((named & ~whole).sum()),
        unnamed=int(((of.image >= 0) & ~named).sum()),
        as_downloaded=downloaded,
    )


def _checked(files: TarFiles, read: Read) -> _Look:
    """Return what reads an image and holds it against its .json.

    Bytes of the stated SHA-256 are what was downloaded. Others were encoded anew, so all that can be asked is that they
    are an image, decode to their end, and have the size that the .json gives.
    """

    def look(image: int, about: dict[str, Any]) -> tuple[bool, bool]:
        offset, size = int(files.offsets[image]), int(files.sizes[image])
        content = read(offset, size)
        if len(content) < size:
            raise DamagedTarError(offset, "it became shorter while it was read")
        if hashlib.sha256(content).hexdigest() == str(about.get("sha256")).lower():
            return False, True
        opened = open_rgb(content)
        if isinstance(opened, str):
            return True, False
        stated = (about.get("width"), about.get("height"))
        return stated not in (opened.size, (None, None)), False

    return look


# What is kept of a tar.


def _save(path: Path, probe: str, found: Scanned) -> None:
    about = {
        "form": _FORM,
        "probe": probe,
        "incomplete": found.incomplete,
        "unnamed": found.unnamed,
        "as_downloaded": found.as_downloaded,
        "damage": found.damage,
        "before": found.before,
    }
    keep(path, about, samples=found.samples)


def _load(path: Path, probe: str) -> Scanned | None:
    """Return what was kept of a tar; None where nothing was, of another tar, or the file is damaged."""
    found = kept(path, form=_FORM, probe=probe, samples=SAMPLE)
    if found is None:
        return None
    about, arrays = found
    # What dcql wrote otherwise than now fails here, and the tar is then read again.
    with contextlib.suppress(Exception):
        return Scanned(
            arrays["samples"],
            incomplete=int(about["incomplete"]),
            unnamed=int(about["unnamed"]),
            as_downloaded=int(about["as_downloaded"]),
            damage=None if about["damage"] is None else (int(about["damage"][0]), str(about["damage"][1])),
            before=int(about["before"]),
        )
    return None
