"""The files of a pool and the bytes of their footers; needs neither pyarrow nor, for local files, fsspec."""

import hashlib
import json
import os
import posixpath
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcql.errors import Diagnostic, RunError

MAGIC = b"PAR1"
_TAIL = 1 << 16  # bytes read from a file's end at first; a longer footer takes a second read


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a pool as its folder lists it: `name` is relative to the folder, `path` what fsspec and DuckDB open."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class FooterBytes:
    """A file with the bytes of its footer, the length and the magic number at its end included."""

    file: Listed
    content: bytes

    @property
    def digest(self) -> str:
        """The hex SHA-256 of the footer alone."""
        return hashlib.sha256(self.content[:-8]).hexdigest()


class LocalFiles:
    """What is asked of an fsspec filesystem here, for local files: importing fsspec takes longer than a small run."""

    def exists(self, path: str) -> bool:
        """Return whether something lies at a path."""
        return os.path.exists(path)

    def isfile(self, path: str) -> bool:
        """Return whether a path leads to a file."""
        return os.path.isfile(path)

    def isdir(self, path: str) -> bool:
        """Return whether a path leads to a folder."""
        return os.path.isdir(path)

    def info(self, path: str) -> dict[str, Any]:
        """Return the name, type and size in bytes of what a path leads to."""
        kind = "file" if os.path.isfile(path) else "directory" if os.path.isdir(path) else "other"
        return {"name": path, "type": kind, "size": os.path.getsize(path) if os.path.exists(path) else 0}

    def ls(self, path: str, detail: bool = True) -> list[dict[str, Any]]:
        """Return what a folder holds."""
        return [self.info(os.path.join(path, name)) for name in os.listdir(path)]

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return os.path.getsize(path)

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        """Return a stretch of a file."""
        with open(path, "rb") as file:
            file.seek(start)
            return file.read(end - start)

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file."""
        return open(path, mode)

    def invalidate_cache(self) -> None:
        """Do nothing: nothing is remembered."""


def locate(place: str) -> tuple[Any, str]:
    """Return the filesystem of a path or URL, and the path in it; a path without `://` is local as it stands."""
    if "://" in place:
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(place)
        return filesystem, str(path)
    return LocalFiles(), os.fspath(Path(place).absolute())


def list_files(source: str) -> tuple[Listed, ...]:
    """Return the parquet files of the folder, file or URL `source` in DataComp's layout, sorted by name.

    They lie in source/metadata where that exists, else in source itself, there or in part_* folders.
    Raises RunError where there are none.
    """
    try:
        filesystem, root = locate(source)
        if not filesystem.exists(root):
            raise FileNotFoundError(source)
        if filesystem.isfile(root):
            info = filesystem.info(root)
            return (Listed(posixpath.basename(root), _address(filesystem, root), int(info["size"])),)
        folder = posixpath.join(root, "metadata")
        folder = folder if filesystem.isdir(folder) else root
        found = []
        for entry in filesystem.ls(folder, detail=True):
            if _last(entry).startswith("part_") and filesystem.isdir(entry["name"]):
                found += [
                    inner for inner in filesystem.ls(entry["name"], detail=True) if _is(filesystem, inner, ".parquet")
                ]
            elif _is(filesystem, entry, ".parquet"):
                found.append(entry)
    except FileNotFoundError:
        raise RunError(
            Diagnostic("E0701", f"no pool at `{source}`", None, "nothing lies at that path", ("check the path",))
        ) from None
    except (OSError, ImportError, ValueError) as error:
        raise RunError(unreadable(source, error)) from error
    unnamable = next((entry["name"] for entry in found if not _is_text(entry["name"])), None)
    if unnamable is not None:
        raise RunError(unreadable(ascii(unnamable), ValueError("its name is not UTF-8")))
    if not found:
        raise RunError(
            Diagnostic(
                "E0702",
                f"`{source}` holds no parquet file",
                None,
                "a pool's samples lie in metadata/*.parquet or *.parquet",
                ("name the folder that DataComp's download made, or the folder with the .parquet files",),
            )
        )
    return _sorted(filesystem, folder, found)


def list_shards(source: str) -> tuple[Listed, ...]:
    """Return the tars of the folder, file or URL `source` as img2dataset writes them, sorted by name.

    They lie in source/shards where that exists, else in source itself. Raises RunError where there are none.
    """
    try:
        filesystem, root = locate(source)
        if filesystem.isfile(root):
            size = int(filesystem.info(root)["size"])
            return (Listed(posixpath.basename(root), _address(filesystem, root), size),)
        folder = posixpath.join(root, "shards")
        folder = folder if filesystem.isdir(folder) else root
        found = [entry for entry in filesystem.ls(folder, detail=True) if _is(filesystem, entry, ".tar")]
    except FileNotFoundError:
        found = []
    except (OSError, ImportError, ValueError) as error:
        raise RunError(unreadable(source, error)) from error
    if not found:
        raise RunError(
            Diagnostic(
                "E0641",
                f"no image in `{source}`",
                None,
                "a pool's images lie in shards/*.tar or *.tar, as img2dataset writes them",
                ("download the images of the pool, or name the folder that holds its .tar files",),
            )
        )
    return _sorted(filesystem, folder, found)


def read_footer_bytes(files: Iterable[Listed]) -> tuple[FooterBytes, ...]:
    """Read the footer of each file, in threads; raise RunError naming up to five files that have none."""
    files = tuple(files)
    with ThreadPoolExecutor(min(16, max(1, len(files)))) as threads:
        read = tuple(threads.map(_read_footer, files))
    faults = tuple(item for item in read if isinstance(item, Diagnostic))
    if faults:
        raise RunError(*faults[:5])
    return tuple(item for item in read if isinstance(item, FooterBytes))


def current_size(file: Listed) -> int | None:
    """Return the size that the file has now, None where it vanished; raise RunError where it cannot be asked."""
    try:
        filesystem, path = locate(file.path)
        filesystem.invalidate_cache()
        return int(filesystem.size(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(unreadable(file.path, error)) from error


def physical_fingerprint(files: Iterable[tuple[str, int, str]]) -> str:
    """Return "dcphys1:<hex>" over (name, size, footer digest) of all files: a check against accident, not malice."""
    text = json.dumps(sorted(list(file) for file in files), separators=(",", ":"))
    return "dcphys1:" + hashlib.sha256(b"dcql.phys.v1\0" + text.encode("ascii")).hexdigest()


def _read_footer(file: Listed) -> FooterBytes | Diagnostic:
    try:
        filesystem, path = locate(file.path)
        tail = filesystem.cat_file(path, start=max(0, file.size - _TAIL), end=file.size)
        if len(tail) < 12 or tail[-4:] != MAGIC:
            return damage(file, "its end is not that of a parquet file")
        length = int.from_bytes(tail[-8:-4], "little")
        if length + 12 > file.size:
            return damage(file, "its footer is longer than the file")
        if length + 8 > len(tail):
            tail = filesystem.cat_file(path, start=file.size - length - 8, end=file.size)
        return FooterBytes(file, tail[-8 - length :])
    except OSError as error:
        return unreadable(file.path, error)


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, for a diagnostic."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def damaged(name: str, reason: str) -> RunError:
    """Return the error that the file called `name` is not a whole parquet file."""
    return RunError(
        Diagnostic("E0703", f"`{name}` is not a whole parquet file", None, reason, ("copy or download it again",))
    )


def damage(file: Listed, reason: str) -> Diagnostic:
    """Return the diagnostic that a file is not a whole parquet file."""
    return damaged(file.name, reason).diagnostics[0]


def unreadable(place: str, error: Exception) -> Diagnostic:
    """Return the diagnostic that a path or URL cannot be read."""
    advice = "install the package that it names" if isinstance(error, ImportError) else "check the path and permissions"
    return Diagnostic("E0712", f"cannot read `{place}`", None, first_line(error), (advice,))


def _last(entry: dict[str, Any]) -> str:
    return posixpath.basename(str(entry["name"]).rstrip("/"))


def _sorted(filesystem: Any, folder: str, entries: Iterable[dict[str, Any]]) -> tuple[Listed, ...]:
    start = len(folder.rstrip("/")) + 1
    files = (
        Listed(entry["name"].rstrip("/")[start:], _address(filesystem, entry["name"]), int(entry["size"]))
        for entry in entries
    )
    return tuple(sorted(files, key=lambda file: file.name))


def _is(filesystem: Any, entry: dict[str, Any], suffix: str) -> bool:
    name = _last(entry)
    if not name.endswith(suffix) or name.startswith("."):
        return False
    # A link (as in a download cache) is taken for what it leads to.
    return entry["type"] == "file" or bool(filesystem.isfile(entry["name"]))


def _is_text(name: str) -> bool:
    # Python holds other bytes of a file's name as lone surrogates, which no record could be written with.
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _address(filesystem: Any, path: str) -> str:
    if isinstance(filesystem, LocalFiles):
        return os.fspath(Path(path).absolute())
    return str(filesystem.unstrip_protocol(path))
