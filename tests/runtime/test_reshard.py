"""Resharding: what is in the shards, that their bytes are decided by what is asked for alone, and what is counted."""

import itertools
import json
import os
import pickle
import random
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pytest
from dcql.runtime import shards
from dcql.runtime.reshard import Settings, reshard
from dcql.runtime.reshard.plan import plan
from dcql.runtime.reshard.scan import FOUND, scan
from dcql.runtime.reshard.ustar import end, header
from dcql.runtime.shard_reader import Sample, ShardReader
from features.tars import image, sample, uid, write_tar
from hypothesis import given
from hypothesis import strategies as st
from small_pools import by_tarfile, expected, make_run, make_tars, without_json

from dcql.errors import RunError
from dcql.subset import UID, Subset


def files(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What is in the shards.


def test_shards_hold_the_samples_of_the_subset_in_the_order_of_the_tars(tmp_path: Path) -> None:
    tars, kept = make_tars(tmp_path / "pool" / "shards", 3, 7), [20, 3, 5, 6, 7, 0, 13, 12]
    run = make_run(tmp_path / "run", kept)
    made = reshard(run, tmp_path / "pool", settings=Settings(shard_size=3))
    found = by_tarfile(run / "shards")
    assert without_json(found) == [expected(number) for number in sorted(kept)]
    assert made.sizes == (2, 3, 3)
    assert (made.samples, made.distinct, made.missing, made.duplicates, made.unnamed) == (8, 8, 0, 0, 0)
    with tarfile.open(tars / "00000000.tar") as tar:
        content = tar.extractfile("000000000.json")
        assert content is not None
        assert found[0][1]["json"] == content.read()


def test_shards_are_plain_ustar_without_times_and_owners(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 5)
    reshard(make_run(tmp_path / "run", range(5)), tmp_path / "tars", tmp_path / "out")
    path = tmp_path / "out" / "00000000.tar"
    assert path.stat().st_size % tarfile.RECORDSIZE == 0
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        assert tar.pax_headers == {}
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
        assert (member.mode, member.type) == (0o444, tarfile.REGTYPE)
    assert [member.name.partition(".")[2] for member in members] == ["json", "txt", "jpg"] * 5


@given(st.from_regex(r"[0-9a-f]{1,32}-[0-9]{1,9}\.(json|txt|webp)", fullmatch=True), st.integers(0, 2**33 - 1))
def test_a_header_is_read_as_it_was_meant(name: str, size: int) -> None:
    member = tarfile.TarInfo.frombuf(header(name.encode(), size), "ascii", "strict")
    assert (member.name, member.size, member.mode, member.isreg()) == (name, size, 0o444, True)
    assert (size + len(end(size - size % 512))) >= 1024


def test_what_open_clip_and_datacomp_read_stands_beside_the_shards(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 2, 10)
    run = make_run(tmp_path / "run", range(5, 20), [2] + [1] * 14)
    reshard(run, tmp_path / "tars", settings=Settings(shard_size=4))
    out = run / "shards"
    assert json.loads((out / "sizes.json").read_text()) == {f"{number:08d}.tar": 4 for number in range(4)}
    meta = json.loads((out / "meta.json").read_text())
    assert [meta["output_shard_format"].format(number) for number in range(meta["output_shard_count"])] == sorted(
        path.name for path in out.glob("*.tar")
    )
    assert (out / "sample_ids.npy").read_bytes() == (run / "subset.npy").read_bytes()
    assert sorted(path.name for path in out.iterdir() if path.suffix != ".tar") == [
        "index.parquet",
        "meta.json",
        "sample_ids.npy",
        "shards.json",
        "sizes.json",
    ]


def test_images_keep_their_format(tmp_path: Path) -> None:
    kinds = {0: "webp", 1: "jpeg", 2: "png", 3: "JPG"}
    members = [file for number, kind in kinds.items() for file in sample(f"{number}", number, kind)]
    write_tar(tmp_path / "tars" / "0.tar", members)
    made = reshard(make_run(tmp_path / "run", range(4)), tmp_path / "tars")
    assert [next(iter(held.keys() - {"json", "txt"})) for _, held in by_tarfile(tmp_path / "run" / "shards")] == [
        "webp",
        "jpg",
        "png",
        "jpg",
    ]
    reader = ShardReader(made)
    assert [reader.read(number).image_format for number in range(4)] == ["webp", "jpg", "png", "jpg"]


# Bytes are decided by what is asked for alone.


@pytest.mark.parametrize("workers", [2, 3])
def test_bytes_are_equal_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    make_tars(tmp_path / "tars", 4, 30)
    run = make_run(tmp_path / "run", range(0, 120, 2), [1 + number % 4 for number in range(60)])
    one = reshard(run, tmp_path / "tars", tmp_path / "one", Settings(shard_size=11))
    many = reshard(run, tmp_path / "tars", tmp_path / "many", Settings(shard_size=11, workers=workers))
    assert files(tmp_path / "one") == files(tmp_path / "many")
    assert one.digest == many.digest


def test_the_digest_is_the_same_where_nothing_is_copied(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 3, 20)
    run = make_run(tmp_path / "run", range(0, 60, 3), [3] + [1] * 19)
    copied = reshard(run, tmp_path / "tars", tmp_path / "copied", Settings(shard_size=7))
    planned = reshard(run, tmp_path / "tars", tmp_path / "planned", Settings(shard_size=7, copy=False, workers=2))
    assert (copied.digest, copied.sizes, copied.sha256) == (planned.digest, planned.sizes, planned.sha256)
    assert not list((tmp_path / "planned").glob("*.tar"))
    assert not (tmp_path / "planned" / "sizes.json").exists()
    ours, theirs = ShardReader(copied), ShardReader(shards.read(tmp_path / "planned"))
    assert [ours.read(at) for at in range(len(ours))] == [theirs.read(at) for at in range(len(theirs))]


def test_the_digest_binds_subset_policy_and_bytes(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 9)
    make_tars(tmp_path / "others", 1, 9, url="another")
    run, other = make_run(tmp_path / "run", range(9)), make_run(tmp_path / "other", range(8))
    digests = {
        reshard(run, tmp_path / "tars", tmp_path / "0").digest,
        reshard(other, tmp_path / "tars", tmp_path / "1").digest,
        reshard(run, tmp_path / "tars", tmp_path / "2", Settings(shard_size=5)).digest,
        reshard(run, tmp_path / "others", tmp_path / "3").digest,
    }
    assert len(digests) == 4


def test_a_finished_reshard_is_left_as_it_is(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 9)
    run = make_run(tmp_path / "run", range(9))
    first = reshard(run, tmp_path / "tars")
    times = {path: path.stat().st_mtime_ns for path in (run / "shards").iterdir()}
    assert reshard(run, tmp_path / "tars") == first
    assert {path: path.stat().st_mtime_ns for path in (run / "shards").iterdir()} == times


def test_it_reads_and_writes_urls(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 2, 20)
    run = make_run(tmp_path / "run", range(0, 40, 3), [2] * 14)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "tars"), "/reshard/in", recursive=True)
    here = reshard(run, tmp_path / "tars", settings=Settings(shard_size=5))
    far = reshard(run, "memory://reshard/in", "memory://reshard/out", Settings(shard_size=5))
    assert far.digest == here.digest
    assert not (run / "shards" / ".unfinished").exists()
    reader, other = ShardReader(shards.read("memory://reshard/out")), ShardReader(here)
    assert [reader.read(at) for at in range(len(reader))] == [other.read(at) for at in range(len(other))]
    shards.verify(reader.shards)
    planned = reshard(run, "memory://reshard/in", tmp_path / "planned", Settings(shard_size=5, copy=False))
    assert planned.digest == here.digest
    assert ShardReader(planned).read(3) == other.read(3)


# The plan.


def found_rows(ranks: list[int]) -> np.ndarray:
    """Return samples of 1000 bytes in one tar."""
    rows = np.zeros(len(ranks), FOUND)
    rows["rank"], rows["image_size"] = ranks, 1000
    return rows


def spread(copies: list[int], shard_size: int) -> list[Counter[int]]:
    """Return how often each sample is in each shard."""
    count = len(copies)
    subset = Subset(np.array([(number, number) for number in range(count)], UID), np.array(copies, np.uint32))
    planned = plan(subset, [found_rows(list(range(count)))], shard_size, 1 << 30)
    starts = planned.starts.tolist()
    return [Counter(planned.copies["sample"][start:stop].tolist()) for start, stop in itertools.pairwise(starts)]


def test_copies_of_a_sample_are_scattered() -> None:
    draw = random.Random(0)
    copies = [draw.choice([1, 1, 1, 2, 3, 5]) for _ in range(4000)]
    planned = spread(copies, 200)
    assert max(max(shard.values()) for shard in planned) == 1
    total = sum(planned, Counter())
    assert [total[number] for number in range(4000)] == copies
    # Neighbours of first copies are no neighbours of second ones.
    together = [shard for shard in planned if 1000 in shard]
    assert all(len(set(one) & set(other)) < 100 for one in together for other in together if one is not other)


def test_more_copies_than_shards_are_spread_evenly() -> None:
    planned = spread([1] * 300 + [100] + [1] * 299, 100)
    assert [shard[300] for shard in planned] == pytest.approx([100 / 7] * 7, abs=3)


def test_copies_are_numbered(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 6)
    run = make_run(tmp_path / "run", range(6), [1, 3, 1, 1, 2, 1])
    made = reshard(run, tmp_path / "tars", settings=Settings(shard_size=3))
    found = without_json(by_tarfile(run / "shards"))
    times = {1: 3, 4: 2}
    assert sorted(found) == sorted(expected(at, copy) for at in range(6) for copy in range(times.get(at, 1)))
    assert (made.samples, made.distinct) == (9, 6)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=60), st.integers(1, 12), st.integers(3000, 20_000))
def test_shards_are_even_and_within_their_limits(copies: list[int], size: int, most: int) -> None:
    count = len(copies)
    subset = Subset(np.array([(number, number) for number in range(count)], UID), np.array(copies, np.uint32))
    planned = plan(subset, [found_rows(list(range(count)))], size, most)
    sizes = np.diff(planned.starts)
    assert int(sizes.sum()) == sum(copies)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.max() <= size
    assert sizes.max() * (3 * 512 + 1024) <= most or sizes.max() == 1


# What is counted.


def test_the_first_of_equal_uids_is_taken_and_the_others_are_counted(tmp_path: Path) -> None:
    write_tar(tmp_path / "tars" / "b.tar", [*sample("0", 1, url="second"), *sample("1", 2)])
    write_tar(tmp_path / "tars" / "a.tar", [*sample("0", 1, url="first"), *sample("1", 1, url="third")])
    made = reshard(make_run(tmp_path / "run", [1, 2]), tmp_path / "tars")
    found = dict(by_tarfile(tmp_path / "run" / "shards"))
    assert json.loads(found[f"{uid(1)}-0"]["json"])["url"] == "first"
    assert (made.samples, made.duplicates) == (2, 2)


def test_images_without_a_uid_are_counted(tmp_path: Path) -> None:
    named, lost, broken = sample("0", 1), sample("1", 2)[:2], sample("2", 3)
    broken[2] = ("2.json", b'{"uid": "')
    write_tar(tmp_path / "tars" / "a.tar", [*named, *lost, *broken, *sample("3", 4, uid="no hex"), ("4.txt", b"a")])
    made = reshard(make_run(tmp_path / "run", [1]), tmp_path / "tars")
    assert (made.samples, made.unnamed) == (1, 3)


def test_missing_uids_are_an_error_unless_they_are_allowed(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 5)
    run = make_run(tmp_path / "run", range(8), [1, 1, 1, 1, 1, 2, 1, 1])
    with pytest.raises(RunError, match="E1012"):
        reshard(run, tmp_path / "tars")
    made = reshard(run, tmp_path / "tars", settings=Settings(allow_missing=True))
    assert (made.samples, made.distinct, made.missing) == (5, 5, 3)
    assert shards.read(run / "shards").missing == 3
    lacking = Subset.load(run / "shards" / "missing.npy")
    assert sorted(lacking.hex()) == sorted(uid(number) for number in (5, 6, 7))
    assert Subset.load(run / "shards" / "sample_ids.npy") == Subset.load(run / "subset.npy")


@pytest.mark.parametrize("lacks", [0, 1])
def test_a_sample_without_image_or_caption_is_missing(tmp_path: Path, lacks: int) -> None:
    partial = sample("1", 1)
    del partial[lacks]
    write_tar(tmp_path / "tars" / "a.tar", [*sample("0", 0), *partial])
    run = make_run(tmp_path / "run", [0, 1])
    with pytest.raises(RunError, match="without an image or a caption: 1"):
        reshard(run, tmp_path / "tars")
    assert reshard(run, tmp_path / "tars", settings=Settings(allow_missing=True)).missing == 1


def test_a_whole_sample_is_taken_where_an_earlier_one_is_not(tmp_path: Path) -> None:
    write_tar(tmp_path / "tars" / "a.tar", sample("0", 1)[1:])
    write_tar(tmp_path / "tars" / "b.tar", sample("0", 1))
    made = reshard(make_run(tmp_path / "run", [1]), tmp_path / "tars")
    assert (made.samples, made.missing) == (1, 0)


# Tars of every form.


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tars_of_every_form_give_the_same_shards(tmp_path: Path, format: int) -> None:
    plain = [file for number in range(5) for file in sample(f"{number:09d}", number)]
    foldered = [(f"a.b/{'n' * 90}/{name}", content) for name, content in plain]
    write_tar(tmp_path / "tars" / "a.tar", plain)
    write_tar(tmp_path / "others" / "a.tar", foldered if format != tarfile.USTAR_FORMAT else plain, format)
    run = make_run(tmp_path / "run", range(5))
    one, other = (reshard(run, tmp_path / name, tmp_path / f"{name}_out") for name in ("tars", "others"))
    assert one.sha256 == other.sha256


@given(
    st.lists(
        st.sampled_from(["a.jpg", "a.json", "a.txt", "b.jpg", "b.JSON", "a/b.c/b.txt", "b.b.json", ".x", "d"]),
        max_size=14,
    )
)
def test_plain_tars_are_walked_as_others_are(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    held = [(name, json.dumps({"uid": uid(at % 3)}).encode() * (at % 4 > 0)) for at, name in enumerate(names)]
    folder = tmp_path_factory.mktemp("walk")
    content = write_tar(folder / "a.tar", held).read_bytes()
    other = write_tar(folder / "b.tar", [("n" * 120, b""), *held], tarfile.GNU_FORMAT).read_bytes()
    asked = np.sort(np.array([divmod(int(uid(at), 16), 1 << 64) for at in range(2)], UID))

    def walked(tar: bytes, moved: int) -> tuple[list[tuple[int, ...]], int, int]:
        found = scan(lambda offset, length: tar[offset : offset + length], len(tar), asked)
        for name in ("json_offset", "caption_offset", "image_offset"):
            found.found[name] -= moved
        return found.found.tolist(), found.incomplete, found.unnamed

    assert walked(content, 0) == walked(other, 3 * 512)


# Reading.


def test_a_reader_gives_samples_by_position(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 2, 10)
    run = make_run(tmp_path / "run", range(20))
    reader = ShardReader(reshard(run, tmp_path / "tars", settings=Settings(shard_size=6)))
    assert len(reader) == 20
    for at in random.Random(0).sample(range(20), 20):
        assert reader.read(at) == Sample(f"{uid(at)}-0", image(at), "jpg", f"caption {at} ä")
        assert reader.key(at) == f"{uid(at)}-0"
    for beyond in (-1, 20):
        with pytest.raises(IndexError):
            reader.read(beyond)


FORKED = """\
import multiprocessing, pickle, sys

reader = pickle.load(sys.stdin.buffer)
first = reader.read(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(reader.read, [0, 1, 0]) == [first, reader.read(1), first]
"""


def test_a_reader_is_used_by_forked_processes_and_by_copies(tmp_path: Path) -> None:
    make_tars(tmp_path / "tars", 1, 8)
    reader = ShardReader(reshard(make_run(tmp_path / "run", range(8)), tmp_path / "tars"))
    first = reader.read(0)
    copy = pickle.dumps(reader)
    assert pickle.loads(copy).read(0) == first
    # In a process of its own: this one has threads, and a fork would leave a lock held that one of them holds.
    subprocess.run([sys.executable, "-c", FORKED], input=copy, check=True, timeout=120)


def test_a_reader_holds_few_tars_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcql.runtime.shard_reader._OPEN", 2)
    make_tars(tmp_path / "tars", 1, 12)
    run = make_run(tmp_path / "run", range(12))
    reader = ShardReader(reshard(run, tmp_path / "tars", settings=Settings(shard_size=2)))
    before = len(os.listdir("/proc/self/fd"))
    assert [reader.read(at).caption for at in range(12)] == [f"caption {at} ä" for at in range(12)]
    assert len(os.listdir("/proc/self/fd")) <= before + 2
