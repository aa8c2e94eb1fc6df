"""Run folders, as `dcql.run_folder` reads them, written whole or not at all.

What shards and training made of a run lies in it, and stays where the same run is written again. A run with another
subset never takes their place.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from dcql import scratch
from dcql.errors import Diagnostic, RunError
from dcql.limits import refuse_output
from dcql.run_folder import MANIFEST, SUBSET, read
from dcql.subset import UID, Subset

FILES = frozenset({SUBSET, MANIFEST})
# What `dcql reshard` and `dcql train` make of a run, beside it.
RESULTS = frozenset({"shards", "train"})
_WRITTEN = "the subset with its manifest"

_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


def refuse_other(folder: Path) -> None:
    """Raise RunError where `folder` is a file, or holds anything that no run wrote."""
    if not folder.exists():
        return
    if not folder.is_dir():
        _refuse_other(folder, "it is a file")
    with _unwritable(folder):
        names = {entry.name for entry in os.scandir(folder)}
    stranger = min(names - FILES - RESULTS, default=None)
    if stranger is not None:
        _refuse_other(folder, f"it holds `{stranger}`, which no run wrote")
    if names and MANIFEST not in names:
        _refuse_other(folder, f"it holds no {MANIFEST}")


def write(folder: Path, subset: Subset, manifest: Callable[[], dict[str, Any]]) -> None:
    """Write a run folder; one that is there already is swapped out for it.

    `manifest` is asked for once the subset is written, for then its hash is known.

    Whatever stops the process, `folder` holds the old run or the new one, whole. Raises RunError where it cannot be
    written or is something else, or holds what was made of another subset.
    """
    refuse_other(folder)
    results = {name for name in RESULTS if (folder / name).exists()}
    if results and not _has_subset(folder, subset.hash):
        _refuse_results(folder, " and ".join(f"`{name}`" for name in sorted(results)))
    if results:
        # The subset is the one that lies there, so that the manifest alone can differ.
        with replaced(folder / MANIFEST) as unfinished:
            unfinished.write_text(_text(subset, manifest), encoding="utf-8")
        return
    refuse_output(UID.itemsize * subset.total, _WRITTEN)
    with whole(folder) as unfinished:
        try:
            subset.save(unfinished / SUBSET)
        except RunError as error:
            _refuse(folder, error.diagnostics[0].label, error.diagnostics[0].helps)
        with (unfinished / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(_text(subset, manifest))
            file.flush()
            os.fsync(file.fileno())


def _text(subset: Subset, manifest: Callable[[], dict[str, Any]]) -> str:
    """Return a manifest as it is written. Raises RunError where it and the subset are more than may be written."""
    text = json.dumps(manifest(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    refuse_output(len(text) + UID.itemsize * subset.total, _WRITTEN)
    return text


@contextlib.contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which becomes `folder` at the end, or nothing where the block raises.

    What was at `folder` before is swapped out for it: the caller has made sure that it may go. Raises RunError where
    the disk does.
    """
    with _unwritable(folder):
        place = _target(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(place) as unfinished:
            yield unfinished
            _sync(unfinished)
            _put(unfinished, place)
            _sync(place.parent)


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
        with scratch.unfinished(place) as unfinished:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, place)


def _has_subset(folder: Path, hash_: str) -> bool:
    """Return whether a run folder is whole and holds the subset of this hash."""
    try:
        return read(folder).hash == hash_
    except RunError:
        return False


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
        in_the_way = next((above for above in path.parents if above.exists() and not above.is_dir()), None)
        if in_the_way is not None:
            _refuse(path, f"`{in_the_way}` is a file, and no folder", ("name a path in a folder",))
        _refuse(path, error.strerror or str(error), (advice,))


def _refuse(path: Path, label: str, helps: tuple[str, ...]) -> NoReturn:
    raise RunError(Diagnostic("E0758", f"cannot write `{path}`", None, label, helps))


def _refuse_other(folder: Path, label: str) -> NoReturn:
    help_ = "name a new folder, or one that an earlier run wrote"
    raise RunError(Diagnostic("E0757", f"`{folder}` is not a run folder", None, label, (help_,)))


def _refuse_results(folder: Path, held: str) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E0765",
            f"`{folder}` holds what was made of another subset",
            None,
            f"{held} there belong to the run that was written before",
            ("name a new folder", f"remove {held} first, if they are not wanted"),
        )
    )
