"""What one tar says of its samples: their uids, and the SHA-256 of the bytes that their images were downloaded as.

img2dataset hashes what it downloaded, not what it made of it by resizing and encoding, and writes that into the .json.
So the .json is what can be compared with a pool's `sha256`, and the image beside it cannot: where it was encoded anew
it has another one. With `check_bytes` the images are read too, and held against their .json.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import unwritable
from dcql.errors import RunError
from dcql.files import Listed, LocalFiles, locate, unreadable
from dcql.images import open_rgb
from dcql.scratch import unfinished
from dcql.subset import UID
from dcql.tar_files import TarFiles, files_of
from dcql.tars import DamagedTarError, described_by, uid_in

# A sample of a tar; `sha256` is what its .json states.
SAMPLE = np.dtype([("uid", UID), ("sha256", "u1", (32,)), ("state", "u1")])
# What is known of an image by its tar alone.
UNSTATED, STATED, DAMAGED = 0, 1, 2

_FORM = 1  # of the files that hold a scan; another number is scanned anew
_PROBE = 64 << 10
_LOW = (1 << 64) - 1
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")

Read = Callable[[int, int], bytes]


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


def scan_or_load(tar: Listed, kept: Path, *, check_bytes: bool) -> Scanned:
    """Return what a tar holds: what is kept at `kept` where the tar is the same, else what is found now, and keep it.

    It is the same by its size, its first and last 64 KiB and, of a local file, its time of change. Raises RunError
    where the tar cannot be read at all, or the store cannot be written.
    """
    filesystem, path = locate(tar.path)
    try:
        with filesystem.open(path, "rb") as file:
            read = _reader(filesystem, file)
            head, tail = read(0, min(tar.size, _PROBE)), read(max(0, tar.size - _PROBE), min(tar.size, _PROBE))
            changed = os.fstat(file.fileno()).st_mtime_ns if isinstance(filesystem, LocalFiles) else 0
            probe = f"{tar.size} {changed} {hashlib.sha256(head + tail).hexdigest()} {check_bytes}"
            found = _load(kept, probe)
            if found is not None:
                return found
            found = scan(read, tar.size, check_bytes=check_bytes)
    except OSError as error:
        raise RunError(unreadable(tar.path, error)) from error
    try:
        _save(kept, probe, found)
    except OSError as error:
        raise RunError(unwritable(error)) from error
    return found


def scan(read: Read, size: int, *, check_bytes: bool = False) -> Scanned:
    """Return what a tar of `size` bytes holds; `read(offset, length)` gives bytes of it, fewer at its end.

    A sample is whole where it has an image, a caption and a .json that gives its uid: what `dcql reshard` copies.
    """
    files = files_of(read, size)
    try:
        found = _scan(files, _checked(files, read) if check_bytes else _unchecked)
    except DamagedTarError as damage:
        return Scanned(np.zeros(0, SAMPLE), damage=(damage.offset, damage.reason))
    if files.damage is not None:
        nothing = np.zeros(0, SAMPLE)
        return Scanned(nothing, damage=(files.damage.offset, files.damage.reason), before=len(found.samples))
    return found


# What the look at an image gives: its state, and whether it is what was downloaded.
_Look = Callable[[int, "dict[str, Any]"], tuple[int, bool]]


def _scan(files: TarFiles, look: _Look) -> Scanned:
    of = files.samples()
    described = dict(_described(files))
    uids = [uid_in(described.get(at, {})) for at in of.json.tolist()]
    named = np.array([uid is not None for uid in uids], np.bool_)
    whole = files.are_whole(of.caption, of.image)
    kept = np.flatnonzero(named & whole)
    samples = np.zeros(len(kept), SAMPLE)
    downloaded = 0
    for place, number in enumerate(kept.tolist()):
        about = described[int(of.json[number])]
        uid = uids[number]
        assert uid is not None
        samples["uid"][place] = (uid >> 64, uid & _LOW)
        stated = about.get("sha256")
        if isinstance(stated, str) and _SHA256.fullmatch(stated):
            samples["sha256"][place] = np.frombuffer(bytes.fromhex(stated), np.uint8)
            samples["state"][place] = STATED
        state, same = look(int(of.image[number]), about)
        downloaded += same
        if state == DAMAGED:
            samples["state"][place] = DAMAGED
    return Scanned(
        samples,
        incomplete=int((named & ~whole).sum()),
        unnamed=int(((of.image >= 0) & ~named).sum()),
        as_downloaded=downloaded,
    )


def _described(files: TarFiles) -> Iterator[tuple[int, dict[str, Any]]]:
    for at, content in files.jsons():
        about = None if content is None else described_by(content)
        if about is not None:
            yield at, about


def _unchecked(image: int, about: dict[str, Any]) -> tuple[int, bool]:
    return STATED, False


def _checked(files: TarFiles, read: Read) -> _Look:
    """Return what reads an image and holds it against its .json.

    Bytes of the stated SHA-256 are what was downloaded. Others were encoded anew, so all that can be asked is that they
    are an image, decode to their end, and have the size that the .json gives.
    """

    def look(image: int, about: dict[str, Any]) -> tuple[int, bool]:
        offset, size = int(files.offsets[image]), int(files.sizes[image])
        content = read(offset, size)
        if len(content) < size:
            raise DamagedTarError(offset, "it became shorter while it was read")
        if hashlib.sha256(content).hexdigest() == str(about.get("sha256")).lower():
            return STATED, True
        opened = open_rgb(content)
        if isinstance(opened, str):
            return DAMAGED, False
        stated = (about.get("width"), about.get("height"))
        return (STATED if stated in (opened.size, (None, None)) else DAMAGED), False

    return look


def _reader(filesystem: Any, file: Any) -> Read:
    """Return a function of offset and length that reads a file."""
    if isinstance(filesystem, LocalFiles):
        descriptor = file.fileno()
        return lambda offset, length: os.pread(descriptor, length, offset)

    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        return bytes(file.read(length))

    return read


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
    with unfinished(path) as place:
        with place.open("wb") as file:
            text = np.frombuffer(json.dumps(about).encode(), np.uint8)
            np.savez(file, allow_pickle=False, samples=found.samples, about=text)
        os.replace(place, path)


def _load(path: Path, probe: str) -> Scanned | None:
    """Return what was kept of a tar; None where nothing was, of another tar, or the file is damaged."""
    # A damaged file can fail in zipfile, in numpy or in json; the tar is then read again.
    with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as kept:
        about = json.loads(kept["about"].tobytes())
        samples = kept["samples"]
        if about["form"] != _FORM or about["probe"] != probe or samples.dtype != SAMPLE or samples.ndim != 1:
            return None
        return Scanned(
            samples,
            incomplete=int(about["incomplete"]),
            unnamed=int(about["unnamed"]),
            as_downloaded=int(about["as_downloaded"]),
            damage=None if about["damage"] is None else (int(about["damage"][0]), str(about["damage"][1])),
            before=int(about["before"]),
        )
    return None
