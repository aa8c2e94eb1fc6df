"""Opening pools: DataComp's layouts, raw and added."""

import os
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pool.samples import samples, write

from dcql.catalog.pool import list_pools, open_pool, remove_pool
from dcql.catalog.types import DATACOMP, Column, Type
from dcql.engine.add import add
from dcql.errors import RunError


def names(pool):
    return [file.name for file in pool.files]


def test_datacomp_layout(tmp_path: Path):
    for name in ("b", "a"):
        write(samples(10, first=ord(name) * 100), tmp_path / "pool" / "metadata" / f"{name}.parquet")
        (tmp_path / "pool" / "metadata" / f"{name}.npz").write_bytes(b"not read")
    write(samples(3), tmp_path / "pool" / "above.parquet")
    pool = open_pool(tmp_path / "pool")
    assert names(pool) == ["a.parquet", "b.parquet"]
    assert pool.schema == DATACOMP
    assert (pool.rows, pool.added, pool.fingerprint, pool.uids) == (20, False, None, None)
    assert pool.files[0].path == str(tmp_path / "pool" / "metadata" / "a.parquet")
    assert pool.physical.startswith("dcphys1:")


def test_flat_folder_single_file_and_parts(tmp_path: Path):
    flat = tmp_path / "flat"
    write(samples(4), flat / "x.parquet")
    write(samples(4, first=9), flat / "part_1" / "x.parquet")
    write(samples(4, first=19), flat / "other" / "x.parquet")
    assert names(open_pool(str(flat))) == ["part_1/x.parquet", "x.parquet"]
    assert names(open_pool(flat / "x.parquet")) == ["x.parquet"]


def test_links_are_followed(tmp_path: Path):
    blob = write(samples(4), tmp_path / "blobs" / "0f")
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.parquet").symlink_to(blob)
    assert open_pool(tmp_path / "pool").rows == 4
    assert open_pool(tmp_path / "pool").files[0].size == blob.stat().st_size


def test_types(tmp_path: Path):
    table = pa.table(
        {
            "uid": pa.array(["0"]).dictionary_encode(),
            "a": pa.array([1], pa.uint8()),
            "b": pa.array([np.float16(1)], pa.float16()),
            "c": pa.array([1.0]),
            "d": pa.array([True]),
            "e": pa.array(["x"], pa.large_string()),
            "f": pa.array([b"x"]),
            "g": pa.array([{"x": 1}]),
        }
    )
    kinds = [Type.TEXT, Type.INT, Type.FLOAT, Type.DOUBLE, Type.BOOL, Type.TEXT, Type.NESTED, Type.NESTED]
    write(table, tmp_path / "a.parquet")
    found = open_pool(tmp_path / "a.parquet").schema.columns
    assert found == tuple(map(Column, ["uid", *"abcdefg"], kinds))


def test_width_of_whole_numbers_and_order_of_columns_may_differ(tmp_path: Path):
    write(pa.table({"uid": ["0"], "n": pa.array([1], pa.int16())}), tmp_path / "p" / "a.parquet")
    write(pa.table({"n": pa.array([1], pa.uint32()), "uid": ["1"]}), tmp_path / "p" / "b.parquet")
    assert open_pool(tmp_path / "p").schema.names() == ("uid", "n")
    add("p", tmp_path / "p")
    assert open_pool("p").rows == 2


def test_memory_filesystem():
    files = fsspec.filesystem("memory")
    files.mkdirs("/bucket/metadata", exist_ok=True)
    for name in ("a", "b"):
        with files.open(f"/bucket/metadata/{name}.parquet", "wb") as file:
            pq.write_table(samples(50, first=ord(name) * 100), file)
    raw = open_pool("memory://bucket")
    assert [file.path for file in raw.files] == [
        "memory:///bucket/metadata/a.parquet",
        "memory:///bucket/metadata/b.parquet",
    ]
    pool = add("remote", "memory://bucket")
    assert open_pool("remote") == pool
    assert pool.rows == raw.rows == 100
    with files.open("/bucket/metadata/b.parquet", "wb") as file:
        pq.write_table(samples(51), file)
    with pytest.raises(RunError, match="has another size"):
        open_pool("remote")


def test_footer_longer_than_the_first_read(tmp_path: Path):
    table = pa.table({"uid": ["0"], **{f"column_{i}": [i] for i in range(900)}})
    write(table, tmp_path / "a.parquet")
    assert len(open_pool(tmp_path / "a.parquet").schema.columns) == 901


def test_names_and_folders(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(samples(5), tmp_path / "small" / "a.parquet")
    assert not open_pool("small").added
    add("small", "small")
    assert open_pool("small").added
    assert open_pool("small").source == str(tmp_path / "small")
    assert not open_pool("./small").added
    add("other", "small")
    assert list_pools() == ("other", "small")
    remove_pool("small")
    assert list_pools() == ("other",)
    assert not open_pool("small").added


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "b.parquet").unlink(), "`b.parquet` vanished"),
        (lambda folder: write(samples(1, first=77), folder / "c.parquet"), "`c.parquet` is new"),
        (lambda folder: write(samples(6), folder / "b.parquet"), "`b.parquet` has another size"),
        (
            lambda folder: os.rename(folder / "b.parquet", folder / "d.parquet"),
            "`b.parquet` vanished, `d.parquet` is new",
        ),
        (lambda folder: os.rename(folder, folder.with_name("moved")), "nothing is left at"),
    ],
)
def test_a_changed_source_is_found(tmp_path: Path, change, said):
    folder = tmp_path / "pool"
    for name in ("a", "b"):
        write(samples(5, first=ord(name) * 10), folder / f"{name}.parquet")
    add("p", folder)
    assert open_pool("p").rows == 10
    change(folder)
    with pytest.raises(RunError) as caught:
        open_pool("p")
    assert caught.value.diagnostics[0].code == "E0707"
    assert said in str(caught.value)


def test_another_footer_of_the_same_size_is_found(tmp_path: Path):
    numbers = pa.table({"uid": ["0", "1"], "n": [1, 2]})
    path = write(numbers, tmp_path / "pool" / "a.parquet")
    add("p", tmp_path / "pool")
    size = path.stat().st_size
    write(numbers.set_column(1, "n", pa.array([1, 3])), path)
    assert path.stat().st_size == size
    with pytest.raises(RunError, match="E0707"):
        open_pool("p")
