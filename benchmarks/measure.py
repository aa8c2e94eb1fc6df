"""Run one contender in a fresh process and measure it."""

import hashlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class BenchmarkError(Exception):
    """A run that cannot be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command under measurement; `{out}` in a word stands for the path to write to, without a suffix.

    `home` is dcql's store for the run, None for the others.
    """

    name: str
    words: tuple[str, ...]
    by_hand: bool
    home: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: seconds of CPU and wall time, peak resident bytes, and the subset's sha256 and size, if it wrote one."""

    cpu: float
    wall: float
    peak: int
    digest: str
    size: int


def run_once(contender: Contender, folder: Path, keep_home: bool = False) -> Outcome:
    """Run a contender and return what it used and wrote; raise BenchmarkError when it fails.

    `folder` is made for the run and removed after it. What the run adds to dcql's store is removed too, unless
    `keep_home`: no run may resume from another.
    """
    folder.mkdir()
    before = _files(contender.home)
    try:
        words = [word.replace("{out}", str(folder / "subset")) for word in contender.words]
        cpu, wall, peak = spend(words, folder / "log", contender.home)
        subsets = sorted(folder.rglob("*.npy"))
        if len(subsets) != (1 if "{out}" in " ".join(contender.words) else 0):
            raise BenchmarkError(f"{contender.name} wrote {len(subsets)} files of type .npy")
        digest, size = "", 0
        for subset in subsets:
            with subset.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = subset.stat().st_size
        return Outcome(cpu, wall, peak, digest, size)
    finally:
        shutil.rmtree(folder)
        if not keep_home:
            for path in _files(contender.home) - before:
                path.unlink()


def _files(home: Path | None) -> set[Path]:
    """List the files of dcql's store."""
    return {path for path in home.rglob("*") if path.is_file()} if home else set()


def spend(
    words: list[str], log: Path, home: Path | None, started: Callable[[int], None] | None = None
) -> tuple[float, float, int]:
    """Run a command to its end; return CPU seconds, wall seconds and peak resident bytes.

    `started` is called with the id of its process.
    """
    environment = dict(os.environ) | ({"DCQL_HOME": str(home)} if home else {})
    # As for a user: what was imported once lies there compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with log.open("wb") as stream:
        streams = [(os.POSIX_SPAWN_DUP2, stream.fileno(), descriptor) for descriptor in (1, 2)]
        start = time.perf_counter()
        process = os.posix_spawnp(words[0], words, environment, file_actions=streams)
        if started is not None:
            started(process)
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - start
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BenchmarkError(f"`{shlex.join(words)}` ended with {os.waitstatus_to_exitcode(status)}:\n{tail}")
    # The largest single process of the run: bytes on macOS, KiB elsewhere. It counts this process' own pages at the
    # moment of the spawn as a minimum, about 70 MiB, which is less than any contender uses.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return usage.ru_utime + usage.ru_stime, wall, peak
