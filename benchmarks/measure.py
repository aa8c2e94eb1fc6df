"""Run contenders in turns, and measure each: commands in fresh processes, functions in this one."""

import functools
import hashlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

BY_HAND = Path(__file__).parent / "by_hand"


class BenchmarkError(Exception):
    """A run that cannot be measured; the message says why."""


class Spent(NamedTuple):
    """Seconds of CPU and wall time, peak resident bytes."""

    cpu: float
    wall: float
    peak: int


class Outcome(NamedTuple):
    """What a run took, as `Spent`, and the sha256 and the bytes of the subset that it wrote, "" and 0 without one."""

    cpu: float
    wall: float
    peak: int
    digest: str
    size: int


class Measured(Protocol):
    """What is known of any run."""

    @property
    def cpu(self) -> float: ...

    @property
    def wall(self) -> float: ...


Run = TypeVar("Run", bound=Measured)


# --- contenders -------------------------------------------------------------------------------------------------------


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
class Dcql:
    """dcql's command, on one store."""

    words: tuple[str, ...]
    home: Path

    def contender(self, name: str, *words: str) -> Contender:
        """Return a command of it."""
        return Contender(name, (*self.words, *words), by_hand=False, home=self.home)

    def once(self, work: Path, *words: str) -> Outcome:
        """Run a command that has no turns, and keep what it leaves in the store."""
        return run_once(self.contender(f"dcql {words[0]}", *words), work / "once", keep_home=True)

    def copied(self, home: Path) -> "Dcql":
        """Return the command on a copy of the store, the files of which are linked."""
        shutil.copytree(self.home, home, copy_function=os.link)
        return Dcql(self.words, home)


def find_dcql(command: str) -> tuple[str, ...]:
    """Split the command; raise BenchmarkError when its program is missing."""
    words = tuple(shlex.split(command))
    if not words or shutil.which(words[0]) is None:
        raise BenchmarkError(f"no command {command!r}: install dcql or give --dcql CMD")
    return words


def script(name: str, *words: str) -> tuple[str, ...]:
    """Return the command of a script in by_hand/."""
    return (sys.executable, str(BY_HAND / f"{name}.py"), *words)


# --- turns ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turns(Generic[Run]):
    """The runs of each contender, and how they came about, in the words of a report."""

    runs: dict[str, list[Run]]
    how: str


def in_turns(ways: Mapping[str, Callable[[], Run]], repeats: int) -> Turns[Run]:
    """Run every contender once, then again, `repeats` times, so that a busy machine slows all of them."""
    load = os.getloadavg()[0]
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            runs[name].append(way())
            print(f"{repeat + 1}/{repeats} {name}: {runs[name][-1].cpu:.2f} CPU s", file=sys.stderr)
    return Turns(runs, f"medians of {repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start")


def commands(contenders: Iterable[Contender], work: Path) -> dict[str, Callable[[], Outcome]]:
    """Return contenders as `in_turns` takes them."""
    return {one.name: functools.partial(run_once, one, work / "run") for one in contenders}


def written(runs: Iterable[list[Outcome]]) -> set[tuple[str, int]]:
    """Return the sha256 and size of each subset that runs wrote: one, where all wrote the same bytes."""
    return {(run.digest, run.size) for each in runs for run in each if run.size}


# --- one run ----------------------------------------------------------------------------------------------------------


def clocked(function: Callable[[], Any]) -> tuple[Any, Spent]:
    """Call a function; return its value and the CPU and wall seconds of this process meanwhile."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = function()
    return value, Spent(time.process_time() - cpu, time.perf_counter() - wall, 0)


def run_once(contender: Contender, folder: Path, keep_home: bool = False) -> Outcome:
    """Run a contender and return what it used and wrote; raise BenchmarkError when it fails.

    `folder` is made for the run and removed after it. What the run adds to dcql's store is removed too, unless
    `keep_home`: no run may resume from another.
    """
    folder.mkdir()
    before = _files(contender.home)
    try:
        words = [word.replace("{out}", str(folder / "subset")) for word in contender.words]
        spent = spend(words, folder / "log", contender.home)
        subsets = sorted(folder.rglob("*.npy"))
        if len(subsets) != (1 if "{out}" in " ".join(contender.words) else 0):
            raise BenchmarkError(f"{contender.name} wrote {len(subsets)} files of type .npy")
        digest, size = "", 0
        for subset in subsets:
            with subset.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = subset.stat().st_size
        return Outcome(*spent, digest, size)
    finally:
        shutil.rmtree(folder)
        if not keep_home:
            for path in _files(contender.home) - before:
                path.unlink()


def _files(home: Path | None) -> set[Path]:
    """List the files of dcql's store."""
    return {path for path in home.rglob("*") if path.is_file()} if home else set()


def spend(words: Iterable[str], log: Path, home: Path | None, started: Callable[[int], None] | None = None) -> Spent:
    """Run a command to its end; return what it used.

    `started` is called with the id of its process.
    """
    words = list(words)
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
    return Spent(usage.ru_utime + usage.ru_stime, wall, peak)
