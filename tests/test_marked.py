"""A subset that reads its uids from those of its pool is the subset that holds them: same uids, copies, hash, file."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dcql.engine.marked import Bits, Bytes, Marked, for_duckdb, marks_of
from dcql.errors import RunError
from dcql.subset import PIECE, UID, Subset

# More than two pieces, and no multiple of one, nor of 8.
ROWS = 2 * PIECE + 13


def uids_of(rows: int) -> NDArray[np.void]:
    drawn = np.random.default_rng(5).integers(0, 2**64, (rows, 2), np.uint64)
    return np.sort(drawn.view(UID).ravel(), order=("f0", "f1"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.void]]:
    path = tmp_path_factory.mktemp("marked") / "uids.npy"
    uids = uids_of(ROWS)
    np.save(path, uids)
    return path, uids


def same(marked: Subset, held: Subset, folder: Path) -> None:
    assert (marked.distinct, marked.total, marked.hash) == (held.distinct, held.total, held.hash)
    marked.save(folder / "marked.npy")
    held.save(folder / "held.npy")
    assert (folder / "marked.npy").read_bytes() == (folder / "held.npy").read_bytes()
    assert list(marked.hex()) == list(held.hex())
    assert marked == held
    assert held == marked


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 1])
@pytest.mark.parametrize("kind", [Bits, Bytes])
def test_a_set(pool: tuple[Path, NDArray[np.void]], kind: type, share: float, tmp_path: Path) -> None:
    path, uids = pool
    rng = np.random.default_rng(1)
    kept = np.flatnonzero(rng.random(ROWS) < share).astype(np.uint32)
    marks = Bits(ROWS) if kind is Bits else Bytes(ROWS, np.bool_)
    for part in np.array_split(rng.permutation(kept), 7):
        marks.add(part, None)
    same(Marked(marks, path), Subset(uids[kept]), tmp_path)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("most", [1, 3, 255, 256, 70_000])
def test_a_bag(pool: tuple[Path, NDArray[np.void]], most: int, tmp_path: Path) -> None:
    path, uids = pool
    rng = np.random.default_rng(2)
    kept = np.flatnonzero(rng.random(ROWS) < 0.01).astype(np.uint32)
    copies = rng.integers(1, most, len(kept), np.uint32, endpoint=True)
    copies[len(kept) // 2] = most
    marks = marks_of(ROWS, has_copies=True)
    for part in np.array_split(rng.permutation(len(kept)), 7):
        marks.add(kept[part], copies[part].astype(np.int64))
    same(Marked(marks, path), Subset(uids[kept], copies), tmp_path)


@pytest.mark.parametrize("marks", [Bits(ROWS), Bytes(ROWS, np.bool_), Bytes(ROWS, np.uint8)])
def test_a_rank_beyond_the_pool(marks: Bits | Bytes) -> None:
    """Bits round up to bytes, which must not hide it."""
    with pytest.raises(IndexError):
        marks.add(np.array([3, ROWS], np.uint32), None)


@pytest.mark.parametrize("fault", ["shorter", "longer", "others", "none"])
def test_uids_that_are_not_those_of_the_pool(fault: str, tmp_path: Path) -> None:
    path = tmp_path / "uids.npy"
    if fault == "none":
        path.write_bytes(b"")
    else:
        rows = {"shorter": 90, "longer": 110}.get(fault, 100)
        np.save(path, np.arange(100) if fault == "others" else uids_of(rows))
    if fault == "shorter":
        # The header tells of as many as there should be.
        np.save(path, uids_of(100))
        path.write_bytes(path.read_bytes()[:-16])
    marks = marks_of(100, has_copies=False)
    marks.add(np.arange(50, dtype=np.uint32), None)
    with pytest.raises(RunError) as raised:
        Marked(marks, path).hash  # noqa: B018
    assert raised.value.diagnostics[0].code == "E0756"


def test_duckdb_gets_what_the_rest_leaves() -> None:
    assert for_duckdb(4_000_000_000, 128_000_000, False) == 4_000_000_000 - 320_000_000 - 16_000_000
    assert for_duckdb(4_000_000_000, 128_000_000, True) == 4_000_000_000 - 320_000_000 - 128_000_000
    assert for_duckdb(100_000_000, 1_000, False) == 50_000_000
