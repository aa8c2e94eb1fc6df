"""The subset: its hash (the vectors of the specification), its set algebra and its file."""

import hashlib
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcql.errors import RunError
from dcql.subset import UID, Subset, sort_order

MD5 = [hashlib.md5(str(i).encode()).hexdigest() for i in range(1000)]
VECTORS = [
    ([], None, "b0a70e9958c6a6e87a9333267e0fb3c9519d87b56e8fe23da08980902e83ab7d"),
    (["00" * 16], [1], "96a2a946edf05e6ed96c076e9d9a1e23af3fa95115c232fa57cbdd42d4e834bd"),
    (["00" * 16], [2], "9bcd65737e198c3760b05dcda0809a6eaff82ad9637824ed63a8844fb1595d57"),
    (["ff" * 16], None, "b4101946132b89acf4828b0b0267cf0c084bcd96525c55211c55ec18546735c8"),
    (["00" * 16, "ff" * 16], None, "5ade1e3e92230b720d4cb04e870446ec0e62def1d681c252790f9da8d46b502f"),
    (MD5, None, "1bf67579aa085698ee0b0a30463c4eeece7fcb632e7da121ec8977d0be6defdd"),
    (MD5, [i % 3 + 1 for i in range(1000)], "8f89d8298099a340d80d6db10cb21031f147c71cd56f588b7d1b0af2350fbba9"),
]
# Few values, so that uids meet; either half alone ties often.
numbers = st.sampled_from([0, 1, 2**52, 2**63, 2**64 - 1])
pairs = st.lists(st.tuples(numbers, numbers), max_size=30)


def uids(pairs):
    return np.array(pairs, UID)


def bag(hexes, copies=None):
    found = uids([(int(text[:16], 16), int(text[16:], 16)) for text in hexes])
    return Subset.from_uids(found, None if copies is None else np.array(copies))


def test_hash_vectors():
    for hexes, copies, digest in VECTORS:
        assert bag(hexes, copies).hash == f"dcql1:{digest}"


def slow_hash(counted: Counter) -> str:
    """The hash as the specification says it, record by record."""
    tag = b"dcql.subset.v1\0"
    leaves = [b""] * 4096
    for (high, low), count in sorted(counted.items()):
        leaves[high >> 52] += struct.pack(">QQI", high, low, count)
    level = [hashlib.sha256(tag + b"\0" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = [hashlib.sha256(tag + b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    counts = struct.pack(">BQQ", 12, len(counted), sum(counted.values()))
    return "dcql1:" + hashlib.sha256(tag + b"\2" + counts + level[0]).hexdigest()


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_hash_is_that_of_the_specification(found):
    assert Subset.from_uids(uids(found)).hash == slow_hash(Counter(found))


def test_hash_of_one_crowded_leaf_takes_pieces(monkeypatch):
    monkeypatch.setattr("dcql.subset.PIECE", 7)
    found = [(i // 10, i) for i in range(100)] + [(2**64 - 1, i) for i in range(20)]
    assert Subset.from_uids(uids(found)).hash == slow_hash(Counter(found))


@settings(max_examples=100, deadline=None)
@given(pairs, pairs)
def test_set_algebra(left, right):
    a, b = Subset.from_uids(uids(left)), Subset.from_uids(uids(right))
    for got, want in ((a | b, {*left} | {*right}), (a & b, {*left} & {*right}), (a - b, {*left} - {*right})):
        assert got == Subset.from_uids(uids(sorted(want)))
        assert got.copies is None


def test_copies_add_up():
    subset = Subset.from_uids(uids([(2, 0), (1, 0), (2, 0)]), np.array([3, 1, 4]))
    assert subset.copies.tolist() == [1, 7]
    assert (subset.distinct, subset.total, len(subset)) == (2, 8, 2)
    assert list(subset.hex()) == [f"{1:016x}{0:016x}", f"{2:016x}{0:016x}"]
    assert Subset.from_uids(subset.uids, np.array([1, 1])).copies is None


def test_equality_counts_copies():
    once, twice = bag(MD5[:2]), bag(MD5[:2], [1, 2])
    assert once == bag(MD5[:2][::-1])
    assert once != twice
    assert once != bag(MD5[:3])
    assert len({once, bag(MD5[:2]), twice}) == 2


def test_arrays_are_read_only():
    subset = bag(MD5)
    with pytest.raises(ValueError, match="read-only"):
        subset.uids["f0"][0] = 1


@pytest.mark.parametrize("wrong", [0, -1, 2**32])
def test_copies_out_of_range(wrong):
    with pytest.raises(RunError, match="E0735"):
        bag(MD5[:2], [1, wrong])


def test_sum_of_copies_out_of_range():
    with pytest.raises(RunError, match="E0735"):
        bag(["00" * 16] * 2, [2**32 - 1, 1])


def test_constructor_refuses_other_arrays():
    for wrong in (np.zeros(2, np.uint64), uids([(1, 0), (0, 0)]), uids([(1, 0), (1, 0)])):
        with pytest.raises(ValueError, match="uids"):
            Subset(wrong)
    with pytest.raises(ValueError, match="copies"):
        Subset(uids([(1, 0)]), np.zeros(1, np.uint32))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=40))
def test_sort_order(found):
    array = uids(found)
    order = sort_order(array["f0"].copy(), array["f1"].copy())
    assert [tuple(pair) for pair in array[order].tolist()] == sorted(found)


@pytest.mark.parametrize("kind", ["random", "few highs", "one high", "sequence"])
def test_sort_order_of_many(kind):
    rng = np.random.default_rng(1)
    high, low = rng.integers(0, 2**64, (2, 200_000), dtype=np.uint64)
    if kind == "few highs":
        high %= np.uint64(1000)
    elif kind == "one high":
        high[:] = 5
    elif kind == "sequence":
        high = np.arange(200_000, dtype=np.uint64)[::-1].copy()
    order = sort_order(high, low)
    want = np.lexsort((low, high))
    assert (high[order] == high[want]).all()
    assert (low[order] == low[want]).all()


def test_file_is_byte_for_byte_numpys(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("dcql.subset.PIECE", 10)
    monkeypatch.setattr("dcql.subset._CHUNK", 10)
    subset = bag(MD5[:95], [i % 40 + 1 for i in range(95)])
    subset.save(tmp_path / "s.npy")
    np.save(tmp_path / "numpy.npy", np.repeat(subset.uids, subset.copies))
    assert (tmp_path / "s.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert Subset.load(tmp_path / "s.npy") == subset
    bag(MD5).save(tmp_path / "s.npy")
    np.save(tmp_path / "numpy.npy", bag(MD5).uids)
    assert (tmp_path / "s.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["numpy.npy", "s.npy"]


def test_empty_file(tmp_path: Path):
    bag([]).save(tmp_path / "s.npy")
    assert Subset.load(tmp_path / "s.npy") == bag([])


def test_raw_file_without_header(tmp_path: Path):
    raw = np.memmap(tmp_path / "raw.npy", UID, "w+", shape=(1000,))
    raw[:] = bag(MD5).uids
    raw.flush()
    assert Subset.load(tmp_path / "raw.npy") == bag(MD5)


def test_a_failed_save_leaves_the_earlier_file(tmp_path: Path, monkeypatch):
    bag(MD5[:5]).save(tmp_path / "s.npy")

    def full(self, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Subset, "_write", full)
    with pytest.raises(RunError, match="E0736"):
        bag(MD5).save(tmp_path / "s.npy")
    monkeypatch.undo()
    assert Subset.load(tmp_path / "s.npy") == bag(MD5[:5])
    assert os.listdir(tmp_path) == ["s.npy"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"uids:\n", "E0730"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': bad}  ", "E0730"),
        (b"\x93NUM", "E0730"),
        (b"", "E0734"),
        (np.arange(4), "E0731"),
        (np.zeros(2, [("f0", ">u8"), ("f1", ">u8")]), "E0731"),
        (np.zeros((2, 2), UID), "E0732"),
        (np.zeros((), UID), "E0732"),
        (np.array([(2, 0), (1, 0)], UID), "E0733"),
        (np.array([(1, 1), (1, 0)], UID), "E0733"),
        (np.array([[b"x", None]], object), "E0731"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content, code):
    path = tmp_path / "s.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(RunError, match=code):
        Subset.load(path)


@pytest.mark.parametrize("change", [-1, -16, 1, 16])
def test_truncated_and_overlong_files_are_refused(tmp_path: Path, change):
    bag(MD5).save(tmp_path / "s.npy")
    content = (tmp_path / "s.npy").read_bytes()
    (tmp_path / "s.npy").write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(RunError, match="E0734"):
        Subset.load(tmp_path / "s.npy")


def test_no_header_of_a_subset_file_is_more_than_a_message(tmp_path: Path) -> None:
    path = tmp_path / "junk.npy"
    for header in (
        b"{'shape': ]",
        b"{} }",
        b"{'descr': '<,8'}",
        b"{'descr': 08}",
        b"{b'a': 1, 'descr': 2}",
        b"(" * 200,
    ):
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        with pytest.raises(RunError, match="E0730"):
            Subset.load(path)
