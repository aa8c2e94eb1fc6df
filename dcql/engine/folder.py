"""Run folders: a subset and the manifest that says where it comes from, written whole or not at all.

DIR/
  subset.npy       the subset, in DataComp's form
  manifest.json    hash, counts, pool, recipe, thresholds, funnel, versions
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dcql.errors import Diagnostic, RunError
from dcql.subset import Subset

SUBSET = "subset.npy"
MANIFEST = "manifest.json"
FILES = frozenset({SUBSET, MANIFEST})

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


@dataclass(frozen=True)
class RunFolder:
    """A run folder that was read: its subset has the hash that its manifest states."""

    path: Path
    subset: Subset
    manifest: dict[str, Any]


def refuse_other(folder: Path) -> None:
    """Raise RunError where `folder` is a file, or holds anything that no run wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        _refuse_other(folder, "it is a file")
    with _unwritable(folder):
        names = {entry.name for entry in os.scandir(folder)}
    stranger = min(names - FILES, default=None)
    if stranger is not None:
        _refuse_other(folder, f"it holds `{stranger}`, which no run wrote")
    if names and MANIFEST not in names:
        _refuse_other(folder, f"it holds no {MANIFEST}")


def write(folder: Path, subset: Subset, manifest: dict[str, Any]) -> None:
    """Write a run folder; one that is there already is swapped out for it.

    Whatever stops the process, `folder` holds the old run or the new one, whole. Raises RunError where it cannot be
    written or is something else.
    """
    refuse_other(folder)
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with _unwritable(folder):
        place = _target(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(place) as unfinished:
            try:
                subset.save(unfinished / SUBSET)
            except RunError as error:
                _refuse(folder, error.diagnostics[0].label, error.diagnostics[0].helps)
            with (unfinished / MANIFEST).open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _sync(unfinished)
            _put(unfinished, place)
            _sync(place.parent)


def read(folder: Path) -> RunFolder:
    """Read a run folder. Raises RunError for another folder, and for a subset without the hash in the manifest."""
    if not (folder / MANIFEST).is_file() or not (folder / SUBSET).is_file():
        _refuse_reading(
            "E0759",
            f"`{folder}` is not a run folder",
            f"it holds no {MANIFEST} and {SUBSET}" if folder.is_dir() else "there is no such folder",
            "name a folder that `dcql run --out` wrote",
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        stated = manifest["hash"]
        manifest["pool"]["name"], manifest["recipe"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        _refuse_reading(
            "E0760",
            f"`{folder / MANIFEST}` cannot be read",
            str(error) if isinstance(error, OSError) else "it is not the manifest of a run",
            "run the recipe again",
        )
    subset = Subset.load(folder / SUBSET)
    if subset.hash != stated:
        _refuse_reading(
            "E0760",
            f"`{folder / SUBSET}` is not the subset of its manifest",
            f"its hash is {subset.hash}, the manifest states {stated}",
            "run the recipe again, or name the .npy file itself",
        )
    return RunFolder(folder, subset, manifest)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` at the end, or nothing where the block raises.

    Raises RunError where the disk does.
    """
    if path.is_dir():
        _refuse(path, "it is a folder", ("name a file",))
    with _unwritable(path):
        place = _target(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = place.with_name(f".{place.name}.{os.getpid()}.unfinished")
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, place)
        finally:
            unfinished.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """Return the path that is written: what a link points to, so that the link stays."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`, removed at the end, with what killed runs left there."""
    for left in folder.parent.glob(f".{_escaped(folder.name)}.*.unfinished"):
        with contextlib.suppress(OSError), _held(left):
            shutil.rmtree(left, ignore_errors=True)
    path = folder.with_name(f".{folder.name}.{os.getpid()}.unfinished")
    path.mkdir()
    try:
        with _held(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raise OSError where a living process does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _escaped(name: str) -> str:
    """Escape what glob gives a meaning to."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _put(unfinished: Path, folder: Path) -> None:
    """Rename a finished folder to its place; a former run folder takes its place instead, to be removed."""
    if not folder.exists() or not any(folder.iterdir()):
        os.rename(unfinished, folder)
        return
    if _exchange(unfinished, folder):
        return
    # Without an exchange there is a moment without either, and both are whole beside it.
    before = folder.with_name(f".{folder.name}.{os.getpid()}.before")
    os.rename(folder, before)
    try:
        os.rename(unfinished, folder)
    except OSError:
        os.rename(before, folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; return False where the system or the disk cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    return bool(done == 0)


def _sync(folder: Path) -> None:
    """Make the names in a folder last, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _unwritable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space on the disk, or name another place" if full else "check the path and its permissions"
        _refuse(path, error.strerror or str(error), (advice,))


def _refuse(path: Path, label: str, helps: tuple[str, ...]) -> NoReturn:
    raise RunError(Diagnostic("E0758", f"cannot write `{path}`", None, label, helps))


def _refuse_other(folder: Path, label: str) -> NoReturn:
    help_ = "name a new folder, or one that an earlier run wrote"
    raise RunError(Diagnostic("E0757", f"`{folder}` is not a run folder", None, label, (help_,)))


def _refuse_reading(code: str, message: str, label: str, help_: str) -> NoReturn:
    raise RunError(Diagnostic(code, message, None, label, (help_,)))
