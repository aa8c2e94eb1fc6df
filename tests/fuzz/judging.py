"""What a reader may do with bytes of strangers, and what is a crash.

A reader takes the bytes or refuses them with a DcqlError, drawn as a diagnostic. Anything else is a crash: another
exception, an internal error, more than 5 s or 1 GiB for an input, text that would steer a terminal, or a document that
is read, written and read again as another one.
"""

import resource
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dcql.errors import DcqlError, render

MAX_SECONDS = 5.0  # of the processor: a machine that is busy with other things is no fault of a reader
MAX_MEMORY = 1 << 30  # bytes that an input may add
INTERNAL = "E09"

# A number of the seeds' first byte chooses what an input is.
FIRST = ord("0")


@dataclass(frozen=True)
class Target:
    """A reader under test.

    `read` takes the bytes of an input and returns whether they were accepted. `refusals` are the exceptions that the
    reader documents beside DcqlError. `covers` are the modules whose lines count for it.
    """

    name: str
    read: Callable[[bytes], bool]
    covers: tuple[str, ...]
    refusals: tuple[type[Exception], ...] = ()


@dataclass(frozen=True)
class Crash:
    """What went wrong: `kind` and `where` tell crashes apart."""

    kind: str
    where: str
    detail: str


class BrokenPromiseError(Exception):
    """A reader took an input, and what it gave is not what was read."""


def promise(holds: bool, what: str) -> None:
    """Raise BrokenPromiseError where something does not hold."""
    if not holds:
        raise BrokenPromiseError(what)


def judge(target: Target, data: bytes) -> Crash | bool:
    """Return whether a reader accepts an input, or how it crashes on it."""
    memory, started = _peak(), time.thread_time()
    with warnings.catch_warnings():
        # What numpy and Python's own parser warn of would reach the terminal.
        warnings.simplefilter("error", SyntaxWarning)
        try:
            accepted = target.read(data)
        except DcqlError as error:
            accepted = False
            if (crash := _badly_told(error)) is not None:
                return crash
        except target.refusals:
            accepted = False
        except Exception as error:
            return Crash(type(error).__name__, _place(error), "".join(traceback.format_exception(error)[-6:]))
    seconds, added = time.thread_time() - started, _peak() - memory
    if seconds > MAX_SECONDS:
        return Crash("slow", target.name, f"{seconds:.1f} s for {len(data)} bytes")
    if added > MAX_MEMORY:
        return Crash("memory", target.name, f"{added >> 20} MiB for {len(data)} bytes")
    return accepted


def _badly_told(error: DcqlError) -> Crash | None:
    for diagnostic in error.diagnostics:
        if diagnostic.code.startswith(INTERNAL):
            return Crash(diagnostic.code, _place(error), str(error))
    drawn = render(error.diagnostics)
    if not all(character.isprintable() or character == "\n" for character in drawn):
        return Crash("control character", error.diagnostics[0].code, repr(drawn))
    return None


def _place(error: BaseException) -> str:
    """Return where an exception was raised: the last two places of dcql, else of anything."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/dcql/" in frame.filename or "/runtime/" in frame.filename] or frames
    return " < ".join(f"{Path(frame.filename).name}:{frame.name}" for frame in reversed(ours[-2:]))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
