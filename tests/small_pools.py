"""Small pools of tars and run folders for tests of the runtime, and what Python's own tarfile sees in shards."""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from features.tars import image, sample, uid, uids, write_tar

from dcql.engine import folder
from dcql.subset import Subset

POOL = "dcpool1:test"


def make_run(path: Path, numbers: Sequence[int], copies: Sequence[int] | None = None) -> Path:
    """Write the run folder of a subset of samples, by their numbers."""
    asked = uids(*(uid(number) for number in numbers))
    subset = Subset.from_uids(asked, None if copies is None else np.array(copies))
    manifest = {"hash": subset.hash, "pool": {"name": "test", "fingerprint": POOL}, "recipe": {"name": "test"}}
    folder.write(path, subset, lambda: manifest)
    return path


def make_tars(path: Path, tars: int, samples: int, **described: Any) -> Path:
    """Write tars of samples numbered from 0."""
    for number in range(tars):
        files: list[tuple[str, bytes]] = []
        for index in range(samples):
            one = number * samples + index
            files += _captioned(sample(f"{number:05d}{index:04d}", one, **described), one)
        write_tar(path / f"{number:08d}.tar", files)
    return path


def caption(number: int) -> str:
    """Return the caption of a sample of `make_tars`."""
    return f"caption {number} ä"


def _captioned(files: list[tuple[str, bytes]], number: int) -> list[tuple[str, bytes]]:
    return [(name, caption(number).encode() if name.endswith(".txt") else content) for name, content in files]


def by_tarfile(folder: Path) -> list[tuple[str, dict[str, bytes]]]:
    """Return the key and the files by extension of each sample of the shards in a folder, in order."""
    found: list[tuple[str, dict[str, bytes]]] = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if not found or found[-1][0] != key:
                    found.append((key, {}))
                content = tar.extractfile(member)
                assert content is not None
                found[-1][1][extension] = content.read()
    return found


def expected(number: int, copy: int = 0) -> tuple[str, dict[str, bytes]]:
    """Return what shards hold of a sample of `make_tars`, its .json aside."""
    return f"{uid(number)}-{copy}", {"txt": caption(number).encode(), "jpg": image(number)}


def without_json(found: list[tuple[str, dict[str, bytes]]]) -> list[tuple[str, dict[str, bytes]]]:
    """Return samples without their .json, each of which gives the uid of the key."""
    for key, files in found:
        assert f"{int(json.loads(files['json'])['uid'], 16):032x}" == key.partition("-")[0]
    return [(key, {name: content for name, content in files.items() if name != "json"}) for key, files in found]
