"""Blocks of files: they cover every byte once, whatever a footer says."""

import itertools
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pool.samples import samples, write

from dcql.remote.layouts import GRID, PIECE, TAIL, _layout, grid, parquet, pieces

SIZES = st.integers(12, 64 << 20)


def footer_of(path: Path) -> bytes:
    content = path.read_bytes()
    return content[-8 - int.from_bytes(content[-8:-4], "little") :]


@settings(max_examples=60, deadline=None)
@given(size=SIZES, data=st.data())
def test_blocks_cover_every_byte_once(size: int, data: st.DataObject) -> None:
    places = st.integers(0, size)
    drawn = data.draw(st.lists(st.tuples(places, places, st.integers(0, 3), st.sampled_from("abc")), max_size=12))
    found = sorted((min(a, b), max(a, b), group, column) for a, b, group, column in drawn if a != b)
    layout = _layout(found, size, 4)
    assert layout.cuts[0] == 0
    assert layout.cuts[-1] == size
    assert all(0 < b - a <= max(PIECE, TAIL) + TAIL for a, b in itertools.pairwise(layout.cuts))
    start, end = sorted((data.draw(places), data.draw(places)))
    if start < end:
        blocks = list(layout.blocks(start, end))
        assert blocks[0][0] <= start < blocks[0][1]
        assert blocks[-1][0] < end <= blocks[-1][1]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(blocks))


@given(size=SIZES)
def test_files_that_are_not_parquet(size: int) -> None:
    layout = grid(size)
    assert list(layout.blocks(0, size)) == [(a, min(a + GRID, size)) for a in range(0, size, GRID)]
    block = next(layout.blocks(0, 1))
    assert layout.after(block) == ((GRID, min(2 * GRID, size)) if size > GRID else None)


@given(start=st.integers(0, 1 << 40), length=st.integers(1, 64 << 20))
def test_pieces(start: int, length: int) -> None:
    cut = list(pieces(start, start + length))
    assert cut[0][0] == start
    assert cut[-1][1] == start + length
    assert all(b - a <= PIECE for a, b in cut)


def test_a_large_chunk_has_blocks_of_its_own(tmp_path: Path) -> None:
    path = write(samples(20_000), tmp_path / "a.parquet", group=10_000)
    size = path.stat().st_size
    layout = parquet(footer_of(path), size)
    metadata = pq.read_metadata(path)
    for group in range(2):
        described = metadata.row_group(group)
        for place in range(described.num_columns):
            column = described.column(place)
            start = column.dictionary_page_offset or column.data_page_offset
            end = start + column.total_compressed_size
            blocks = list(layout.blocks(start, end))
            # Nothing is fetched with it but small neighbours.
            assert blocks[-1][1] - blocks[0][0] <= end - start + 2 * TAIL
    assert layout.groups == 2


def test_the_end_of_a_file_is_not_the_column_that_reaches_into_it() -> None:
    """DuckDB asks for 64 KiB of the end of a small file, and for twice as much of a larger one."""
    size = 100 << 20
    layout = _layout([(4, 20 << 20, 0, "uid"), (20 << 20, size - 2_000, 0, "sha256")], size, 1)
    for asked in (TAIL, 2 * TAIL, 4 * TAIL):
        first = next(layout.blocks(size - asked, size))
        assert first[0] == size - asked


@pytest.mark.parametrize("footer", [b"", b"PAR1", b"\xff" * 100, b"\0\0\0\0PAR1"])
def test_a_footer_that_is_none(footer: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)parquet|thrift|footer"):
        parquet(footer, 1_000)
