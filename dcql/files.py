"""Files in a folder, local or of fsspec, and how they are opened; needs fsspec for URLs alone."""

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError


@dataclass(frozen=True)
class Listed:
    """A file of a pool as its folder lists it: `name` is relative to the folder, `path` what fsspec and DuckDB open."""

    name: str
    path: str
    size: int


class LocalFiles:
    """What is asked of an fsspec filesystem here, for local files: importing fsspec takes longer than a small run."""

    def exists(self, path: str) -> bool:
        """Return whether something lies at a path."""
        return Path(path).exists()  # where nobody may look, os.path.exists says that nothing is there

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
    """Return the filesystem of a path or URL, and the path in it; a path without `://` is local as it stands.

    Raises RunError for a URL that cannot be opened.
    """
    if "://" in place:
        from dcql.remote import files

        return files.locate(place)
    return LocalFiles(), os.fspath(Path(place).absolute())


def is_below(path: str) -> bool:
    """Return whether a path that somebody else wrote stays below the folder that it starts at, as text; links aside."""
    pure = PurePosixPath(path)
    return not (pure.is_absolute() or ".." in pure.parts or "\0" in path or "://" in path)


def list_files(source: str) -> tuple[Listed, ...]:
    """Return the parquet files of the folder, file or URL `source` in DataComp's layout, sorted by name.

    They lie in source/metadata where that exists, else in source itself, there or in part_* folders.
    Raises RunError where there are none.
    """
    try:
        filesystem, root = locate(source)
        filesystem.info(root)  # which says more than `exists` of what is not there
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
                inside = filesystem.ls(entry["name"], detail=True)
                found += [inner for inner in inside if _is(filesystem, inner, ".parquet")]
            elif _is(filesystem, entry, ".parquet"):
                found.append(entry)
    except FileNotFoundError as error:
        said = first_line(error) if "://" in source and " " in str(error) else "nothing lies at that path"
        raise RunError(Diagnostic("E0701", f"no pool at `{source}`", None, said, ("check the path",))) from None
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


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, for a diagnostic."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def unreadable(place: str, error: Exception) -> Diagnostic:
    """Return the diagnostic that a path or URL cannot be read."""
    advice = "install the package that it names" if isinstance(error, ImportError) else "check the path and permissions"
    said = str(error.strerror) if isinstance(error, PermissionError) and error.strerror else first_line(error)
    return Diagnostic("E0712", f"cannot read `{place}`", None, said, (advice,))


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
