"""Ranks in order, and subsets that are marks on a pool's uids."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcql.catalog.pool import PoolFile
from dcql.engine.marked import Marked, marks_of
from dcql.engine.ranks import InOrder
from dcql.errors import RunError
from dcql.subset import UID, Subset

SIZES = [5, 0, 3, 8]


@pytest.fixture
def files(tmp_path: Path) -> list[PoolFile]:
    """Write the ranks of some files: 0, 1, 2, .. through all of them."""
    made = []
    first = 0
    for number, rows in enumerate(SIZES):
        rank = tmp_path / f"{number}.npy"
        np.save(rank, np.arange(first, first + rows, dtype=np.uint32))
        made.append(PoolFile(f"{number}", "", rows, None, rank))
        first += rows
    return made


@pytest.mark.parametrize("pieces", [[16], [5, 3, 8], [1] * 16, [4, 4, 8], [6, 10], [0, 15, 0, 1]])
def test_ranks_come_in_order_whatever_is_taken(pieces: list[int], files: list[PoolFile]) -> None:
    ranks = InOrder(files)
    found = [rank for piece in pieces for rank in ranks.take(piece).tolist()]
    assert found == list(range(16))
    assert ranks.done == 16
    ranks.finish()


def test_too_few_and_too_many_ranks_are_told(files: list[PoolFile]) -> None:
    ranks = InOrder(files)
    with pytest.raises(RunError, match="E0756"):
        ranks.take(17)
    ranks = InOrder(files)
    ranks.take(8)
    with pytest.raises(RunError, match="E0756"):
        ranks.finish()


@pytest.mark.parametrize(
    "content",
    [np.arange(2, dtype=np.uint64), np.zeros((2, 2), np.uint32), b"no array", b""],
    ids=["wide", "matrix", "text", "empty"],
)
def test_files_that_hold_no_ranks_are_told(content: object, files: list[PoolFile]) -> None:
    assert files[0].rank is not None
    if isinstance(content, bytes):
        files[0].rank.write_bytes(content)
    else:
        np.save(files[0].rank, content)  # type: ignore[arg-type]
    with pytest.raises(RunError, match="E0756"):
        InOrder(files).take(1)


def test_a_rank_file_that_was_cut_off_is_told(files: list[PoolFile]) -> None:
    assert files[3].rank is not None
    files[3].rank.write_bytes(files[3].rank.read_bytes()[:-4])
    with pytest.raises(RunError, match="E0756"):
        InOrder(files).take(16)


def pool_of(tmp_path: Path, rows: int) -> np.ndarray:
    """Write the sorted uids of a pool and return them; some share their first half."""
    uids = np.zeros(rows, UID)
    uids["f0"], uids["f1"] = np.arange(rows) // 3 << 45, np.arange(rows) % 3
    np.save(tmp_path / "uids.npy", uids)
    return uids


def marked(taken: np.ndarray, path: Path) -> Marked:
    """Return a subset that takes each sample so often, or those that are True."""
    has_copies = taken.dtype != np.bool_
    marks = marks_of(len(taken), has_copies)
    ranks = np.flatnonzero(taken).astype(np.uint32)
    marks.add(ranks, taken[ranks] if has_copies else None)
    return Marked(marks, path)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_marks_are_the_subset_of_their_uids(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("pool")
    rows = data.draw(st.sampled_from([1, 40, 70_000, 200_000]))
    uids = pool_of(folder, rows)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    share = data.draw(st.sampled_from([0.0, 0.001, 0.3, 1.0]))
    copies = data.draw(st.sampled_from([None, 1, 3]))
    taken = rng.random(rows) < share
    marks = taken if copies is None else np.where(taken, rng.integers(1, copies + 1, rows), 0).astype(np.uint8)
    found = marked(marks, folder / "uids.npy")
    wanted = Subset.from_uids(uids[taken], None if copies is None else marks[taken].astype(np.int64))
    assert (found.distinct, found.total) == (wanted.distinct, wanted.total)
    found.save(folder / "found.npy")
    wanted.save(folder / "wanted.npy")
    assert (folder / "found.npy").read_bytes() == (folder / "wanted.npy").read_bytes()
    assert found.hash == Subset.from_uids(uids[taken], wanted.copies).hash
    assert marked(marks, folder / "uids.npy").hash == wanted.hash
    assert found == wanted
    assert list(found.hex())[:5] == list(wanted.hex())[:5]
    assert pickle.loads(pickle.dumps(found)) == wanted
    shutil.rmtree(folder)


def test_uids_stay_when_their_pool_goes(tmp_path: Path) -> None:
    uids = pool_of(tmp_path, 100)
    found = marked(np.arange(100) % 2 == 0, tmp_path / "uids.npy")
    (tmp_path / "uids.npy").unlink()
    assert np.array_equal(found.uids, uids[::2])
    assert not found.uids.flags.writeable


def test_uids_of_another_pool_are_told(tmp_path: Path) -> None:
    uids = pool_of(tmp_path, 100)
    with pytest.raises(RunError, match="E0756"):
        marked(np.ones(99, np.bool_), tmp_path / "uids.npy")
    content = (tmp_path / "uids.npy").read_bytes()
    (tmp_path / "uids.npy").write_bytes(content[:-1])
    with pytest.raises(RunError, match="E0756"):
        _ = marked(np.ones(100, np.bool_), tmp_path / "uids.npy").hash
    uids[50] = uids[49]
    np.save(tmp_path / "uids.npy", uids)
    with pytest.raises(ValueError, match="ascend"):
        _ = marked(np.ones(100, np.bool_), tmp_path / "uids.npy").hash
