"""The messages of runs and of what is made of them; a file of errors/ is one, with <tmp> for the test's folder."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pool.samples import samples, write

from dcql import run_folder
from dcql.catalog.pool import Pool, open_pool
from dcql.cli.subsets import export as export_run
from dcql.compiler import run
from dcql.engine import folder
from dcql.engine.add import add
from dcql.engine.duck import Resources, _run_errors
from dcql.engine.export import export
from dcql.errors import DcqlError
from dcql.limits import Limits, hold
from dcql.source import Source
from dcql.subset import Subset
from dcql.syntax.texts import read

ERRORS = Path(__file__).parent / "errors"
ALL = Source("recipe.dcql", "SELECT uid FROM pool;")


def pool(tmp: Path, rows: int = 20, first: int = 0, name: str = "small") -> Pool:
    """Return a raw pool of one file."""
    write(samples(rows, first=first), tmp / name / "a.parquet")
    return open_pool(tmp / name)


def saved_run(tmp: Path, name: str = "run") -> Path:
    """Return a run folder of a subset of one sample."""
    subset = Subset(np.array([(0, 1)], "u8,u8"))
    manifest = {"hash": subset.hash, "pool": {"name": "small", "fingerprint": "dcpool1:0"}, "recipe": {"name": "all"}}
    folder.write(tmp / name, subset, lambda: manifest)
    return tmp / name


def little_memory(tmp: Path) -> None:
    text = "SELECT uid FROM pool WHERE regexp_matches(text, 'fox') ORDER BY clip_l14 DESC LIMIT 10;"
    run(Source("recipe.dcql", text), pool(tmp, rows=20_000), resources=Resources(threads=1, memory=1_000_000))


def truncated(tmp: Path) -> None:
    opened = pool(tmp, rows=20_000)
    path = tmp / "small" / "a.parquet"
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)
    run(ALL, opened)


def broken_promise(tmp: Path) -> None:
    text = "SELECT uid FROM pool\nWHERE original_height >= 0\nEXPECT kept BETWEEN 10 PERCENT AND 20 PERCENT;"
    run(Source("recipe.dcql", text), pool(tmp))


def too_large_for_int(tmp: Path) -> None:
    table = samples(5).append_column("seed", pa.array([1, 2, 3, 4, 2**64 - 1], pa.uint64()))
    write(table, tmp / "small" / "a.parquet")
    run(Source("recipe.dcql", "SELECT uid FROM pool WHERE seed > 1;"), tmp / "small")


def too_large_for_int_in_one_file(tmp: Path) -> None:
    write(samples(5).append_column("seed", pa.array(range(5), pa.int64())), tmp / "small" / "a.parquet")
    table = samples(5, first=5).append_column("seed", pa.array([1, 2, 3, 4, 2**63], pa.uint64()))
    write(table, tmp / "small" / "b.parquet")
    run(Source("recipe.dcql", "SELECT uid FROM pool WHERE clip_l14 > q(0.5) OR seed > 1;"), tmp / "small")


def malformed_uid(tmp: Path) -> None:
    table = samples(5)
    texts = [*table["uid"].to_pylist()[:4], "0xff"]
    write(table.set_column(0, "uid", pa.array(texts)), tmp / "small" / "a.parquet")
    run(ALL, tmp / "small")


def uids_twice(tmp: Path) -> None:
    write(samples(5), tmp / "small" / "a.parquet")
    write(samples(5), tmp / "small" / "b.parquet")
    run(ALL, tmp / "small")


def one_uid_twice(tmp: Path) -> None:
    write(samples(5), tmp / "small" / "a.parquet")
    write(samples(5, first=4), tmp / "small" / "b.parquet")
    run(ALL, tmp / "small")


def copies_are_null(tmp: Path) -> None:
    run(Source("recipe.dcql", "SELECT uid, original_width AS copies FROM pool;"), pool(tmp))


def negative_weight(tmp: Path) -> None:
    text = "SELECT uid FROM pool SAMPLE 100 ROWS SEED 7 WEIGHT BY coalesce(original_width, 0) - 300;"
    run(Source("recipe.dcql", text), pool(tmp))


def copies_below_0(tmp: Path) -> None:
    text = "WITH part AS (SELECT uid, coalesce(original_width, 0) - 300 AS copies FROM pool)\nSELECT uid FROM part;"
    run(Source("recipe.dcql", text), pool(tmp))


def copies_with_a_fraction(tmp: Path) -> None:
    text = "SELECT uid, coalesce(clip_l14, 1) AS copies FROM pool WHERE clip_l14 BETWEEN 0 AND 1;"
    run(Source("recipe.dcql", text), pool(tmp))


def too_many_copies(tmp: Path) -> None:
    text = "SELECT uid, coalesce(original_width, 0) * 100000000 AS copies FROM pool WHERE original_width > 0;"
    run(Source("recipe.dcql", text), pool(tmp))


def copies_of_copies(tmp: Path) -> None:
    text = "WITH many AS (SELECT uid, 70000 AS copies FROM pool)\nSELECT uid, 70000 AS copies FROM many;"
    run(Source("recipe.dcql", text), pool(tmp))


def copies_added_up(tmp: Path) -> None:
    stages = ["s0 AS (SELECT uid FROM pool UNION ALL SELECT uid FROM pool)"]
    stages += [f"s{i} AS (SELECT uid FROM s{i - 1} UNION ALL SELECT uid FROM s{i - 1})" for i in range(1, 32)]
    run(Source("recipe.dcql", f"WITH {', '.join(stages)} SELECT uid FROM s31;"), pool(tmp, rows=2))


def ranks_of_another_pool(tmp: Path) -> None:
    for name, rows in (("small", 20), ("tiny", 10)):
        write(samples(rows), tmp / name / "a.parquet")
    opened, other = (add(name, tmp / name) for name in ("small", "tiny"))
    rank, fewer = opened.files[0].rank, other.files[0].rank
    assert rank is not None
    assert fewer is not None
    shutil.copy(fewer, rank)
    run(ALL, opened)


def output_is_a_file(tmp: Path) -> None:
    (tmp / "notes").write_text("mine")
    folder.refuse_other(tmp / "notes")


def output_is_another_folder(tmp: Path) -> None:
    (tmp / "notes").mkdir()
    (tmp / "notes" / "todo.txt").write_text("mine")
    folder.refuse_other(tmp / "notes")


def unwritable(tmp: Path) -> None:
    (tmp / "notes").write_text("mine")
    saved_run(tmp, "notes/run")


def nearly_a_recipe(tmp: Path) -> None:
    (tmp / "clip30.dcql").write_text(ALL.text)
    read(tmp / "clip_30.dcql")


def results_of_another_subset(tmp: Path) -> None:
    (saved_run(tmp) / "shards").mkdir()
    (tmp / "run" / "train").mkdir()
    other = Subset(np.array([(0, 2)], "u8,u8"))
    folder.write(tmp / "run", other, lambda: {"hash": other.hash})


def no_run_folder(tmp: Path) -> None:
    run_folder.read(tmp / "nowhere")


def pool_for_a_run(tmp: Path) -> None:
    pool(tmp)
    run_folder.read(tmp / "small")


def garbled_manifest(tmp: Path) -> None:
    (saved_run(tmp) / run_folder.MANIFEST).write_text("{}")
    run_folder.read(tmp / "run")


def exchanged_subset(tmp: Path) -> None:
    Subset(np.array([(0, 2)], "u8,u8")).save(saved_run(tmp) / run_folder.SUBSET)
    run_folder.read(tmp / "run")


def pool_of_another_run(tmp: Path) -> None:
    for name, rows in (("small", 20), ("tiny", 10)):
        write(samples(rows), tmp / name / "a.parquet")
        add(name, tmp / name)
    subset = Subset(np.zeros(0, "u8,u8"))
    stated = {"name": "small", "fingerprint": open_pool("small").fingerprint}
    folder.write(tmp / "run", subset, lambda: {"hash": subset.hash, "pool": stated, "recipe": {"name": "all"}})
    export_run(str(tmp / "run"), pool="tiny")


def unknown_columns(tmp: Path) -> None:
    opened = pool(tmp)
    export(Subset(np.zeros(0, "u8,u8")), opened, ["url", "txt", "caption"], tmp / "out.parquet")


def subset_of_another_pool(tmp: Path) -> None:
    other = run(ALL, pool(tmp, first=100, name="other")).subset
    export(other, pool(tmp), ["url"], tmp / "out.parquet")


def no_recipe(tmp: Path) -> None:
    run(tmp / "clip_30.dcql", pool(tmp))


CASES: dict[str, Callable[[Path], None]] = {
    "E0155_no_recipe": no_recipe,
    "E0155_nearly_a_recipe": nearly_a_recipe,
    "E0155_a_folder": read,
    "E0715_too_large_for_int": too_large_for_int,
    "E0715_too_large_for_int_in_one_file": too_large_for_int_in_one_file,
    "E0720_malformed_uid": malformed_uid,
    "E0722_negative_weight": negative_weight,
    "E0725_copies_are_null": copies_are_null,
    "E0726_copies_below_0": copies_below_0,
    "E0727_copies_with_a_fraction": copies_with_a_fraction,
    "E0728_too_many_copies": too_many_copies,
    "E0728_copies_of_copies": copies_of_copies,
    "E0728_copies_added_up": copies_added_up,
    "E0750_little_memory": little_memory,
    "E0751_damaged_inside": truncated,
    "E0752_broken_promise": broken_promise,
    "E0754_one_uid_twice": one_uid_twice,
    "E0754_uids_twice": uids_twice,
    "E0756_ranks_of_another_pool": ranks_of_another_pool,
    "E0757_a_file": output_is_a_file,
    "E0757_another_folder": output_is_another_folder,
    "E0758_unwritable": unwritable,
    "E0759_no_folder": no_run_folder,
    "E0759_a_pool": pool_for_a_run,
    "E0760_garbled_manifest": garbled_manifest,
    "E0760_exchanged_subset": exchanged_subset,
    "E0761_pool_of_another_run": pool_of_another_run,
    "E0762_unknown_columns": unknown_columns,
    "E0763_subset_of_another_pool": subset_of_another_pool,
    "E0765_results_of_another_subset": results_of_another_subset,
}

# The engine's own words, which its versions may change.
VARYING = {"E0750": r"(?<=\n  ).*(?=\n)", "E0751": r"(?<=\n  ).*(?=\n)"}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    if name[:5] in VARYING:
        said = re.sub(VARYING[name[:5]], "<reason>", said, count=1)
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Conversion Error: Type UINT64 with value 18446744073709551615 can't be cast", "E0715"),
        ("Conversion Error: Could not convert", "E0901"),
        ("Out of Memory Error: could not allocate block", "E0750"),
        ("IO Error: No such file", "E0751"),
    ],
)
def test_errors_of_a_stream_are_told_as_others_are(text: str, code: str) -> None:
    with pytest.raises(DcqlError) as caught, _run_errors():
        raise OSError(text)
    assert caught.value.diagnostics[0].code == code


def test_what_fits_neither_into_memory_nor_on_the_disk() -> None:
    """A disk that is full says it in these words, of which the last one is the space that it had."""
    full = "Out of Memory Error: failed to offload data block of size 160.0 KiB (2.6 MiB/2.6 MiB used)."
    with pytest.raises(DcqlError) as caught, _run_errors():
        raise OSError(full)
    with pytest.raises(DcqlError) as limited, hold(Limits(output=1)), _run_errors():
        raise OSError(full)
    assert "set TMPDIR" in caught.value.diagnostics[0].helps[-1]
    assert "--limits output" in limited.value.diagnostics[0].helps[-1]
