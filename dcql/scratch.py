"""What is gone when a command ends: folders for DuckDB's spill or a pool that was written anew, unfinished files.

A killed process cannot remove its own. So each is held by flock for as long as its process lives, and the next process
that makes one removes those that nobody holds.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX, _SUFFIX = "dcql-", ".scratch"
_UNFINISHED = ".unfinished"
_MOMENT = 0.01  # seconds


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder in the system's folder for temporary files, removed at the end."""
    _sweep()
    path, descriptor = _made()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """Give an empty file beside `path` to write to and then to rename; what is left of it is removed at the end.

    Raises OSError where it cannot be made.
    """
    # No glob: to compile its pattern takes longer than to write a small file.
    with os.scandir(path.parent) as entries:
        left_over = [entry for entry in entries if entry.name.endswith(_UNFINISHED)]
    for entry in left_over:
        if entry.name.startswith(f".{path.name}."):
            _remove_unheld(Path(entry.path))
    place = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    descriptor = _opened(place)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
        os.close(descriptor)


def _opened(place: Path) -> int:
    """Make a file and hold it. Raises OSError where it cannot be made."""
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another process is about to remove it
        except OSError:
            return descriptor  # not every disk has locks: without them what a killed process left stays
        else:
            if place.exists():
                return descriptor
        # Between the two calls another process took it for one that nobody holds.
        os.close(descriptor)
        time.sleep(_MOMENT)


def left() -> list[Path]:
    """Return the folders of this user, those of living processes too."""
    found = []
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if not (entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX)):
                continue
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                    found.append(Path(entry.path))
    return found


def _made() -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX))
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # as below, a moment earlier
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():
            return path, descriptor
        # Between the two calls another process took it for one that nobody holds.
        os.close(descriptor)


def _sweep() -> None:
    """Remove the folders that nobody holds."""
    for path in left():
        _remove_unheld(path)


def _remove_unheld(path: Path) -> None:
    """Remove a folder or file, unless a living process holds it or it cannot be removed."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
        finally:
            os.close(descriptor)
