"""Differences and exports, against plain Python."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pools import ADVERSARIAL

from dcql.catalog.pool import open_pool
from dcql.engine import export as exporting
from dcql.engine.export import export, find
from dcql.errors import RunError
from dcql.inspect.diff import difference
from dcql.run_folder import read
from dcql.subset import UID, Subset

Dcql = Callable[..., Any]


def bag(copies: dict[tuple[int, int], int]) -> Subset:
    return Subset.from_uids(np.array(list(copies), UID), np.array(list(copies.values()), np.int64))


def drawn(random_: random.Random, size: int) -> dict[tuple[int, int], int]:
    """Draw uids of which many share their first half, with copies."""
    halves = (0, 1, 7, 2**64 - 1)
    return {(random_.choice(halves), random_.randrange(12)): random_.choice((1, 1, 2)) for _ in range(size)}


@pytest.mark.parametrize("seed", range(40))
def test_difference_agrees_with_sets(seed: int) -> None:
    random_ = random.Random(seed)
    a, b = drawn(random_, random_.randrange(30)), drawn(random_, random_.randrange(30))
    found = difference(bag(a), bag(b))
    assert found.only_a.tolist() == sorted(a.keys() - b.keys())
    assert found.only_b.tolist() == sorted(b.keys() - a.keys())
    both = a.keys() & b.keys()
    assert (found.common, found.copies) == (len(both), sum(a[uid] != b[uid] for uid in both))
    assert found.jaccard == (len(both) / len(a.keys() | b.keys()) if a or b else 1)
    assert found.equal == (a == b)


@pytest.mark.parametrize("seed", range(20))
def test_find_agrees_with_a_dictionary(seed: int) -> None:
    random_ = random.Random(seed)
    subset = bag(drawn(random_, random_.randrange(40)))
    places = {uid: place for place, uid in enumerate(subset.uids.tolist())}
    asked = list(drawn(random_, 40))
    high, low = (np.array([uid[i] for uid in asked], np.uint64) for i in (0, 1))
    assert find(subset.uids, high, low).tolist() == [places.get(uid, -1) for uid in asked]


def test_a_difference_is_written_as_parquet(dcql: Dcql, here: Path) -> None:
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "clip")
    dcql("run", "groups.dcql", "--pool", "mixed", "--out", "groups")
    assert dcql("diff", "clip", "groups", "--out", "diff.parquet").code == 0
    a, b = (set(read(here / name).subset.hex()) for name in ("clip", "groups"))
    rows = pq.read_table(here / "diff.parquet").to_pylist()
    assert {(row["uid"], row["side"]) for row in rows} == {(u, "a") for u in a - b} | {(u, "b") for u in b - a}
    assert len(rows) == len(a ^ b)


def test_an_export_is_the_subset_joined_with_its_pool(dcql: Dcql, here: Path) -> None:
    dcql("run", "groups.dcql", "--pool", "mixed", "--out", "groups")
    assert dcql("export", "groups", "-c", "text,original_width,face_bboxes", "-o", "g.parquet").code == 0
    subset = read(here / "groups").subset
    assert subset.copies is not None
    copies = dict(zip(subset.hex(), subset.copies.tolist(), strict=True))
    columns = ADVERSARIAL["mixed"]().columns
    expected = {
        uid: (text, width, boxes, copies[uid])
        for uid, text, width, boxes in zip(
            columns["uid"], columns["text"], columns["original_width"], columns["face_bboxes"], strict=True
        )
        if uid in copies
    }
    table = pq.read_table(here / "g.parquet")
    assert table.column_names == ["uid", "text", "original_width", "face_bboxes", "copies"]
    found = {row["uid"]: tuple(row.values())[1:] for row in table.to_pylist()}
    assert found == expected
    assert table.num_rows == subset.distinct


def test_an_export_of_one_copy_each_has_no_copies(dcql: Dcql, here: Path) -> None:
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "runs/clip")
    assert dcql("export", "runs/clip").code == 0
    columns = pq.read_table(here / "runs" / "clip.parquet").column_names
    assert columns == list(open_pool("mixed").schema.names())


def test_an_export_that_fails_leaves_the_file_before(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dcql("run", "clip.dcql", "--pool", "mixed", "--out", "clip")
    subset, pool, path = read(here / "clip").subset, open_pool("mixed"), here / "clip.parquet"
    path.write_text("before")
    with pytest.raises(RunError, match="E0762"):
        export(subset, pool, ["texts"], path)

    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exporting.pq.ParquetWriter, "write_table", full)
        with pytest.raises(RunError, match="E0758"):
            export(subset, pool, ["text"], path)
    assert path.read_text() == "before"
    assert [entry.name for entry in here.glob(".clip*")] == []


def test_an_empty_subset_exports_its_columns(dcql: Dcql, here: Path) -> None:
    (here / "none.dcql").write_text("SELECT uid FROM pool WHERE width < -10 AND width > 10")
    dcql("run", "none.dcql", "--pool", "mixed", "--out", "none")
    assert dcql("export", "none", "-c", "url").code == 0
    table = pq.read_table(here / "none.parquet")
    assert (table.num_rows, table.schema.names, table.schema.field("url").type) == (0, ["uid", "url"], pa.string())


def test_a_setting_of_diff_goes_to_the_recipe_that_has_it(dcql: Dcql, here: Path) -> None:
    (here / "kept.dcql").write_text("PARAM keep DEFAULT 0.3; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);")
    (here / "tenth.dcql").write_text("SELECT uid FROM pool WHERE clip_l14 >= q(1 - 0.1);")
    for pair in (("kept.dcql", "tenth.dcql"), ("tenth.dcql", "kept.dcql")):
        assert dcql("diff", *pair, "--pool", "mixed", "--exit-code").code == 1
        assert dcql("diff", *pair, "--pool", "mixed", "--exit-code", "--set", "keep=0.1").code == 0
        told = dcql("diff", *pair, "--pool", "mixed", "--set", "kep=0.1")
        assert told.code == 2
        assert told.err.startswith("error[E0212]: `--set kep`: no PARAM `kep` in `")
        assert "similar PARAM exists: `keep`" in told.err
    Subset(np.zeros(1, UID)).save(here / "one.npy")
    assert dcql("diff", "one.npy", "one.npy", "--set", "keep=0.1").code == 2
