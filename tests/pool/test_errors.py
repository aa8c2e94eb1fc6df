"""One case a code of E07; its file in errors/ is the whole rendered message, with <tmp> for the test's folder."""

import errno
import fcntl
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pool.samples import samples, uid, write

from dcql.catalog import store
from dcql.catalog.pool import open_pool, remove_pool
from dcql.codes import CODES
from dcql.engine import taking
from dcql.engine.add import add
from dcql.engine.describe import describe
from dcql.errors import RunError
from dcql.files import current_size, list_files
from dcql.subset import UID, Subset

ERRORS = Path(__file__).parent / "errors"


def added(tmp, name="small"):
    for file in ("a", "b"):
        write(samples(5, first=ord(file) * 10), tmp / name / f"{file}.parquet")
    return add(name, tmp / name)


def no_such_pool(tmp, _):
    added(tmp)
    open_pool("smal")


def no_such_pool_of_any_name(tmp, _):
    open_pool("small")


def no_such_path(tmp, _):
    open_pool(tmp / "nowhere")


def removed_twice(tmp, _):
    added(tmp)
    remove_pool("small")
    remove_pool("small")


def empty_folder(tmp, _):
    (tmp / "images").mkdir()
    (tmp / "images" / "a.jpg").touch()
    open_pool(tmp / "images")


def truncated(tmp, _):
    for name in ("a", "b"):
        path = write(samples(50), tmp / "pool" / f"{name}.parquet")
        path.write_bytes(path.read_bytes()[: 1000 if name == "a" else 3])
    open_pool(tmp / "pool")


def damaged_inside(tmp, _):
    path = write(samples(500), tmp / "pool" / "a.parquet")
    content = bytearray(path.read_bytes())
    content[4:64] = b"\xff" * 60
    path.write_bytes(content)
    add("p", tmp / "pool")


def other_type(tmp, _):
    write(pa.table({"uid": ["0"], "text": ["x"]}), tmp / "pool" / "a.parquet")
    write(pa.table({"uid": ["1"], "text": [7]}), tmp / "pool" / "b.parquet")
    open_pool(tmp / "pool")


def column_missing(tmp, _):
    write(pa.table({"uid": ["0"], "text": ["x"]}), tmp / "pool" / "a.parquet")
    write(pa.table({"uid": ["1"]}), tmp / "pool" / "b.parquet")
    open_pool(tmp / "pool")


def without_uid(tmp, _):
    write(pa.table({"id": ["0"], "text": ["x"]}), tmp / "pool" / "a.parquet")
    open_pool(tmp / "pool")


def uid_is_a_number(tmp, _):
    write(pa.table({"uid": [0]}), tmp / "pool" / "a.parquet")
    open_pool(tmp / "pool")


def pool_changed(tmp, _):
    added(tmp)
    (tmp / "small" / "a.parquet").unlink()
    open_pool("small")


def bad_name(tmp, _):
    add("../small", tmp)


def locked(tmp, _):
    added(tmp)
    with store.lock_file("small").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_pool("small")


def record_of_another_version(tmp, _):
    added(tmp)
    path = store.record_file("small")
    path.write_text(path.read_text().replace("version = 1", "version = 99", 1))
    open_pool("small")


def record_incomplete(tmp, _):
    os.unlink(added(tmp).files[0].sidecar)
    open_pool("small")


def column_twice(tmp, _):
    columns = [pa.array(["0"]), pa.array(["x"]), pa.array(["y"])]
    write(pa.Table.from_arrays(columns, ["uid", "text", "text"]), tmp / "pool" / "a.parquet")
    open_pool(tmp / "pool")


def unknown_protocol(tmp, _):
    open_pool("nfs5://host/pool")


def unreadable(tmp, patch):
    path = write(samples(5), tmp / "pool" / "a.parquet")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    patch.setattr("dcql.files.LocalFiles.cat_file", refuse)
    open_pool(tmp / "pool")


def disk_full(tmp, patch):
    write(samples(5), tmp / "small" / "a.parquet")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(taking, "take_in", full)
    add("small", tmp / "small")


def not_allowed(tmp, patch):
    write(samples(5), tmp / "small" / "a.parquet")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    patch.setattr(taking, "take_in", refuse)
    add("small", tmp / "small")


def behind_a_closed_folder(tmp, patch):
    stat = os.stat

    def refuse(path, *given, **named):
        if str(path) == str(tmp / "closed" / "pool"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *given, **named)

    patch.setattr(os, "stat", refuse)
    open_pool(tmp / "closed" / "pool")


def changed_meanwhile(tmp, patch):
    path = write(samples(5), tmp / "small" / "a.parquet")
    take_in = taking.take_in

    def slow(*given):
        take_in(*given)
        write(samples(6), path)

    patch.setattr(taking, "take_in", slow)
    try:
        add("small", path)
    finally:
        assert not list(store.pool_folder("small").glob("work/*"))


def too_large_for_int(tmp, _):
    table = pa.table({"uid": ["0", "1"], "seed": pa.array([1, 2**64 - 1], pa.uint64())})
    write(table, tmp / "pool" / "a.parquet")
    add("p", tmp / "pool")


def no_canonical_form(tmp, patch):
    # Parquet holds no such type yet, so that the file says another and the reader is told this one.
    write(pa.table({"uid": ["0"], "extra": [1]}), tmp / "pool" / "a.parquet")
    batch = pa.record_batch({"uid": ["0"], "extra": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    patch.setattr("dcql.engine.intake._batches", lambda *_: iter([batch]))
    add("p", tmp / "pool")


def not_added(tmp, _):
    write(samples(5), tmp / "pool" / "a.parquet")
    describe(open_pool(tmp / "pool"))


def not_utf8(tmp, _):
    broken = pa.array([b"good", b"\xff\xfe"]).view(pa.string())
    write(pa.table({"uid": ["0", "1"], "text": broken}), tmp / "pool" / "a.parquet")
    add("p", tmp / "pool")


def upper_case_uid(tmp, _):
    write(pa.table({"uid": [uid(0), uid(1).upper()]}), tmp / "pool" / "a.parquet")
    add("p", tmp / "pool")


def uid_null(tmp, _):
    write(pa.table({"uid": [uid(0), None]}), tmp / "pool" / "a.parquet")
    add("p", tmp / "pool")


def one_uid_twice(tmp, _):
    write(pa.table({"uid": [uid(0), uid(1)]}), tmp / "pool" / "a.parquet")
    write(pa.table({"uid": [uid(2), uid(1)]}), tmp / "pool" / "b.parquet")
    add("p", tmp / "pool")


def many_uids_twice(tmp, _):
    for name in ("a", "b"):
        write(samples(100), tmp / "pool" / f"{name}.parquet")
    add("p", tmp / "pool")


def saved(content):
    def case(tmp, _):
        if isinstance(content, bytes):
            (tmp / "s.npy").write_bytes(content)
        else:
            np.save(tmp / "s.npy", content)
        Subset.load(tmp / "s.npy")

    return case


def subset_truncated(tmp, _):
    Subset(np.zeros(1, UID)).save(tmp / "s.npy")
    os.truncate(tmp / "s.npy", 130)
    Subset.load(tmp / "s.npy")


CASES = {
    "E0701_no_such_pool": no_such_pool,
    "E0701_no_such_pool_of_any_name": no_such_pool_of_any_name,
    "E0701_no_such_path": no_such_path,
    "E0701_removed_twice": removed_twice,
    "E0702_empty_folder": empty_folder,
    "E0703_truncated": truncated,
    "E0703_damaged_inside": damaged_inside,
    "E0704_other_type": other_type,
    "E0704_column_missing": column_missing,
    "E0705_without_uid": without_uid,
    "E0706_uid_is_a_number": uid_is_a_number,
    "E0707_pool_changed": pool_changed,
    "E0708_bad_name": bad_name,
    "E0709_locked": locked,
    "E0710_record_of_another_version": record_of_another_version,
    "E0710_record_incomplete": record_incomplete,
    "E0711_column_twice": column_twice,
    "E0712_unknown_protocol": unknown_protocol,
    "E0712_unreadable": unreadable,
    "E0712_closed_folder": behind_a_closed_folder,
    "E0713_disk_full": disk_full,
    "E0713_not_allowed": not_allowed,
    "E0714_changed_meanwhile": changed_meanwhile,
    "E0715_too_large_for_int": too_large_for_int,
    "E0716_no_canonical_form": no_canonical_form,
    "E0717_not_added": not_added,
    "E0718_not_utf8": not_utf8,
    "E0720_upper_case_uid": upper_case_uid,
    "E0720_uid_null": uid_null,
    "E0721_one_uid_twice": one_uid_twice,
    "E0721_many_uids_twice": many_uids_twice,
    "E0730_no_subset_file": saved(b"uid\n"),
    "E0731_other_dtype": saved(np.arange(3)),
    "E0732_other_shape": saved(np.zeros((2, 3), UID)),
    "E0733_not_sorted": saved(np.array([(2, 0), (1, 0)], UID)),
    "E0734_truncated": subset_truncated,
    "E0735_no_copies": lambda *_: Subset.from_uids(np.zeros(1, UID), np.array([0])),
    "E0736_no_folder": lambda tmp, _: Subset(np.zeros(1, UID)).save(tmp / "nowhere" / "s.npy"),
    "E0737_no_file": lambda tmp, _: Subset.load(tmp / "nowhere.npy"),
}


# What differs between versions of pyarrow: its own words, and the digest of a footer that names its writer.
VARYING = (
    (r"(?<=reading it fails: ).*", "<reason>"),
    (r"(?<=in `a.parquet`: ).*UTF8.*", "<reason>"),
    (r"(?<=work/)[0-9a-f]{32}", "<key>"),
)


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool):
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path, monkeypatch)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    for varies, name_of_it in VARYING:
        said = re.sub(varies, name_of_it, said)
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


def test_every_code_of_pools_uids_and_subsets_has_a_case():
    # What is told of samples while a recipe runs is in tests/run.
    of_recipes = {"E0722", "E0725", "E0726", "E0727", "E0728"}
    codes = {code for code in CODES if "E0701" <= code < "E0740"} - of_recipes
    assert {name[:5] for name in CASES} == codes
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_every_message_says_what_to_do():
    for path in ERRORS.glob("*.txt"):
        assert "= help: " in path.read_text(encoding="utf-8"), path.name


def test_a_pool_is_read_through_its_current_footer(tmp_path: Path):
    listed = list_files(str(write(samples(5), tmp_path / "a.parquet")))
    os.unlink(tmp_path / "a.parquet")
    assert current_size(listed[0]) is None
