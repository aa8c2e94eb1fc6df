"""Limits on what a process may take while it does a stranger's work: time, memory, output and nesting.

They are held for a block, and for the whole process, as limits of the operating system are:

| limit | what holds it |
|---|---|
| time | a thread stops DuckDB's queries, and a signal ends Python's own work; 30 s later the process is ended |
| memory | the same thread looks at the memory in use; DuckDB is given half; an allocation beyond twice as much fails |
| output | whoever writes asks first: `refuse_output`; DuckDB may spill as much to disk |
| nesting | `refuse_nesting`, asked before a recipe is lowered |

The processes of models are ended with the block, and each has the same bound on what it may allocate.
"""

import contextlib
import faulthandler
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import field

from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError

_LOOKS_EVERY = 0.1  # seconds
_AGAIN_AFTER = 5.0  # seconds after which work that goes on is stopped once more
_ENDED_AFTER = 30.0  # seconds after which the process ends, whatever it is at
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Limits:
    """What a command may take: seconds by the clock, bytes of memory, bytes written, levels of nesting; None: no limit.

    `memory` is what the process has beside files that it maps; `output` is what is written in one piece: a subset with
    its manifest, a lock. `nesting` counts as rule 8.6 does: queries and expressions, every DEFINE written out.
    """

    time: float | None = None
    memory: int | None = None
    output: int | None = None
    nesting: int | None = None


# For recipes that nobody has read: `dcql submit check` holds them to this.
STRANGERS = Limits(time=3600.0, memory=8 * 10**9, output=4 * 10**9, nesting=100)


class Exceeded(BaseException):
    """Ends the work of a block that has exceeded its limits; no `except Exception` on the way takes it."""


@contextlib.contextmanager
def hold(limits: Limits | None) -> Iterator[None]:
    """Hold a block to limits; None are no limits. Not within another, and in the main thread alone (ValueError).

    Raises RunError where it takes longer (E1461), needs more memory (E1462) or writes more (E1463) than it may.
    """
    if limits is None:
        yield
        return
    watch = _Watch(limits)
    with _as_current(watch), watch.running(), _bounded(limits), _ended_late(limits.time):
        try:
            yield
            watch.finish()
        except MemoryError as error:
            if limits.memory is None:
                raise
            raise RunError(_memory(limits.memory)) from error
        except BaseException as error:
            # Whatever stopping made of it: a query that was interrupted, a process that was ended.
            if watch.exceeded is None:
                raise
            raise RunError(watch.exceeded) from error


def held() -> Limits:
    """Return the limits that are held now."""
    return _current.limits if _current is not None else Limits()


@contextlib.contextmanager
def stopped_by(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop`, from another thread and maybe more than once, where limits are exceeded while the block runs."""
    watch = _current
    if watch is None:
        yield
        return
    watch.stops.append(stop)
    try:
        yield
    finally:
        watch.stops.remove(stop)


def refuse_output(size: int, what: str) -> None:
    """Raise RunError where `size` bytes are more than may be written; `what` says of what."""
    most = held().output
    if most is not None and size > most:
        raise RunError(
            Diagnostic(
                "E1463",
                f"{what} takes {_bytes(size)}, and {_bytes(most)} may be written",
                None,
                "nothing was written",
                ("allow more, if that is right: `--limits output=4GB`",),
            )
        )


@dataclass
class _Watch:
    """Looks at the clock and at the memory while a block runs; `exceeded` says which limit it went beyond."""

    limits: Limits
    stops: list[Callable[[], None]] = field(default_factory=list)
    exceeded: Diagnostic | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _told: bool = False

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Look, from another thread, until the block ends."""
        if self.limits.time is None and self.limits.memory is None:
            yield
            return
        main = threading.get_ident()
        before = signal.signal(signal.SIGALRM, self._signalled)
        thread = threading.Thread(target=self._look, args=(main,), name="limits", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            signal.signal(signal.SIGALRM, before)

    def finish(self) -> None:
        """Say that the block is done: it ends no more."""
        self._over.set()

    def _look(self, main: int) -> None:
        started = time.monotonic()
        while not self._over.wait(_LOOKS_EVERY):
            self.exceeded = self._fault(time.monotonic() - started)
            if self.exceeded is not None:
                break
        while not self._over.is_set():
            self._told = False
            signal.pthread_kill(main, signal.SIGALRM)
            again = time.monotonic() + _AGAIN_AFTER
            while time.monotonic() < again and not self._over.wait(_LOOKS_EVERY):
                for stop in tuple(self.stops):
                    with contextlib.suppress(Exception):  # what it stops may be closed by now
                        stop()

    def _fault(self, seconds: float) -> Diagnostic | None:
        most = self.limits
        if most.time is not None and seconds > most.time:
            return Diagnostic(
                "E1461",
                f"it took longer than {most.time:g} second{'' if most.time == 1 else 's'}",
                None,
                "it was stopped, and nothing is half written",
                ("allow more, if the recipe is worth it: `--limits time=3600`",),
            )
        if most.memory is not None and _memory_in_use() > most.memory:
            return _memory(most.memory)
        return None

    def _signalled(self, number: int, frame: object) -> None:
        # A signal that arrives once the block is left, or twice, must not end what cleans up behind it.
        if self._over.is_set() or self._told or self.exceeded is None:
            return
        self._told = True
        raise Exceeded


_current: _Watch | None = None


@contextlib.contextmanager
def _as_current(watch: _Watch) -> Iterator[None]:
    global _current
    if _current is not None or threading.current_thread() is not threading.main_thread():
        raise ValueError("limits are held once at a time, in the main thread")
    _current = watch
    try:
        yield
    finally:
        _current = None


@contextlib.contextmanager
def _bounded(limits: Limits) -> Iterator[None]:
    """Let allocations fail that no look at the memory would come in time for; inherited by processes of models."""
    if limits.memory is None:
        yield
        return
    soft, most = resource.getrlimit(resource.RLIMIT_DATA)
    # Much is reserved and never used, by threads and by allocators: hence twice.
    wanted = _reserved() + 2 * limits.memory
    bound = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, most))


@contextlib.contextmanager
def _ended_late(seconds: float | None) -> Iterator[None]:
    """End the process where no signal gets through: a library that holds the interpreter does not come back."""
    if seconds is None:
        yield
        return
    with contextlib.suppress(RuntimeError, ValueError, OSError):  # a standard error that is closed
        faulthandler.dump_traceback_later(seconds + _ENDED_AFTER, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _memory_in_use() -> int:
    """Return the bytes of memory of this process, without those of files; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            _, resident, shared = file.read().split()[:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _reserved() -> int:
    """Return the bytes that RLIMIT_DATA counts now, 0 where the system does not say."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            found = re.search(r"^VmData:\s*([0-9]+) kB$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) << 10 if found is not None else 0


def _memory(most: int) -> Diagnostic:
    return Diagnostic(
        "E1462",
        f"it needs more than {_bytes(most)} of memory",
        None,
        "it was stopped, and nothing is half written",
        ("allow more, if the recipe is worth it: `--limits memory=16GB`", "with fewer --threads it needs less"),
    )


def _bytes(size: int) -> str:
    for unit, one in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= one:
            return f"{size / one:.3g} {unit}"
    return f"{size} bytes"
