"""The unfinished work of a reshard: a folder that processes share, and that a stopped reshard goes on from.

WORK/
  task.json        what is asked for: tars, policy, output; another task is refused
  uids.npy         the distinct uids of the subset
  scan/000000.npy, .json      what was found in each tar
  taken.npy copies.npy starts.npy     the plan, and box_places.npy boxes.npy where faces are blurred
  shards/000000.npy, .json    what was written of each shard: rows of the index, size, digest

The .json of a step is written last and at once, so a step that has one is done.
"""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from dcql.runtime.reshard.scan import scan
from dcql.runtime.reshard.write import Change, write_shard
from dcql.runtime.shards import SHARD_FORMAT, place_of
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, locate, unreadable
from dcql.subset import Uids
from dcql.tars.members import DamagedTarError
from dcql.tars.samples import reading

TASK = "task.json"


@dataclass(frozen=True)
class Work:
    """The folder of a task, and its steps; each step may run in a process of its own."""

    folder: Path

    @cached_property
    def task(self) -> dict[str, Any]:
        """What is asked for."""
        found: dict[str, Any] = json.loads((self.folder / TASK).read_text(encoding="utf-8"))
        return found

    @cached_property
    def tars(self) -> tuple[Listed, ...]:
        """The tars of the pool."""
        return tuple(Listed(*tar) for tar in self.task["tars"])

    @cached_property
    def uids(self) -> Uids:
        """The distinct uids of the subset, mapped rather than read."""
        found: Uids = np.load(self.folder / "uids.npy", mmap_mode="r")
        return found

    def array(self, name: str) -> NDArray[Any]:
        """Return an array of the plan, mapped rather than read."""
        found: NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return found

    def save(self, name: str, array: NDArray[Any]) -> None:
        """Write an array into the folder, whole or not at all."""
        path = self.folder / f"{name}.npy"
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
        with unfinished.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        os.replace(unfinished, path)

    def record(self, name: str) -> dict[str, Any] | None:
        """Return what a step that is done told, None for one that is not."""
        try:
            found: dict[str, Any] = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def _done(self, name: str, told: dict[str, Any]) -> None:
        path = self.folder / f"{name}.json"
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
        unfinished.write_text(json.dumps(told), encoding="utf-8")
        os.replace(unfinished, path)

    def scan(self, number: int) -> None:
        """Find the samples of the subset in a tar. Raises RunError where it is damaged."""
        tar = self.tars[number]
        try:
            with reading(tar) as read:
                found = scan(read, tar.size, self.uids)
        except DamagedTarError as damage:
            _refuse_damaged(tar, damage)
        except OSError as error:
            raise RunError(unreadable(tar.path, error)) from error
        self.save(f"scan/{number:06d}", found.found)
        self._done(f"scan/{number:06d}", {"incomplete": found.incomplete, "unnamed": found.unnamed})

    def write(self, number: int) -> None:
        """Write a training shard, or only compute what it would be. Raises RunError."""
        starts = self.array("starts")
        copies = self.array("copies")[starts[number] : starts[number + 1]]
        samples = self.array("taken")[copies["sample"]]
        name = SHARD_FORMAT.format(number)
        with output(place_of(self.task["out"], name) if self.task["copied"] else None) as write:
            written = write_shard(self.tars, samples, copies["copy"], write, self._change(samples, copies["sample"]))
        self.save(f"shards/{number:06d}", written.placed)
        told = {"size": written.size, "sha256": written.sha256, "changed": written.changed}
        self._done(f"shards/{number:06d}", told)

    def _change(self, samples: NDArray[np.void], taken: NDArray[np.uint32]) -> Change | None:
        """Return what blurs the images of a shard, None where none are."""
        if self.task["policy"]["blur"] == "none":
            return None
        from dcql.runtime.reshard.faces import blurrer

        if self.task["boxes"] is None:
            return blurrer(samples, None, None)
        return blurrer(samples, self.array("box_places")[taken], self.array("boxes"))


@contextlib.contextmanager
def output(place: str | None) -> Iterator[Any]:
    """Give a function that writes to a path or URL, or nowhere; a path appears whole or not at all."""
    if place is None:
        yield lambda content: None
        return
    if "://" in place:
        with writable(place):
            filesystem, path = locate(place)
            with filesystem.open(path, "wb") as file:
                yield file.write
        return
    whole = Path(place)
    unfinished = whole.with_name(f".{whole.name}.{os.getpid()}.unfinished")
    with writable(place):
        try:
            with unfinished.open("wb", buffering=0) as file:

                def write(content: bytes | memoryview) -> None:
                    view = memoryview(content)
                    while view:
                        view = view[file.write(view) :]

                yield write
                os.fsync(file.fileno())
            os.replace(unfinished, whole)
        finally:
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def writable(place: str) -> Iterator[None]:
    """Turn what the disk raises into a RunError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space on the disk" if full else "check the path and its permissions"
        raise RunError(
            Diagnostic(
                "E1009",
                f"cannot write `{place}`",
                None,
                error.strerror or str(error),
                (f"{advice}, and run the same command again: it goes on from the last whole shard",),
            )
        ) from error


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. Raises RunError where another process does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            _refuse_busy(folder, error)
        yield
    finally:
        os.close(descriptor)


def _refuse_busy(folder: Path, error: OSError) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E1008",
            f"`{folder.parent}` is being written",
            None,
            "another process reshards into it",
            ("wait for it to end, or name another folder",),
        )
    ) from error


def _refuse_damaged(tar: Listed, damage: DamagedTarError) -> NoReturn:
    raise RunError(
        Diagnostic(
            "E1006",
            f"`{tar.name}` is damaged",
            None,
            f"it cannot be read beyond byte {damage.offset:,}: {damage.reason}",
            ("download or copy it again", "go on without its samples: move it away, and give --allow-missing"),
        )
    )
