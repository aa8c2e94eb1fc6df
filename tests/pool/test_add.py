"""Adding a pool: what is kept, that layout does not matter and content does, and that nothing breaks it."""

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pool.samples import change, samples, uid, write

from dcql.catalog import store
from dcql.catalog.pool import open_pool
from dcql.catalog.types import Type
from dcql.engine import add as adding
from dcql.engine import intake, taking
from dcql.engine.add import add
from dcql.engine.describe import describe, load_distribution
from dcql.errors import RunError
from dcql.subset import Subset

ROWS = 3000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return samples(ROWS)


def fingerprint(folder: Path, name: str = "p") -> str | None:
    return add(name, folder).fingerprint


def test_layout_does_not_change_the_fingerprint(table, tmp_path: Path):
    write(table, tmp_path / "one" / "metadata" / "a.parquet")
    want = fingerprint(tmp_path / "one")
    shuffled = table.take(np.random.default_rng(1).permutation(ROWS))
    layouts = {
        "renamed": {"z.parquet": table},
        "permuted": {"a.parquet": shuffled},
        "split": {f"{i}.parquet": shuffled.slice(i * 1000, 1000) for i in range(3)},
        "split oddly": {"b.parquet": table.slice(0, 1), "c.parquet": table.slice(1), "d.parquet": table.slice(0, 0)},
        "columns": {"a.parquet": table.select(table.column_names[::-1])},
        "narrow": {"a.parquet": table.cast(table.schema.set(3, pa.field("original_width", pa.int32())))},
        "large": {"a.parquet": table.cast(table.schema.set(2, pa.field("text", pa.large_string())))},
        "words": {"a.parquet": table.set_column(2, "text", table["text"].dictionary_encode())},
    }
    for number, (name, files) in enumerate(layouts.items()):
        for file, part in files.items():
            write(part, tmp_path / name / file)
        assert fingerprint(tmp_path / name, f"p{number}") == want, name
    for group in (1, 100, 1000):
        write(table, tmp_path / f"groups {group}" / "a.parquet", group)
        assert fingerprint(tmp_path / f"groups {group}", f"g{group}") == want
    for memory in (1, 1 << 30):
        assert add(f"m{memory}", tmp_path / "split", memory=memory).fingerprint == want


def test_a_uid_may_be_written_short(tmp_path: Path):
    numbers = [5, 2**64 + 1, 0, 2**128 - 1]
    for name, form in (("short", "{:x}"), ("long", "{:032x}")):
        write(pa.table({"uid": [form.format(n) for n in numbers], "x": [1, 2, 3, 4]}), tmp_path / name / "a.parquet")
    assert fingerprint(tmp_path / "short", "a") == fingerprint(tmp_path / "long", "b")
    assert np.load(open_pool("a").files[0].rank).tolist() == [1, 2, 0, 3]


CHANGES = [
    ("uid", 7, uid(10**9)),
    ("text", 7, "another"),
    ("original_width", 7, 10**9),
    ("original_height", 7, None),
    ("clip_b32_similarity_score", 7, 0.123),
    ("clip_l14_similarity_score", 7, math.inf),
    ("face_bboxes", 7, [[0.0, 0.0, 1.0, 0.5]]),
    ("face_bboxes", 7, None),
    ("sha256", 7, ""),
    ("sha256", 7, None),
]


def test_content_changes_the_fingerprint(table, tmp_path: Path):
    part = table.slice(0, 200)
    for column, value in (("text", "x"), ("original_height", 3), ("sha256", "00"), ("clip_l14_similarity_score", 0.5)):
        part = change(part, column, 7, value)
    tables = [part, *(change(part, *changed) for changed in CHANGES)]
    tables += [part.slice(1), part.rename_columns(["uid", "link", *part.column_names[2:]]), part.drop_columns("url")]
    tables.append(part.cast(part.schema.set(5, pa.field("clip_b32_similarity_score", pa.float64()))))
    found = set()
    for number, each in enumerate(tables):
        write(each, tmp_path / str(number) / "a.parquet")
        found.add(fingerprint(tmp_path / str(number), f"p{number}"))
    assert len(found) == len(tables)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [("clip_b32_similarity_score", 0.0, -0.0), ("clip_b32_similarity_score", None, math.nan)],
)
def test_values_that_are_one_give_one_fingerprint(table, tmp_path: Path, column, one, other):
    for name, value in (("a", one), ("b", other)):
        write(change(table.slice(0, 50), column, 3, value), tmp_path / name / "a.parquet")
    assert fingerprint(tmp_path / "a", "a") == fingerprint(tmp_path / "b", "b")


def test_two_swapped_captions_change_the_fingerprint(table, tmp_path: Path):
    part = change(change(table.slice(0, 10), "text", 0, "one"), "text", 1, "two")
    write(part, tmp_path / "a" / "a.parquet")
    write(change(change(part, "text", 0, "two"), "text", 1, "one"), tmp_path / "b" / "a.parquet")
    assert fingerprint(tmp_path / "a", "a") != fingerprint(tmp_path / "b", "b")


def split(table: pa.Table, folder: Path, parts: int = 3) -> Path:
    step = -(-table.num_rows // parts)
    for part in range(parts):
        write(table.slice(part * step, step), folder / f"{part}.parquet")
    return folder


def check(pool, table):
    """Check everything that is kept against the table the pool was made of."""
    uids = table["uid"].to_pylist()
    assert list(Subset.load(pool.uids).hex()) == sorted(uids)
    place = {text: rank for rank, text in enumerate(sorted(uids))}
    ranks = [np.load(file.rank) for file in pool.files]
    assert all(rank.dtype == np.uint32 for rank in ranks)
    assert np.concatenate(ranks).tolist() == [place[text] for text in uids]
    assert [file.rows for file in pool.files] == [len(rank) for rank in ranks]
    sidecar = pa.concat_tables([pq.read_table(file.sidecar) for file in pool.files])
    assert sidecar.num_rows == table.num_rows
    kinds = {Type.INT: pa.int64(), Type.FLOAT: pa.float32(), Type.DOUBLE: pa.float64(), Type.BOOL: pa.bool_()}
    assert sidecar.schema.names == [column.name for column in pool.schema.columns if column.type in kinds]
    for column in pool.schema.columns:
        if column.type not in kinds:
            continue
        assert sidecar.schema.field(column.name).type == kinds[column.type]
        want = [None if value != value else value for value in table[column.name].to_pylist()]
        got = sidecar[column.name].to_pylist()
        assert got == want
        assert not any(math.copysign(1, value) < 0 and value == 0 for value in got if value is not None)
        if column.type.numeric:
            distribution = load_distribution(pool, column.name)
            assert (distribution.rows, distribution.nulls) == (len(want), want.count(None))
            assert int(distribution.histogram.sum()) == len(want) - want.count(None)


@pytest.mark.parametrize("memory", [1, 1 << 30])
def test_what_is_kept(table, tmp_path: Path, memory, monkeypatch):
    if memory == 1:
        monkeypatch.setattr(intake, "_BATCH", 300)  # several runs a file, and several pieces in the merge
        monkeypatch.setattr(intake, "_GROUP", 128)
        monkeypatch.setattr(intake, "MARK_EVERY", 8)
        monkeypatch.setattr("dcql.engine.ranking.MARK_EVERY", 8)
        monkeypatch.setattr("dcql.engine.ranking.SMALLEST_PIECE", 64)
    flags = [None if row % 11 == 0 else row % 3 == 0 for row in range(ROWS)]
    table = table.append_column("flag", pa.array(flags)).append_column("wide", pa.array(np.arange(ROWS) / 7))
    pool = add("p", split(table, tmp_path / "pool"), memory=memory)
    check(pool, table)
    assert open_pool("p") == pool
    if memory == 1:
        groups = pq.ParquetFile(pool.files[0].sidecar).metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [128] * 7 + [104]
        work = pool.files[0].sidecar.parent
        assert json.loads((work / "done.json").read_text())["runs"] == [512, 488]


@pytest.mark.parametrize("kind", ["sequence", "backwards", "one high half"])
def test_uids_that_are_not_random(tmp_path: Path, kind, monkeypatch):
    monkeypatch.setattr("dcql.engine.ranking.SMALLEST_PIECE", 1024)
    numbers = {"sequence": range(9000), "backwards": range(9000, 0, -1), "one high half": range(2**64, 2**64 + 9000)}
    table = pa.table({"uid": [f"{n:032x}" for n in numbers[kind]], "x": np.arange(9000)})
    check(add("p", split(table, tmp_path / "pool"), memory=1), table)


def test_pools_of_no_samples_and_of_uids_alone(tmp_path: Path):
    write(samples(0), tmp_path / "empty" / "a.parquet")
    pool = add("empty", tmp_path / "empty")
    check(pool, samples(0))
    assert [summary.share for summary in describe(pool)] == [0.0] * 9
    write(pa.table({"uid": ["1", "0"]}), tmp_path / "bare" / "a.parquet")
    pool = add("bare", tmp_path / "bare")
    assert pool.files[0].sidecar is None
    assert np.load(pool.files[0].rank).tolist() == [1, 0]
    assert open_pool("bare") == pool


def test_files_that_look_the_same_are_told_apart(tmp_path: Path):
    for name, numbers in (("a", range(50_000)), ("b", range(50_000, 100_000))):
        table = pa.table({"x": np.zeros(50_000), "uid": [f"{n:032x}" for n in numbers]})
        path = tmp_path / "pool" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path, compression="NONE", use_dictionary=False, write_statistics=False)
    raw = open_pool(tmp_path / "pool").files
    assert (raw[0].size, raw[0].footer) == (raw[1].size, raw[1].footer)
    assert add("p", tmp_path / "pool").rows == 100_000


def test_describe(tmp_path: Path):
    rows = 80_000
    wide = np.random.default_rng(0).normal(size=rows)
    wide[::10] = np.nan
    texts = pa.array([None] * rows, pa.string())
    numbers = pa.table({"uid": [uid(i) for i in range(rows)], "wide": wide, "few": np.arange(rows) % 4, "t": texts})
    summaries = {each.name: each for each in describe(add("p", split(numbers, tmp_path / "pool")))}
    ordered = np.sort(wide[~np.isnan(wide)])
    found = summaries["wide"]
    assert (found.nulls, found.share, found.distinct, found.tie) == (8000, 0.1, None, None)
    assert (found.minimum, found.maximum) == (ordered[0], ordered[-1])
    want = [ordered[math.ceil(p * len(ordered)) - 1] for p, _ in found.quantiles]
    assert [value for _, value in found.quantiles] == want
    assert (summaries["few"].distinct, summaries["few"].tie) == (4, (0, 20_000))
    assert (summaries["t"].nulls, summaries["t"].distinct) == (rows, None)


def test_adding_again_reads_only_what_is_new(table, tmp_path: Path, monkeypatch):
    folder = split(table, tmp_path / "pool")
    read = []

    def take_in(footer, *rest):
        read.append(footer.file.name)
        return intake.take_in(footer, *rest)

    monkeypatch.setattr(taking, "take_in", take_in)
    first = add("p", folder)
    assert add("p", folder) == first
    assert read == ["0.parquet", "1.parquet", "2.parquet"]
    more = samples(100, seed=9, first=10**6)
    write(more, folder / "00.parquet")
    os.rename(folder / "2.parquet", folder / "9.parquet")
    second = add("p", folder)
    assert read[3:] == ["00.parquet"]
    assert [file.name for file in second.files] == ["0.parquet", "00.parquet", "1.parquet", "9.parquet"]
    check(second, pa.concat_tables([table.slice(0, 1000), more, table.slice(1000)]))
    (folder / "00.parquet").unlink()
    third = add("p", folder)
    assert read[4:] == []
    assert third.fingerprint == first.fingerprint
    kept = store.pool_folder("p")
    assert len(list((kept / "work").iterdir())) == 3
    assert len(list((kept / "versions").iterdir())) == 1
    assert sorted(entry.name for entry in kept.iterdir()) == ["pool.toml", "versions", "work"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()])
@pytest.mark.parametrize("place", ["take_in", "rank", "_merge_distributions", "_keep_version", "_replace"])
def test_a_broken_add_leaves_the_version_before(table, tmp_path: Path, monkeypatch, fault, place):
    folder = split(table, tmp_path / "pool", 2)
    before = add("p", folder)
    write(samples(10, first=10**6), folder / "3.parquet")
    module = taking if place == "take_in" else adding
    kept = getattr(module, place)

    def fail(*given, **named):
        kept(*given, **named)
        raise fault

    monkeypatch.setattr(module, place, fail)
    expected = RunError if isinstance(fault, OSError) else type(fault)
    with pytest.raises(expected, match="E0713" if expected is RunError else None):
        add("p", folder)
    monkeypatch.undo()
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    assert not (store.pool_folder("p") / "unfinished").exists()
    if place != "_replace":
        (folder / "3.parquet").rename(tmp_path / "aside.parquet")
        assert open_pool("p") == before
        check(before, table)
        (tmp_path / "aside.parquet").rename(folder / "3.parquet")
    assert add("p", folder).rows == ROWS + 10


def test_a_full_disk(table, tmp_path: Path):
    """Writing stops by a limit on the size of files, as it would on a full disk."""
    folder = split(table, tmp_path / "pool", 1)
    code = f"""
        import resource, signal
        from dcql.engine.add import add
        from dcql.errors import RunError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            add("p", {str(folder)!r})
        except RunError as error:
            print(error)
    """
    said = run(code).communicate()[0]
    assert "error[E0713]" in said
    assert not store.record_file("p").exists()


def run(code: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )


def test_a_killed_add_goes_on_where_it_was(table, tmp_path: Path, monkeypatch):
    folder = split(table, tmp_path / "pool", 3)
    code = f"""
        import sys, time
        from dcql.engine.add import add
        def tell(name, done, total):
            if name == "2.parquet":
                print("now", flush=True)
                time.sleep(60)
        add("p", {str(folder)!r}, progress=tell)
    """
    process = run(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "now\n"
    with pytest.raises(RunError, match="E0709"):
        add("p", folder)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not store.record_file("p").exists()
    told = []
    pool = add("p", folder, progress=lambda name, done, total: told.append((name, done, total)))
    assert told == [("2.parquet", ROWS, ROWS)]
    check(pool, table)


def test_memory_stays_bounded(tmp_path: Path):
    """2M rows in one row group take no more than a fixed amount above what the imports take."""
    rows = 2_000_000
    rng = np.random.default_rng(0)
    offsets = pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * 32)
    table = pa.table(
        {
            "uid": pa.StringArray.from_buffers(rows, offsets, pa.py_buffer(rng.bytes(16 * rows).hex().encode())),
            "score": rng.random(rows),
        }
    )
    write(table, tmp_path / "pool" / "a.parquet", rows)
    code = f"""
        import resource
        from dcql.engine.add import add
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        before = peak()
        assert add("p", {str(tmp_path / "pool")!r}, memory=64 << 20).rows == {rows}
        print(peak() - before)
    """
    del table
    started = time.monotonic()
    used = int(run(code).communicate()[0])
    assert used < 200, f"{used} MB"
    assert time.monotonic() - started < 60


def test_the_record(table, tmp_path: Path):
    folder = split(table, tmp_path / "pool", 2)
    pool = add("p", folder)
    record = tomllib.loads(store.record_file("p").read_text())
    assert record["version"] == 1
    assert (record["name"], record["source"], record["rows"]) == ("p", str(folder), ROWS)
    assert (record["fingerprint"], record["physical"]) == (pool.fingerprint, open_pool(folder).physical)
    assert {column["name"]: column["nulls"] for column in record["columns"]}["text"] == table["text"].null_count


def test_a_lock_is_let_go(table, tmp_path: Path):
    folder = split(table, tmp_path / "pool", 1)
    add("p", folder)
    with store.lock_file("p").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(RunError, match="E0709"):
            add("p", folder)
        assert open_pool("p").rows == ROWS
    add("p", folder)


@pytest.mark.parametrize(
    "pattern",
    [
        "work/*/sidecar.parquet",
        "work/*/high.bin",
        "versions/*/uids.npy",
        "versions/*/ranks/*.npy",
        "versions/*/distributions/*.npz",
        "pool.toml",
    ],
)
@pytest.mark.parametrize("cut", [True, False])
def test_adding_again_mends_what_was_lost(table, tmp_path: Path, pattern, cut):
    folder = split(table, tmp_path / "pool", 2)
    before = add("p", folder)
    lost = sorted(store.pool_folder("p").glob(pattern))[0]
    if not cut:
        lost.unlink()
    elif lost.suffix != ".npz" and lost.name != "sidecar.parquet":
        os.truncate(lost, lost.stat().st_size // 2)
    again = add("p", folder)
    assert again.fingerprint == before.fingerprint
    check(again, table)
    assert open_pool("p") == again


def test_a_path_is_taken_as_it_stands(tmp_path: Path):
    for name in ("a::b", "a*[0]", "~", "naïve"):
        write(samples(3), tmp_path / name / "x.parquet")
        assert open_pool(tmp_path / name).files[0].path == str(tmp_path / name / "x.parquet")
        assert add("p", tmp_path / name).rows == 3


def test_a_pool_of_one_uid_is_refused(tmp_path: Path):
    write(pa.table({"uid": ["0"] * 2000}), tmp_path / "pool" / "a.parquet")
    with pytest.raises(RunError, match=r"E0721[^ ]* two samples have one uid\n  0{32}: row \d+ of `a.parquet` and row"):
        add("p", tmp_path / "pool")
