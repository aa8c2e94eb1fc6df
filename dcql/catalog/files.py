"""The footers of a pool's files, as bytes; needs no pyarrow."""

import hashlib
import json
from collections.abc import Iterable

from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, locate, unreadable

MAGIC = b"PAR1"
_FEW = 100  # local files, read before threads could be started
_TAIL = 1 << 16  # bytes read from a file's end at first; a longer footer takes a second read


@dataclass(frozen=True)
class FooterBytes:
    """A file with the bytes of its footer, the length and the magic number at its end included."""

    file: Listed
    content: bytes

    @property
    def digest(self) -> str:
        """The hex SHA-256 of the footer alone."""
        return hashlib.sha256(self.content[:-8]).hexdigest()


def read_footer_bytes(files: Iterable[Listed]) -> tuple[FooterBytes, ...]:
    """Read the footer of each file; raise RunError naming up to five files that have none."""
    files = tuple(files)
    if len(files) <= _FEW and not any("://" in file.path for file in files):
        read = tuple(map(_read_footer, files))
    else:
        from concurrent.futures import ThreadPoolExecutor  # where reading is mostly waiting

        with ThreadPoolExecutor(16) as threads:
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
