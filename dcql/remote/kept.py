"""The cache on the disk: blocks of remote files, up to a size; those that were not used for longest go first.

    $DCQL_HOME/cache/
      size                   how many bytes all blocks take, as text; whoever holds its lock may change it
      blocks/KK/KEY/A-B      the bytes A up to B of a file in one version, then their CRC-32

KEY is a digest of URL, size and version, so that a file that changed has other blocks. A block appears whole, by a
rename; what a killed process left is removed with the old blocks. Where the disk is full or cannot be written, nothing
is kept, and nothing fails.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dcql.checksum import crc32

_CHECK = 4  # bytes after a block
_FRESH = 60.0  # seconds in which a second use of a block is not noted
_ROOM = 0.9  # the share of the limit that is left when old blocks were removed
_ABANDONED = 3600.0  # seconds after which an unfinished block is taken for one of a killed process


@dataclass(frozen=True, slots=True)
class Usage:
    """What a cache holds: blocks and their bytes."""

    blocks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A cache in a folder that may hold `limit` bytes; 0 keeps nothing."""

    folder: Path
    limit: int

    def get(self, key: str, start: int, end: int) -> bytes | None:
        """Return a block; None where it is not kept, or damaged."""
        path = self._path(key, start, end)
        if not self.limit:
            return None
        try:
            with path.open("rb") as file:
                content = file.read(end - start + _CHECK + 1)
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        block = content[:-_CHECK]
        if len(block) != end - start or crc32(block) != int.from_bytes(content[-_CHECK:], "little"):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        if time.time() - used > _FRESH:
            with contextlib.suppress(OSError):
                os.utime(path)
        return block

    def put(self, key: str, start: int, end: int, block: bytes) -> None:
        """Keep a block, where there is room or others are older."""
        taken = len(block) + _CHECK
        if not taken <= self.limit * (1 - _ROOM):
            return
        path = self._path(key, start, end)
        if path.exists():
            return  # another process was faster
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        with contextlib.suppress(OSError):
            try:
                with self._reserved(unfinished, taken) as file:
                    file.write(block)
                    file.write(crc32(block).to_bytes(_CHECK, "little"))
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)

    def usage(self) -> Usage:
        """Return what the cache holds now."""
        found = [size for *_, size in self._entries()]
        return Usage(len(found), sum(found))

    def clear(self) -> Usage:
        """Remove every block; return what they were. Raises OSError where they cannot be."""
        if not self.folder.is_dir():
            return Usage(0, 0)
        with self._counted() as count:
            before = self.usage()
            if self._blocks.exists():
                shutil.rmtree(self._blocks)
            count.write(0)
        return before

    @property
    def _blocks(self) -> Path:
        return self.folder / "blocks"

    def _path(self, key: str, start: int, end: int) -> Path:
        return self._blocks / key[:2] / key / f"{start}-{end}"

    def _reserved(self, path: Path, taken: int) -> BinaryIO:
        """Open a new file that takes so many bytes already; remove old blocks first where they would be too many.

        Whoever counts what is there meets its bytes, before they are written.
        """
        with self._counted() as count:
            now = count.read()
            if now is None or now + taken > self.limit:
                now = self._sweep(taken)
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
            file.truncate(taken)
            count.write(now + taken)
        return file

    def _sweep(self, taken: int) -> int:
        """Remove the blocks that were used least recently where there are too many; return the bytes of the others."""
        entries = sorted(self._entries())
        total = sum(size for *_, size in entries)
        if total + taken <= self.limit:
            return total
        abandoned = time.time() - _ABANDONED
        for used, path, size in entries:
            if total <= self.limit * _ROOM - taken:
                break
            if os.path.basename(path).startswith(".") and used > abandoned:
                continue
            with contextlib.suppress(OSError):
                os.unlink(path)
                total -= size
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.dirname(path))
        return total

    def _entries(self) -> Iterator[tuple[float, str, int]]:
        """Yield for each block, unfinished ones too, when it was used last, its path and its size."""
        for folder, _, names in os.walk(self._blocks):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    about = os.stat(path)
                    yield about.st_mtime, path, about.st_size

    @contextlib.contextmanager
    def _counted(self) -> Iterator["_Count"]:
        """Hold the lock of the cache; give what reads and sets the number of bytes that it holds."""
        # What is cached of a private bucket is for its reader alone.
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / "size", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield _Count(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Count:
    """The number in the file `size`, whose lock is held."""

    descriptor: int

    def read(self) -> int | None:
        """Return the number, None where there is none yet."""
        text = os.pread(self.descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else None

    def write(self, size: int) -> None:
        """Set the number."""
        os.pwrite(self.descriptor, b"%-31d\n" % size, 0)


def key_of(url: str, size: int, version: str) -> str:
    """Return the key of a file's blocks: of its URL, its size and its version."""
    text = json.dumps(["dcql.remote.v1", url, size, version], separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
