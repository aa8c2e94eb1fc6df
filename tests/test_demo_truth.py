"""What the truth says of a subset of the demo pool, against counts made row by row."""

from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
from dcql.demo.truth import DATA, UID, profile, uids


@cache
def rows() -> list[dict]:
    """Return the truth, a sample a row."""
    return pq.read_table(DATA / "truth.parquet").to_pylist()


def of(kept: list[dict]) -> np.ndarray:
    """Write uids as DataComp does, from their digits."""
    pairs = [(int(row["uid"][:16], 16), int(row["uid"][16:], 16)) for row in kept]
    return np.array(pairs, dtype="u8,u8")


CLASSES = {
    "clean English": lambda row: (
        row["caption_right"]
        and row["language"] == "en"
        and not (row["off_topic"] or row["tiny"] or row["wide"] or row["boilerplate"])
    ),
    "wrong caption": lambda row: not row["caption_right"] and not row["boilerplate"],
    "boilerplate": lambda row: row["boilerplate"],
    "duplicate": lambda row: row["duplicate"] in ("exact", "reencoded"),
    "off topic": lambda row: row["off_topic"] in ("flag", "pattern"),
    "off topic: flag": lambda row: row["off_topic"] == "flag",
    "off topic: pattern": lambda row: row["off_topic"] == "pattern",
}


def test_shares_are_those_counted_row_by_row() -> None:
    chosen = [rows()[i] for i in np.random.default_rng(1).permutation(len(rows()))[:5_000]]
    found = profile(of(chosen))
    assert found.rows == 5_000
    assert found.among_kept.keys() == found.of_class.keys() == found.whole.keys() == CLASSES.keys()
    for name, belongs in CLASSES.items():
        kept, every = sum(map(belongs, chosen)), sum(map(belongs, rows()))
        assert 0 < kept < every
        assert found.among_kept[name] == pytest.approx(kept / 5_000)
        assert found.of_class[name] == pytest.approx(kept / every)
        assert found.whole[name] == pytest.approx(every / len(rows()))


@pytest.mark.parametrize("name", CLASSES)
def test_a_subset_of_one_class_is_that_class(name: str) -> None:
    found = profile(of([row for row in rows() if CLASSES[name](row)]))
    assert found.among_kept[name] == found.of_class[name] == 1


def test_all_rows_have_the_shares_of_the_pool() -> None:
    found = profile(of(rows()))
    assert found.rows == 21_427
    assert found.among_kept == found.whole
    assert set(found.of_class.values()) == {1}
    assert found.whole["clean English"] == pytest.approx(0.204, abs=0.0005)


def test_a_repeated_uid_counts_once_in_any_order() -> None:
    chosen = of(rows()[:100])
    assert profile(np.concatenate([chosen[::-1], chosen[:50]])) == profile(chosen)


def test_nothing_kept_has_no_shares() -> None:
    found = profile(np.empty(0, dtype=UID))
    assert found.rows == 0
    assert all(np.isnan(share) for share in found.among_kept.values())
    assert set(found.of_class.values()) == {0}


def test_uids_are_read_high_half_first() -> None:
    read = uids(pq.read_table(DATA / "truth.parquet"))
    assert read.dtype == UID
    assert np.array_equal(read, of(rows()).astype(UID))


def test_other_arrays_and_other_pools_are_refused() -> None:
    strange = of(rows()[:3])
    strange[1] = (1, 2)
    with pytest.raises(ValueError, match="1 of 3 uids are not of the demo pool"):
        profile(strange)
    for wrong in (np.zeros((2, 2), np.uint64), np.zeros(3, "u8,i8"), np.zeros((2, 2), UID)):
        with pytest.raises(ValueError, match=r"dtype \(u8, u8\)"):
            profile(wrong)
