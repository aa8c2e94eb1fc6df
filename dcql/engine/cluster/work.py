"""What is done to one file of a pool, as data that travels to another process, and how it is done there."""

import errno
import os
import pickle
import resource
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import dcql
from dcql.catalog import store
from dcql.errors import DcqlError, Diagnostic
from dcql.files import first_line

Content = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Needs:
    """What one file's work takes of a node: cores, GPUs, and bytes of memory where that is to be counted."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One file's share of some work.

    `file` names it in errors, `rows` counts for progress. `given` is small plain data. `attached` are files of this
    process that others may not see, by name, which are read when the item is sent; `contents` is what they hold, where
    it is done. `key` tells its result apart from all others, and is empty where the result is not kept.
    """

    file: str
    rows: int
    given: Any
    key: str = ""
    attached: Mapping[str, Path] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)

    def packed(self) -> "Item":
        """Return the item as it travels. Raises OSError where an attached file cannot be read."""
        return replace(self, attached={}, contents={name: path.read_bytes() for name, path in self.attached.items()})


@dataclass(frozen=True)
class Work:
    """Work on the files of a pool: `do(started, item)` returns the bytes for one.

    `start(given)` makes `started` once in each process that does some of it; without `start` it is `given`. All
    functions stand at the top of a module, so that they are found where they are done. `name` is for progress. Items of
    up to `together` rows in all may be sent as one; 0 sends each by itself, which is for work of seconds an item.
    `do_several(started, items)`, where there is one, takes less for items that were sent together: it yields the same
    bytes for each, in order. Where it fails, those that it did not come to are done by `do`, which says at what.
    """

    name: str
    do: Callable[[Any, Item], bytes]
    given: Any
    start: Callable[[Any], Any] | None = None
    needs: Needs = Needs()
    together: int = 0
    do_several: Callable[[Any, Sequence[Item]], Iterator[bytes]] | None = None
    version: str = dcql.__version__
    home: str = field(default_factory=lambda: str(store.home()))
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, slots=True)
class Done:
    """The bytes of an item, and the CPU seconds that they took: user and system, of all threads."""

    content: Content
    cpu_seconds: float

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Out of band where there is such a thing: as a part of what is pickled, bytes are copied several times more.
        content = pickle.PickleBuffer(self.content) if protocol >= 5 else bytes(self.content)
        return _arrived, (content, self.cpu_seconds)


def _arrived(content: Any, cpu_seconds: float) -> Done:
    return Done(content if isinstance(content, bytes) else memoryview(content), cpu_seconds)


@dataclass(frozen=True, slots=True)
class Failed:
    """Why an item could not be done, as an error of ours says it."""

    diagnostics: tuple[Diagnostic, ...]


Attempt = Done | Failed


class Executor(Protocol):
    """Where work is done."""

    @property
    def lanes(self) -> int:
        """How many items are done at once, as far as is known."""

    @property
    def threads(self) -> int | None:
        """How many threads an item may use, None for all cores."""

    @property
    def gpus(self) -> int:
        """How many GPUs there are now."""

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        """Try every item; yield each once, in any order. Items are taken as there is room for them."""


@dataclass(frozen=True)
class InProcess:
    """Does work here, one item after the other."""

    threads: int | None = None
    gpus: int = 0

    @property
    def lanes(self) -> int:
        """One."""
        return 1

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        """Try every item, in order."""
        try:
            for item in items:
                yield item, attempt(work, item.packed())
        finally:
            forget()


_started: tuple[str, Any] | None = None


def attempt(work: Work, item: Item) -> Attempt:
    """Do an item that was packed. What goes wrong is returned, for not every exception survives the way back."""
    before = _cpu_seconds()
    if work.version != dcql.__version__:
        return Failed((_other_version(work.version),))
    try:
        content = work.do(_start(work), item)
    except DcqlError as error:
        return Failed(error.diagnostics)
    except (OSError, MemoryError) as error:
        return Failed((_of_node(error, item),))
    return Done(content, _cpu_seconds() - before)


def attempt_each(work: Work, items: Sequence[Item]) -> Iterator[Attempt]:
    """Do items that were packed and sent together, in order; end after the first that fails."""
    done = 0
    if work.do_several is not None and len(items) > 1 and work.version == dcql.__version__:
        before = _cpu_seconds()
        try:
            for content in work.do_several(_start(work), items):
                now = _cpu_seconds()
                yield Done(content, now - before)
                before = now
                done += 1
        except (DcqlError, OSError, MemoryError):
            pass  # by itself an item says what is wrong with it
    for item in items[done:]:
        found = attempt(work, item)
        yield found
        if not isinstance(found, Done):
            return


def forget() -> None:
    """Forget what was made for the work that this process did last; where it can be closed, close it."""
    global _started
    before, _started = _started, None
    if before is not None and hasattr(before[1], "close"):
        before[1].close()


def _start(work: Work) -> Any:
    global _started
    if work.start is None:
        return work.given
    if _started is None or _started[0] != work.token:
        forget()
        _started = (work.token, work.start(work.given))
    return _started[1]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime


def _other_version(wanted: str) -> Diagnostic:
    return Diagnostic(
        "E0782",
        f"the node `{socket.gethostname()}` has dcql {dcql.__version__}, and this is dcql {wanted}",
        None,
        "results of one run come from one version",
        (f"install it on every node: `pip install 'dcql[ray]=={wanted}'`",),
    )


def _of_node(error: OSError | MemoryError, item: Item) -> Diagnostic:
    node = socket.gethostname()
    if isinstance(error, MemoryError):
        help_ = "give each worker less to do at once, or the node more memory: see docs/cluster.md"
        return Diagnostic("E0784", f"`{item.file}` could not be done", None, f"no memory left on `{node}`", (help_,))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Diagnostic(
            "E0783",
            f"the disk of the node `{node}` is full",
            None,
            f"while `{item.file}` was done, process {os.getpid()}: {first_line(error)}",
            ("free some space there and run it again: finished files are not done twice",),
        )
    help_ = "every node has to see the pool and DCQL_HOME under the same paths"
    return Diagnostic("E0784", f"`{item.file}` could not be done on `{node}`", None, first_line(error), (help_,))
