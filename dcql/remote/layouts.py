"""Where the blocks of a file begin. A block is what is asked for and kept as one.

In a parquet file a block is a column chunk, so that nothing of other columns is fetched; large chunks are cut, and
small ones that lie side by side are one block. Other files are cut every 4 MiB.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

Range = tuple[int, int]

TAIL = 1 << 16  # bytes at a parquet file's end that every reader asks for first
PIECE = 8 << 20  # the largest block: what a connection to an object store carries in a tenth of a second
GRID = 4 << 20
_SMALL = 1 << 16  # chunks below this cost less with their neighbour than alone
_HEAD = 4
# DuckDB asks for more of the end of a large file: it gets that, and not the column that reaches into it.
_LARGE = 32 << 20
_TAILS = tuple(TAIL << doubled for doubled in range(5))


@dataclass(frozen=True, slots=True)
class Layout:
    """The blocks of a file: `cuts` ascend from 0 to its size.

    `chunks` are the first blocks of column chunks, by row group and column; empty for other files than parquet.
    """

    cuts: tuple[int, ...]
    chunks: dict[tuple[int, str], Range]
    columns: dict[int, tuple[int, str]]
    groups: int

    def blocks(self, start: int, end: int) -> Iterator[Range]:
        """Yield the blocks that hold the bytes from `start` to before `end`."""
        first = bisect_right(self.cuts, start) - 1
        last = bisect_left(self.cuts, end)
        for place in range(max(0, first), min(last, len(self.cuts) - 1)):
            yield self.cuts[place], self.cuts[place + 1]

    def after(self, block: Range) -> Range | None:
        """Return the block that follows in the same column chunk, or in a file without chunks; None at the end."""
        place = bisect_left(self.cuts, block[1])
        if place + 1 >= len(self.cuts):
            return None
        chunk = self.chunk_of(block)
        if chunk is None and self.chunks:
            return None
        if chunk is not None and self.cuts[place] >= self.chunks[chunk][1]:
            return None
        return self.cuts[place], self.cuts[place + 1]

    def chunk_of(self, block: Range) -> tuple[int, str] | None:
        """Return the row group and the column of the chunk that a block begins with, None for what is in none."""
        return self.columns.get(block[0])


def grid(size: int) -> Layout:
    """Return the layout of a file that is not parquet."""
    return Layout((*range(0, size, GRID), size), {}, {}, 0)


def pieces(start: int, end: int) -> Iterator[Range]:
    """Cut a stretch into blocks of its own."""
    for first in range(start, end, PIECE):
        yield first, min(end, first + PIECE)


def parquet(footer: bytes, size: int) -> Layout:
    """Return the layout of a parquet file by its footer, as the file has it; what it says is not believed but cut to.

    Raises ValueError for a footer that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(pa.BufferReader(b"PAR1" + footer))
        found: list[tuple[int, int, int, str]] = []
        for group in range(metadata.num_row_groups):
            described = metadata.row_group(group)
            for place in range(described.num_columns):
                column = described.column(place)
                start = column.data_page_offset
                if column.has_dictionary_page and column.dictionary_page_offset:
                    start = min(start, column.dictionary_page_offset)
                end = start + column.total_compressed_size
                if 0 <= start < end <= size:
                    found.append((start, end, group, column.path_in_schema))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ValueError(str(error)) from error
    return _layout(sorted(found), size, metadata.num_row_groups)


def _layout(found: list[tuple[int, int, int, str]], size: int, groups: int) -> Layout:
    tail = max(0, size - TAIL)
    edges = (
        {0, size}
        | {size - more for more in _TAILS if size > _LARGE}
        | {tail}
        | {start for start, *_ in found}
        | {end for _, end, *_ in found}
    )
    cuts = tuple(_cuts(sorted(edges - ({_HEAD} if tail > _HEAD else set())), tail))
    chunks: dict[tuple[int, str], Range] = {}
    columns: dict[int, tuple[int, str]] = {}
    for start, end, group, column in found:
        chunks[group, column] = (start, end)
        first = max(0, bisect_right(cuts, start) - 1)
        for place in range(first, bisect_left(cuts, end)):
            columns.setdefault(cuts[place], (group, column))
    return Layout(cuts, chunks, columns, groups)


def _cuts(edges: list[int], tail: int) -> Iterator[int]:
    """Yield edges so that what lies between two is neither a few bytes beside a few others, nor too much.

    The tail is one block, whatever begins in it.
    """
    last = 0
    yield 0
    for edge, following in itertools.pairwise([*(edge for edge in edges if edge <= tail), edges[-1], edges[-1]]):
        small = edge - last < _SMALL and following - edge < _SMALL
        if edge == last or (small and edge < tail):
            continue
        # Parts of one size, so that the last is not a few bytes.
        parts = -(-(edge - last) // PIECE)
        for part in range(1, parts + 1):
            yield last + (edge - last) * part // parts
        last = edge
