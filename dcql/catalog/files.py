"""The files of a pool and the bytes of their footers; needs neither pyarrow nor, for local files, fsspec."""

import hashlib
import json
import posixpath
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, address, is_file, is_text, last_name, locate, sort_listed, unreadable

MAGIC = b"PAR1"
_TAIL = 1 << 16  # bytes read from a file's end at first; a longer footer takes a second read


@dataclass(frozen=True, slots=True)
class FooterBytes:
    """A file with the bytes of its footer, the length and the magic number at its end included."""

    file: Listed
    content: bytes

    @property
    def digest(self) -> str:
        """The hex SHA-256 of the footer alone."""
        return hashlib.sha256(self.content[:-8]).hexdigest()


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
            return (Listed(posixpath.basename(root), address(filesystem, root), int(info["size"])),)
        folder = posixpath.join(root, "metadata")
        folder = folder if filesystem.isdir(folder) else root
        found = []
        for entry in filesystem.ls(folder, detail=True):
            if last_name(entry).startswith("part_") and filesystem.isdir(entry["name"]):
                inside = filesystem.ls(entry["name"], detail=True)
                found += [inner for inner in inside if is_file(filesystem, inner, ".parquet")]
            elif is_file(filesystem, entry, ".parquet"):
                found.append(entry)
    except FileNotFoundError:
        raise RunError(
            Diagnostic("E0701", f"no pool at `{source}`", None, "nothing lies at that path", ("check the path",))
        ) from None
    except (OSError, ImportError, ValueError) as error:
        raise RunError(unreadable(source, error)) from error
    unnamable = next((entry["name"] for entry in found if not is_text(entry["name"])), None)
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
    return sort_listed(filesystem, folder, found)


def read_footer_bytes(files: Iterable[Listed]) -> tuple[FooterBytes, ...]:
    """Read the footer of each file, in threads; raise RunError naming up to five files that have none."""
    files = tuple(files)
    with ThreadPoolExecutor(min(16, max(1, len(files)))) as threads:
        read = tuple(threads.map(_read_footer, files))
    faults = tuple(item for item in read if isinstance(item, Diagnostic))
    if faults:
        raise RunError(*faults[:5])
    return tuple(item for item in read if isinstance(item, FooterBytes))


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


def damaged(name: str, reason: str) -> RunError:
    """Return the error that the file called `name` is not a whole parquet file."""
    return RunError(
        Diagnostic("E0703", f"`{name}` is not a whole parquet file", None, reason, ("copy or download it again",))
    )


def damage(file: Listed, reason: str) -> Diagnostic:
    """Return the diagnostic that a file is not a whole parquet file."""
    return damaged(file.name, reason).diagnostics[0]
