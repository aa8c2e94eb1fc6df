"""Kills: commands of dcql that end by SIGKILL at a random moment, and what is looked at then.

Importing takes longer than all else that a small command does, so commands run in forks of one process that has
everything imported: `python tests/kills.py`. A kill comes after a time, or before the n-th change that the command
makes to files: an audit hook sees every opening to write, rename, mkdir and removal, so that no moment between two of
them is too short.
"""

import contextlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

CHANGES = frozenset({"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# What a command is at, by the function that does it; the innermost one counts.
PHASES = (
    ("dcql.engine.taking", "take_in", "add: reads a file"),
    ("dcql.engine.add", "rank", "add: ranks uids"),
    ("dcql.engine.add", "_merge_distributions", "add: merges distributions"),
    ("dcql.engine.add", "_keep_version", "add: keeps the version"),
    ("dcql.engine.add", "_replace", "add: writes the record"),
    ("dcql.engine.add", "_sweep", "add: removes what is old"),
    ("dcql.engine.features.files", "merge", "features: stores values"),
    ("dcql.engine.features.running", "Running", "features: loads the model"),
    ("dcql.engine.run", "run", "run: executes"),
    ("dcql.engine.folder", "write", "run: writes its folder"),
    ("dcql.locks.lock_file", "write_lock", "lock: writes it"),
)
ELSEWHERE = "before or between"
SHARED = (
    "dcql.cli",
    "dcql.compiler",
    "dcql.lower.lower",
    "dcql.lower.stored",
    "dcql.plan.passes",
    "dcql.records.locking",
)
PRELOADED = (*SHARED, "dcql.engine.features.asking", "dcql.engine.udfs.language", *(one[0] for one in PHASES))


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, or -9; after how many seconds and changes of files; in which phase."""

    code: int
    seconds: float
    events: int
    phase: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Commands:
    """Runs commands of dcql in forks; `environment` is theirs."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, __file__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

    def run(self, *arguments: str, cwd: Path, after: float | None = None, at: int | None = None) -> Ended:
        """Run a command in a Scene's folder, and kill it after some seconds, or before its n-th change of a file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": arguments, "cwd": str(cwd), "after": after, "at": at}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


# --- in the process that forks ----------------------------------------------------------------------------------------


def _serve() -> None:
    for name in PRELOADED:
        import_module(name)
    for line in sys.stdin:
        print(json.dumps(vars(_forked(**json.loads(line)))), flush=True)


def _forked(arguments: list[str], cwd: str, after: float | None, at: int | None) -> Ended:
    told, tells = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.close(told)
        _become(arguments, cwd, at, tells)
    os.close(tells)
    if after is not None:
        watched = os.pidfd_open(child)
        select.select([watched], [], [], after)
        os.kill(child, signal.SIGKILL)
        os.close(watched)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    with open(told, "rb") as pipe:
        marks = pipe.read()
    phases: list[int] = []
    for mark in marks:
        if mark < len(PHASES):
            phases.append(mark)
        elif mark == _LEFT:
            phases.pop()
    phase = PHASES[phases[-1]][2] if phases else ELSEWHERE
    return Ended(os.waitstatus_to_exitcode(status), seconds, marks.count(_EVENT), phase)


_EVENT, _LEFT = 254, 255


def _become(arguments: list[str], cwd: str, at: int | None, tells: int) -> None:
    """Run a command and end the process."""
    with open(os.devnull, "r+b") as nothing:
        for number in range(3):
            os.dup2(nothing.fileno(), number)
    os.chdir(cwd)
    os.environ["DCQL_HOME"] = str(Path(cwd) / "home")
    tempfile.tempdir = str(Path(cwd) / "tmp")
    for number, (module, name, _) in enumerate(PHASES):
        _mark(import_module(module), name, number, tells)
    left = [at]

    def seen(event: str, given: Any) -> None:
        if event not in CHANGES and not (event == "open" and given[2] & WRITES):
            return
        os.write(tells, bytes([_EVENT]))
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(seen)
    from dcql.cli import main

    code = 1
    try:
        main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        os._exit(code)


def _mark(module: Any, name: str, number: int, tells: int) -> None:
    function = getattr(module, name)

    def marked(*given: Any, **named: Any) -> Any:
        os.write(tells, bytes([number]))
        try:
            return function(*given, **named)
        finally:
            os.write(tells, bytes([_LEFT]))

    setattr(module, name, marked)


# --- what is killed, and what is looked at ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A folder in which a command is run: the store in `home`, temporary files in `tmp`, recipe, lock and out."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def unfinished(self) -> list[str]:
        """Return what a command leaves that did not come to its end."""
        found = [path for path in self.folder.rglob("*") if path.name.endswith((".unfinished", ".tmp", ".scratch"))]
        found += self.home.rglob("unfinished")
        programs = self.home / "programs"
        found += [path for path in programs.iterdir() if path.suffix != ".json"] if programs.is_dir() else []
        return sorted(str(path.relative_to(self.folder)) for path in found)


@contextlib.contextmanager
def copied(scene: Scene, to: Path) -> Iterator[Scene]:
    """Give a scene of its own, that begins as another one is."""
    shutil.copytree(scene.folder, to, symlinks=True)
    yield Scene(to)
    shutil.rmtree(to)


def moments(count: int, seed: int, usual: Ended) -> Iterator[dict[str, Any]]:
    """Yield moments to kill at, as options of `run`: by time and by changes of files in turn."""
    chance = random.Random(seed)
    for number in range(count):
        if number % 2:
            yield {"after": chance.uniform(0, 1.05 * usual.seconds)}
        else:
            yield {"at": chance.randrange(usual.events)}


if __name__ == "__main__":
    _serve()
