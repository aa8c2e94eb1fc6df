"""Asking for blocks before they are wanted.

A scan reads the same columns of one row group after the other, file by file. Who reads a column of two in turn is taken
to go on, and more of them are asked for the further it goes; who reads one row group of one file costs nothing more.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from dcql.remote.layouts import Range
from dcql.remote.objects import RemoteFile, blocks

_MOST_BYTES = 64 << 20  # on their way or waiting
_MOST_GROUPS = 8  # row groups ahead of the reader
_IN_CHUNK = 2  # blocks ahead within a column chunk: it is read to its end

Place = tuple[str, int]  # a file by its URL, and a row group


@dataclass
class _Scan:
    """How a column of a folder's files is read: the row groups that were wanted, the last of them, and how many."""

    last: Place = ("", -1)
    turns: int = 0
    seen: set[Place] = field(default_factory=set)


class Ahead:
    """Watches what is read, and asks for what follows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scans: dict[tuple[str, str], _Scan] = {}
        self._ends: dict[str, int] = {}

    def read(self, file: RemoteFile, block: Range) -> None:
        """Take note that a reader wants a block of a file."""
        if file.store.near:
            return
        layout = file.layout
        if not layout.chunks and not self._in_turn(file, block):
            return
        following: Range | None = block
        for _ in range(_IN_CHUNK):
            following = layout.after(following) if following is not None else None
            if following is not None and blocks.waiting() < _MOST_BYTES:
                blocks.ahead(file, following)
        chunk = layout.chunk_of(block)
        if chunk is None or layout.chunks[chunk][0] < block[0]:
            return  # within a chunk, of which the beginning was noted
        group, column = chunk
        groups = self._turn(file, group, column)
        if groups:
            blocks.in_background(lambda: self._go_on(file, group, column, groups))

    def _in_turn(self, file: RemoteFile, block: Range) -> bool:
        """Return whether a block of a file without chunks is read after the one before it."""
        with self._lock:
            before = self._ends.get(file.url)
            self._ends[file.url] = block[1]
        return before == block[0]

    def _turn(self, file: RemoteFile, group: int, column: str) -> int:
        """Return how many row groups to ask for ahead."""
        folder = file.url.rpartition("/")[0]
        place = file.url, group
        with self._lock:
            scan = self._scans.setdefault((folder, column), _Scan())
            if place in scan.seen:
                if place != scan.last:  # another scan, from the beginning
                    self._scans[folder, column] = _Scan(place, 1, {place})
                return 0
            scan.seen.add(place)
            # Threads of one scan may come in another order.
            if place < scan.last and scan.turns > 1:
                return 0
            scan.turns += 1
            scan.last = max(scan.last, place)
            return min(_MOST_GROUPS, 2 ** (scan.turns - 1)) if scan.turns > 1 else 0

    def _go_on(self, file: RemoteFile, group: int, column: str, groups: int) -> None:
        for there, number in _places_after(file, group, groups):
            chunk = there.layout.chunks.get((number, column))
            if chunk is None:
                return
            for block in there.layout.blocks(*chunk):
                if blocks.waiting() >= _MOST_BYTES:
                    return
                blocks.ahead(there, block)


def _places_after(file: RemoteFile, group: int, count: int) -> Iterator[tuple[RemoteFile, int]]:
    here: RemoteFile | None = file
    for _ in range(count):
        group += 1
        while here is not None and group >= here.layout.groups:
            here, group = here.following, 0
        if here is None:
            return
        yield here, group


ahead = Ahead()
