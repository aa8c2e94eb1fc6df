"""What shards hold of the samples of a pool, by Python's own tarfile and json: the obvious way, everything in memory.

The rules are those of docs/coverage.md. A sample is the members of a tar that stand side by side and share the name
before the first dot. It is there where it has an image, a .txt and a .json whose `uid` is up to 32 hex digits. Of
several samples with one uid the first counts, by the name of the tar and then by its place. Nothing of a tar counts
that cannot be read to its end.
"""

import json
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IMAGES = ("webp", "jpg", "jpeg", "png")


@dataclass
class Held:
    """`samples` gives the SHA-256 that the .json states, None without one, by uid of 32 digits."""

    samples: dict[str, str | None] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    incomplete: int = 0
    unnamed: int = 0


def held(folder: Path) -> Held:
    """Read the tars of a folder."""
    found = Held()
    for path in sorted(folder.glob("*.tar")):
        groups = _groups(path)
        if groups is None:
            found.damaged.append(path.name)
            continue
        for files in groups:
            about = _about(files.get("json"))
            uid = about.get("uid")
            has_image = any(extension in files for extension in IMAGES)
            if not (isinstance(uid, str) and re.fullmatch(r"[0-9a-f]{1,32}", uid)):
                found.unnamed += has_image
            elif not (has_image and "txt" in files):
                found.incomplete += 1
            elif (name := uid.rjust(32, "0")) in found.samples:
                found.duplicates.append(name)
            else:
                found.samples[name] = _hash(about.get("sha256"))
    return found


def answers(found: Held, uids: list[str], recorded: list[str | None] | None) -> tuple[list[bool], list[bool | None]]:
    """Return `available` and `intact` of samples, in order; `recorded` is the pool's column, None without one."""
    available, intact = [], []
    for row, uid in enumerate(uids):
        name = uid.rjust(32, "0")
        there = name in found.samples
        stated = found.samples.get(name)
        ours = _hash(recorded[row]) if recorded is not None else None
        available.append(there)
        intact.append((None if ours is None or stated is None else ours == stated) if there else False)
    return available, intact


def _hash(text: Any) -> str | None:
    return text.lower() if isinstance(text, str) and re.fullmatch(r"[0-9a-fA-F]{64}", text) else None


def _about(content: bytes | None) -> dict[str, Any]:
    try:
        about = json.loads(content or b"")
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _groups(path: Path) -> list[dict[str, bytes]] | None:
    """Return the files of each sample by extension, the first of each; None for a tar that does not end as one."""
    content = path.read_bytes()
    if len(content) % 512 or content[-1024:] != bytes(1024):
        return None
    groups: list[dict[str, bytes]] = []
    last = None
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                file = tar.extractfile(member)
                assert file is not None
                if key != last:
                    groups.append({})
                    last = key
                groups[-1].setdefault(extension.lower(), file.read())
    except tarfile.TarError:
        return None
    return groups
