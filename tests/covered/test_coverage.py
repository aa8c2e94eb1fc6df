"""What is read and what is kept: nothing twice, nothing half, and nothing silently left out."""

import hashlib
import io
import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from covered.conftest import Covered, sha256, silent, whole
from features.tars import uid, write_tar

import dcql
from dcql.catalog.coverage import State, coverage_folder, known_coverage, open_coverage
from dcql.engine.coverage import run as running
from dcql.engine.coverage.run import cover
from dcql.engine.coverage.scan import scan
from dcql.engine.features.gc import collect
from dcql.engine.features.report import Computing
from dcql.errors import DcqlError, LockError, RunError
from dcql.locks.changes import changes
from dcql.records.locking import check_lock, lock_of
from dcql.source import Source
from dcql.verify import conditions_for, perturb

AVAILABLE = Source("recipe.dcql", "SELECT uid FROM pool WHERE available AND score >= q(0.2);")
INTACT = Source("recipe.dcql", "SELECT uid FROM pool WHERE intact;")
ANY = Computing(max_failures=Fraction(1))


def kept(recipe: Source, covered: Covered, computing: Computing | None = None) -> set[str]:
    return set(dcql.run(recipe, covered.pool, computing=computing).subset.hex())


def test_everything_is_there(covered: Covered) -> None:
    found = covered.cover()
    assert (found.counted.available, found.counted.intact) == (40, 40)
    assert (found.read.tars, found.read.members) == (4, 40)
    assert kept(INTACT, covered) == {uid(i) for i in range(40)}


def test_a_tar_that_is_lost_is_named_and_its_samples_are_absent(covered: Covered) -> None:
    (covered.shards / "00000002.tar").unlink()
    found = covered.cover()
    assert found.read.missing == ("00000002.tar",)
    assert kept(INTACT, covered) == {uid(i) for i in range(40) if i not in range(20, 30)}
    assert kept(AVAILABLE, covered) == {uid(i) for i in (*range(7, 20), *range(30, 40))}


def test_a_last_tar_that_is_lost_is_known_by_what_lies_beside(covered: Covered) -> None:
    (covered.shards / "00000003.tar").rename(covered.folder / "elsewhere")
    (covered.shards / "00000003_stats.json").write_text("{}")
    (covered.shards / "00000005.parquet").write_text("")
    assert covered.cover().read.missing == ("00000003.tar", "00000004.tar", "00000005.tar")


def test_a_damaged_tar_counts_as_one_that_is_lost(covered: Covered) -> None:
    path = covered.shards / "00000001.tar"
    path.write_bytes(path.read_bytes()[:6000])
    damaged = covered.cover()
    cut = ("00000001.tar", 6000, "it ends without the blocks that close a tar", 2)
    assert damaged.read.damaged == (cut,)
    path.unlink()
    assert covered.cover().counted == damaged.counted


def test_what_changed_is_not_intact(covered: Covered) -> None:
    covered.write_tar(0, range(10), sha256=sha256(1000))
    found = covered.cover()
    assert (found.counted.available, found.counted.states["changed"]) == (40, 10)
    assert kept(INTACT, covered) == {uid(i) for i in range(10, 40)}


def test_the_first_of_a_uid_counts(covered: Covered) -> None:
    write_tar(covered.shards / "00000000b.tar", whole(35, sha256=sha256(1000)))
    found = covered.cover()
    assert (found.read.duplicates, found.counted.intact) == (1, 39)
    (covered.shards / "00000000b.tar").rename(covered.shards / "00000009.tar")
    found = covered.cover()
    assert (found.read.duplicates, found.counted.intact) == (1, 40)


def test_samples_of_no_pool_are_counted_and_one_is_named(covered: Covered) -> None:
    covered.write_tar(1, [*range(10, 20), 101, 102])
    found = covered.cover()
    assert found.read.strangers == 2
    assert found.read.stranger == (uid(101), "00000001.tar")
    assert found.counted.available == 40


def test_tars_that_are_unchanged_are_not_read_again(covered: Covered, monkeypatch: pytest.MonkeyPatch) -> None:
    first = covered.cover()
    read: list[int] = []

    def counted(reader, size, *, check_bytes):  # type: ignore[no-untyped-def]
        read.append(size)
        return scan(reader, size, check_bytes=check_bytes)

    monkeypatch.setattr("dcql.engine.coverage.scan.scan", counted)
    assert covered.cover() == first
    assert read == []
    # The same size, and something else in the middle.
    path = covered.shards / "00000002.tar"
    content = bytearray(path.read_bytes())
    at = content.index(sha256(25).encode())
    content[at : at + 64] = sha256(26).encode()
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert covered.cover().counted.states["changed"] == 1
    assert len(read) == 1
    # What was kept of a tar, and is damaged, is found anew.
    for each in (coverage_folder(covered.pool) / "tars").iterdir():
        each.write_bytes(each.read_bytes()[:100])
    assert covered.cover().counted.states["changed"] == 1
    assert len(read) == 5


def test_a_run_that_was_stopped_leaves_the_record_and_goes_on(
    covered: Covered, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered.cover()
    before = open_coverage(covered.pool)
    for number in range(4):
        covered.write_tar(number, range(10 * number, 10 * number + 9))
    read: list[int] = []
    monkeypatch.setattr(running, "_TARS_AT_ONCE", 1)

    def stopped(what: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cover(covered.pool, None, stopped)
    assert open_coverage(covered.pool) == before
    assert not (coverage_folder(covered.pool) / "unfinished").exists()

    def counted(reader, size, *, check_bytes):  # type: ignore[no-untyped-def]
        read.append(size)
        return scan(reader, size, check_bytes=check_bytes)

    monkeypatch.setattr("dcql.engine.coverage.scan.scan", counted)
    assert covered.cover().counted.available == 36
    assert len(read) == 2


def test_shards_elsewhere(covered: Covered, tmp_path: Path) -> None:
    shutil.move(covered.shards, tmp_path / "elsewhere")
    found = covered.cover(tmp_path / "elsewhere")
    assert (found.counted.intact, found.read.source) == (40, str(tmp_path / "elsewhere"))
    assert covered.cover(tmp_path / "elsewhere" / "00000000.tar").counted.intact == 10


def test_shards_of_a_url(covered: Covered) -> None:
    import fsspec

    remote = fsspec.filesystem("memory")
    for path in covered.shards.iterdir():
        remote.pipe(f"/bucket/shards/{path.name}", path.read_bytes())
    assert covered.cover().counted == cover(covered.pool, "memory://bucket/shards", silent).counted


def test_files_that_are_new_are_not_covered(covered: Covered) -> None:
    covered.cover()
    covered.write_metadata(rows=41)
    assert known_coverage(covered.pool) is None
    with pytest.raises(RunError, match="E0681"):
        kept(AVAILABLE, covered)
    covered.cover()
    assert kept(INTACT, covered) == {uid(i) for i in range(40)}


def test_a_run_over_the_raw_folder_sees_it_too(covered: Covered) -> None:
    covered.write_tar(3, range(30, 32))
    covered.cover()
    for source in (covered.folder, str(covered.folder)):
        assert set(dcql.run(INTACT, source).subset.hex()) == {uid(i) for i in range(32)}


def test_a_pool_without_hashes(tmp_path: Path) -> None:
    covered = Covered(tmp_path / "pool")
    covered.write_metadata(hashes=False)
    covered.write_tar(0, range(20))
    found = covered.cover()
    assert (found.counted.available, found.counted.states["unrecorded"]) == (20, 20)
    assert len(kept(AVAILABLE, covered)) == 13
    with pytest.raises(RunError, match="20 times the pool has no sha256 for it"):
        kept(INTACT, covered)
    assert kept(INTACT, covered, ANY) == set()
    unknown = Source("recipe.dcql", "SELECT uid FROM pool WHERE intact IS NULL;")
    assert len(kept(unknown, covered, ANY)) == 20


def test_shards_without_hashes(covered: Covered) -> None:
    for number in range(4):
        covered.write_tar(number, range(10 * number, 10 * number + 10), sha256=None)
    assert covered.cover().counted.states["unstated"] == 40
    with pytest.raises(RunError, match=r"40 times its \.json has no sha256"):
        kept(INTACT, covered)


# --- what a lock holds ------------------------------------------------------------------------------------------------


def test_the_same_samples_in_other_tars_are_the_same_to_a_lock(covered: Covered) -> None:
    covered.write_tar(3, range(30, 35))
    covered.cover()
    lock = lock_of(dcql.run(AVAILABLE, covered.pool))
    for path in covered.shards.iterdir():
        path.unlink()
    for number in range(7):
        covered.write_tar(number, range(5 * number, 5 * number + 5))
    covered.cover()
    assert lock_of(dcql.run(AVAILABLE, covered.pool)).text() == lock.text()


def test_other_coverage_is_another_input_of_a_lock(covered: Covered) -> None:
    covered.cover()
    lock = lock_of(dcql.run(AVAILABLE, covered.pool))
    covered.write_tar(3, range(30, 35))
    covered.cover()
    found = dcql.run(AVAILABLE, covered.pool)
    (line,) = changes(lock, lock_of(found)).inputs
    assert line.startswith("what came out of feature `available`: dcfeat2:")
    with pytest.raises(LockError, match="E0801"):
        check_lock(found, lock)


def test_a_recipe_that_does_not_ask_is_locked_as_before(covered: Covered) -> None:
    recipe = Source("recipe.dcql", "SELECT uid FROM pool WHERE score >= q(0.5);")
    before = dcql.run(recipe, covered.pool)
    covered.cover()
    after = dcql.run(recipe, covered.pool)
    assert lock_of(before).text() == lock_of(after).text()
    assert (before.result.coverage, after.result.coverage) == (None, open_coverage(covered.pool).counted)


def test_no_condition_matters(covered: Covered) -> None:
    covered.write_tar(2, range(20, 26), sha256=None)
    (covered.shards / "00000001.tar").unlink()
    covered.cover()
    recipe = Source(
        "recipe.dcql", "SELECT uid FROM pool WHERE score >= q(0.2) AND available AND coalesce(intact, TRUE);"
    )
    found = dcql.run(recipe, covered.pool, computing=ANY)
    assert set(found.subset.hex()) == {uid(i) for i in (7, 8, 9, *range(20, 26), *range(30, 40))}
    chosen = tuple(one for one in conditions_for(found, ANY) if not one.name.startswith("new process"))
    outcomes = list(perturb(found, chosen, computing=ANY))
    assert {one.name: one.difference or one.failure for one in outcomes if one.difference or one.failure} == {}
    assert {"raw files", "row groups", "files merged", "cold store", "half a store"} <= {one.name for one in outcomes}


def test_a_model_of_ones_own_takes_the_coverage(covered: Covered, tmp_path: Path) -> None:
    covered.write_tar(3, range(30, 35), sha256=sha256(1000))
    covered.cover()
    code = b"def load(weights, assets, options):\n    return lambda states: [10 * state for state in states]\n"
    (tmp_path / "tens.py").write_bytes(code)
    digest = hashlib.sha256(code).hexdigest()
    path = tmp_path / "own.dcql"
    path.write_text(
        f"MODEL tens(coverage COVERAGE) RETURNS INT VERSION 1 FROM 'tens.py' SHA256 '{digest}';\n"
        "FEATURE state INT USING tens(coverage);\nSELECT uid FROM pool WHERE state = 30;\n"
    )
    allowed = Computing(own_code=True, workers=1)
    assert set(dcql.run(path, covered.pool, computing=allowed).subset.hex()) == {uid(i) for i in range(30, 35)}


# --- the bytes --------------------------------------------------------------------------------------------------------


def picture(width: int, colour: int, form: str = "JPEG") -> bytes:
    image = pytest.importorskip("PIL.Image")
    content = io.BytesIO()
    image.new("RGB", (width, 20), (colour, 0, 0)).save(content, form)
    return content.getvalue()


def test_images_are_held_against_their_json(covered: Covered) -> None:
    jpeg = picture(30, 7)
    files = [
        *whole(0),  # the very bytes
        *whole(1, jpeg, width=30, height=20),  # encoded anew
        *whole(2, jpeg),  # of no stated size
        *whole(3, jpeg, width=31, height=20),
        *whole(4, jpeg[:-40], width=30, height=20),
        *whole(5, b"<html>not found</html>"),
        *whole(6, picture(30, 7, "GIF"), width=30, height=20),
    ]
    write_tar(covered.shards / "00000000.tar", files)
    unread = covered.cover()
    assert (unread.counted.available, unread.counted.intact, unread.read.bytes_read) == (37, 37, False)
    found = covered.cover(check_bytes=True)
    assert (found.counted.available, found.counted.states["damaged"]) == (37, 4)
    assert (found.read.bytes_read, found.read.as_downloaded) == (True, 31)
    assert kept(INTACT, covered) == {uid(i) for i in (0, 1, 2, *range(10, 40))}
    # A look without the bytes says what it did before.
    assert covered.cover().counted == unread.counted


# --- the store --------------------------------------------------------------------------------------------------------


def test_gc_removes_what_belongs_to_no_pool(covered: Covered) -> None:
    covered.cover()
    kept(AVAILABLE, covered)
    folder = coverage_folder(covered.pool)
    collect()
    assert kept(AVAILABLE, covered, Computing(compute=False))
    from dcql.catalog.pool import remove_pool

    remove_pool("covered")
    assert folder.is_dir()
    collect()
    assert not folder.exists()


def test_the_record_of_another_is_refused(covered: Covered) -> None:
    covered.cover()
    path = coverage_folder(covered.pool) / "coverage.json"
    whole_record = json.loads(path.read_bytes())
    for change in (
        {"version": 2},
        {"files": {"a.parquet": ["sha256:0", "../../secret"]}},
        {"counted": whole_record["counted"] | {"samples": 41}},
        {"read": {}},
        {"files": []},
    ):
        path.write_text(json.dumps(whole_record | change))
        assert known_coverage(covered.pool) is None
        with pytest.raises(DcqlError, match="E0682"):
            kept(AVAILABLE, covered)


def test_states_are_three_bits(covered: Covered) -> None:
    found = covered.cover()
    for file in covered.pool.files:
        assert found.states(file).tolist() == [State.INTACT] * 20
    assert all(path.stat().st_size == 128 + 3 * 3 for path in (found.folder / "states").iterdir())
