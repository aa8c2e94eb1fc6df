"""A remote file in one version, and its blocks: on the disk, at hand in memory, or on their way."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dcql.errors import RunError
from dcql.remote import faults, settings
from dcql.remote.attempts import attempt
from dcql.remote.kept import Kept, key_of
from dcql.remote.layouts import TAIL, Layout, Range, grid, parquet, pieces
from dcql.remote.stores import Store

_THREADS = 16  # requests at a time: links that are far take as long for one as for all of them
_AT_HAND = 96 << 20  # bytes of blocks that stay in memory
_MAGIC = b"PAR1"


@dataclass(eq=False)
class RemoteFile:
    """A file behind a URL: its `size` in bytes and its version, `stated` as its folder listed them.

    `source` is what its store reads; `following` the next parquet file of its folder by name, None for the last.
    """

    store: Store
    url: str
    source: str
    size: int
    stated: str
    following: "RemoteFile | None" = field(default=None, repr=False)

    @cached_property
    def version(self) -> str:
        """What tells its bytes from those of other versions, empty where nothing does."""
        try:
            return self.store.settled(self.source, self.stated)
        except FileNotFoundError as error:
            raise faults.changed(self.url, "it is gone") from error

    @cached_property
    def key(self) -> str:
        """What its blocks are kept under, empty where they are not: near files, and those without a version."""
        return "" if self.store.near or not self.version else key_of(self.url, self.size, self.version)

    @cached_property
    def layout(self) -> Layout:
        """Its blocks. Raises RunError where they have to be asked for and cannot be."""
        if not self.url.endswith(".parquet") or self.size < 12:
            return grid(self.size)
        tail = blocks.here(self, (max(0, self.size - TAIL), self.size))
        length = int.from_bytes(tail[-8:-4], "little")
        if tail[-4:] != _MAGIC or length + 12 > self.size:
            return grid(self.size)
        if length + 8 > len(tail):
            tail = blocks.here(self, (self.size - length - 8, self.size))
        try:
            return parquet(tail[-8 - length :], self.size)
        except ValueError:
            return grid(self.size)

    def exactly(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end`, asking for no others. Raises RunError where they cannot be."""
        start, end = max(0, start), min(end, self.size)
        return b"".join(blocks.all(self, pieces(start, end))) if start < end else b""

    def load(self, block: Range) -> bytes:
        """Return a block from the disk, or from its store. Raises RunError where it cannot be."""
        start, end = block
        kept = Kept(settings.cache_folder(), settings.cache_limit())
        content = kept.get(self.key, start, end) if self.key else None
        if content is None:
            content = self._fetch(start, end)
            if self.key:
                kept.put(self.key, start, end, content)
        return content

    def _fetch(self, start: int, end: int) -> bytes:
        def ask(seconds: float) -> bytes:
            content = self.store.fetch(self.source, start, end, self.size, self.version, seconds)
            if len(content) != end - start:
                raise faults.ShortAnswerError(f"{len(content):,} bytes came where {end - start:,} were asked for")
            return content

        try:
            return attempt(self.url, ask, end - start)
        except faults.Changed as error:
            raise faults.changed(self.url, str(error)) from error
        except FileNotFoundError as error:
            raise faults.changed(self.url, "it is gone") from error


@dataclass
class _Held:
    content: "Future[bytes]"
    size: int
    asked: bool  # by a reader, rather than ahead of one


class Blocks:
    """The blocks at hand: each is asked for once, however many threads read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[int, Range], tuple[RemoteFile, _Held]] = OrderedDict()
        self._threads: ThreadPoolExecutor | None = None
        self._bytes = 0

    def all(self, file: RemoteFile, wanted: Iterable[Range]) -> list[bytes]:
        """Return blocks of a file, asked for together."""
        asked = [self._ask(file, block, by_reader=True) for block in wanted]
        return [self._wait(file, one) for one in asked]

    def here(self, file: RemoteFile, block: Range) -> bytes:
        """Return a block, asked for by the thread that calls: one of the threads itself may, without waiting."""
        with self._lock:
            held = self._held.get((id(file), block))
        if held is not None and held[1].content.done() and held[1].content.exception() is None:
            return held[1].content.result()
        content = file.load(block)
        done: Future[bytes] = Future()
        done.set_result(content)
        with self._lock:
            self._hold(file, block, _Held(done, len(content), asked=True))
        return content

    def ahead(self, file: RemoteFile, block: Range) -> None:
        """Ask for a block that a reader will want, unless it is at hand."""
        self._ask(file, block, by_reader=False)

    def in_background(self, do: Callable[[], None]) -> None:
        """Call something in one of the threads."""
        with self._lock:
            threads = self._started()
        threads.submit(do)

    def waiting(self) -> int:
        """Return the bytes that were asked for ahead and that no reader has wanted yet."""
        with self._lock:
            return sum(held.size for _, held in self._held.values() if not held.asked)

    def drop(self) -> None:
        """Give the memory of all blocks back; what is still on its way comes for nobody."""
        with self._lock:
            self._held.clear()
            self._bytes = 0

    def _ask(self, file: RemoteFile, block: Range, *, by_reader: bool) -> _Held:
        key = id(file), block
        with self._lock:
            found = self._held.get(key)
            if found is not None and not _failed(found[1].content):
                held = found[1]
                held.asked = held.asked or by_reader
                self._held.move_to_end(key)
                return held
            held = _Held(self._started().submit(file.load, block), block[1] - block[0], by_reader)
            self._hold(file, block, held)
            return held

    def _hold(self, file: RemoteFile, block: Range, held: _Held) -> None:
        key = id(file), block
        before = self._held.pop(key, None)
        self._bytes += held.size - (before[1].size if before is not None else 0)
        # The file is held with its block, so that no other takes its id.
        self._held[key] = file, held
        for old in list(self._held) if self._bytes > _AT_HAND else ():
            if self._bytes <= _AT_HAND or old == key:
                break
            if self._held[old][1].content.done():
                self._bytes -= self._held.pop(old)[1].size

    def _wait(self, file: RemoteFile, held: _Held) -> bytes:
        # Every request is bounded; this is for a library that does not keep to its bounds.
        bound = settings.attempts() * (settings.timeout() + held.size / 25_000) + 60
        try:
            return held.content.result(bound)
        except WaitedTooLong as error:
            if held.content.done():
                raise
            raise RunError(faults.unreachable(file.url, error, settings.attempts())) from error

    def _started(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "remote")
        return self._threads


def _failed(content: "Future[bytes]") -> bool:
    return content.done() and content.exception() is not None


blocks = Blocks()


class Known:
    """The files that this process knows, by URL: each bound to the version that was listed last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: dict[str, RemoteFile] = {}

    def get(self, url: str) -> RemoteFile | None:
        """Return a file, None where it was not listed."""
        with self._lock:
            return self._files.get(url)

    def bind(self, store: Store, path: str, size: int, stated: str) -> RemoteFile:
        """Bind a path to its size and version now; return the file, the one before where nothing changed."""
        url = store.url(path)
        source = store.source(path)
        with self._lock:
            before = self._files.get(url)
            if before is not None and stated and _about(before) == (store.identity, source, size, stated):
                return before
            found = self._files[url] = RemoteFile(store, url, source, size, stated)
            return found

    def forget(self, url: str) -> None:
        """Forget a file that this process wrote."""
        with self._lock:
            self._files.pop(url, None)


def _about(file: RemoteFile) -> tuple[Any, str, int, str]:
    return file.store.identity, file.source, file.size, file.stated


known = Known()
