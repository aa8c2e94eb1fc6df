"""Images found in webdataset tars: every form of tar, joined by uid, resumed, damaged, read in the order asked for."""

import hashlib
import io
import itertools
import json
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from dcql.demo.expand import expand
from features.tars import image, sample, uid, uids, write_tar
from hypothesis import given
from hypothesis import strategies as st

from dcql.engine import shards
from dcql.engine.shards import ENTRY, ShardIndex, index, read
from dcql.engine.uids import parse_uids
from dcql.errors import RunError
from dcql.files import Listed, LocalFiles
from dcql.subset import UID, join_words
from dcql.tars.members import BLOCK, EXTENSIONS, DamagedTarError, members
from dcql.tars.plain import WINDOW

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def walk(content: bytes) -> list[tuple[str, int, int]]:
    """Return name, offset and size of the files of a tar."""

    def take(offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= len(content)
        return content[offset : offset + length]

    return [(member.name, member.offset, member.size) for member in members(take, len(content))]


def walk_until_damage(content: bytes) -> tuple[list[str], DamagedTarError]:
    """Return the names of the files that are found, and what stopped the walk."""
    seen = []
    try:
        for member in members(lambda offset, length: content[offset : offset + length], len(content)):
            seen.append(member.name)
    except DamagedTarError as stopped:
        return seen, stopped
    pytest.fail("nothing was found to be wrong")


def by_tarfile(path: Path) -> list[tuple[str, int, int]]:
    """Return the same as Python's own reader sees it."""
    with tarfile.open(path) as tar:
        return [(member.name, member.offset_data, member.size) for member in tar if member.isreg()]


def images(found: ShardIndex, asked: Any, **options: Any) -> list[bytes | None]:
    """Read all images asked for, in one list."""
    return list(itertools.chain.from_iterable(read(found, asked, **options)))


# Walking headers.


@pytest.mark.parametrize("format", FORMATS)
def test_members_are_those_of_tarfile(tmp_path: Path, format: str) -> None:
    names = ["0.jpg", "a/b/" + "n" * 90 + ".jpg", "d" * 60 + "/" + "n" * 95 + ".png", "ärger 木.webp"]
    if format != "ustar":
        names += ["x" * 101 + ".jpg", "y" * 700 + ".json", "木" * 200 + ".txt"]
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=FORMATS[format]) as tar:
        for size, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = size * 300
            tar.addfile(info, io.BytesIO(bytes(info.size)))
            for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
                other = tarfile.TarInfo(f"other{size}")
                other.type, other.linkname = kind, "l" * (150 if format != "ustar" else 50)
                tar.addfile(other)
    assert [name for name, _, _ in walk(path.read_bytes())] == names
    assert walk(path.read_bytes()) == by_tarfile(path)


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar command")
@pytest.mark.parametrize("format", ["v7", "ustar", "gnu", "posix"])
def test_members_are_those_that_the_tar_command_wrote(tmp_path: Path, format: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    name = "n" * (60 if format == "v7" else 140 if format == "ustar" else 220)
    (folder / "sub").mkdir()
    for file in ("0.jpg", "0.json", f"sub/{name[:60]}.jpg" if format != "gnu" else f"sub/{name}.jpg"):
        (folder / file).write_bytes(image(len(file)))
    command = ["tar", f"--format={format}", "--sort=name", "-cf", str(tmp_path / "a.tar"), "-C", str(folder), "."]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip("this tar has other options")
    found = walk((tmp_path / "a.tar").read_bytes())
    assert len(found) == 3
    assert found == by_tarfile(tmp_path / "a.tar")


def test_sizes_beyond_octal_digits() -> None:
    nine = 9 << 30
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        large, small = tarfile.TarInfo("large.jpg"), tarfile.TarInfo("small.jpg")
        large.size = nine
        head = large.tobuf(format)
        pieces = {0: head, len(head) + nine: small.tobuf(format) + bytes(2 * BLOCK)}

        def take(offset: int, length: int, pieces: dict[int, bytes] = pieces) -> bytes:
            start = max(place for place in pieces if place <= offset)
            return pieces[start][offset - start : offset - start + length]

        found = list(members(take, len(head) + nine + len(pieces[len(head) + nine])))
        assert [(member.name, member.size) for member in found] == [("large.jpg", nine), ("small.jpg", 0)]
        assert found[0].offset == len(head)


def test_a_pax_size_is_not_that_of_a_header_between() -> None:
    sized, named = tarfile.TarInfo("a.jpg"), tarfile.TarInfo("n" * 150 + ".jpg")
    sized.size = 9 << 30
    only_pax = sized.tobuf(tarfile.PAX_FORMAT)[:-BLOCK]
    content = only_pax + named.tobuf(tarfile.GNU_FORMAT)
    found = next(members(lambda offset, length: content[offset : offset + length], len(content) + sized.size))
    assert (found.name, found.size, found.offset) == (named.name, sized.size, len(content))


def test_a_link_has_no_content_whatever_size_it_states(tmp_path: Path) -> None:
    link, file = tarfile.TarInfo("link.jpg"), tarfile.TarInfo("file.jpg")
    link.type, link.linkname, link.size = tarfile.LNKTYPE, "file.jpg", 5000
    path = tmp_path / "a.tar"
    path.write_bytes(link.tobuf(tarfile.USTAR_FORMAT) + file.tobuf(tarfile.USTAR_FORMAT) + bytes(20 * BLOCK))
    assert walk(path.read_bytes()) == by_tarfile(path) == [("file.jpg", 2 * BLOCK, 0)]


def test_what_gnu_writes_in_place_of_a_prefix_is_no_part_of_the_name() -> None:
    block = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
    block[345:357] = b"14720513226\0"  # the time of the last access, which `tar --incremental` keeps
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert walk(bytes(block) + bytes(2 * BLOCK)) == [("a.jpg", BLOCK, 0)]


@pytest.mark.parametrize("format", FORMATS)
def test_a_tar_that_is_cut_off_gives_what_stands_before(tmp_path: Path, format: str) -> None:
    names = ["a.jpg", ("n" * 150 if format != "ustar" else "b") + ".jpg", "c.jpg"]
    path = write_tar(tmp_path / "a.tar", [(name, image(7)) for name in names], FORMATS[format])
    whole = path.read_bytes()
    ends = [offset + size for _, offset, size in by_tarfile(path)]
    last = ends[-1] + -ends[-1] % BLOCK
    for cut in range(0, last, 100):
        seen, stopped = walk_until_damage(whole[:cut])
        assert seen == names[: sum(end <= cut for end in ends)]
        assert 0 <= stopped.offset <= cut


def test_bytes_that_are_no_tar_never_do_more_than_stop(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", [("n" * 150 + ".jpg", image(1)), ("b.json", b"{}")], tarfile.PAX_FORMAT)
    whole = path.read_bytes()
    chance = random.Random(0)
    stopped = 0
    for _ in range(2000):
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            mutated[chance.randrange(4 * BLOCK)] = chance.randrange(256)
        if chance.random() < 0.5:  # with a sum that fits, so that the fields themselves are looked at
            header = chance.choice([0, 2 * BLOCK])
            block = bytearray(mutated[header : header + BLOCK])
            block[148:156] = b" " * 8
            mutated[header + 148 : header + 156] = b"%06o\0 " % sum(block)
        try:
            walk(bytes(mutated))
        except DamagedTarError:
            stopped += 1
    assert stopped > 1000
    with pytest.raises(DamagedTarError, match="no header at byte 0"):
        walk(b"PAR1" * 1000)


# The index.


def test_demo_pool(tmp_path: Path) -> None:
    pool = expand(tmp_path / "demo")
    found = index(pool, tmp_path / "store")
    assert (found.duplicates, found.unnamed, found.damages) == (0, 0, ())
    assert len(found.tars) == 15
    rows = 0
    for path in sorted((pool / "metadata").glob("*.parquet")):
        table = pq.read_table(path, columns=["uid", "sha256"])
        asked = join_words(*parse_uids(table["uid"], file=path.name))
        contents = images(found, asked)
        assert [hashlib.sha256(content or b"").hexdigest() for content in contents] == table["sha256"].to_pylist()
        rows += table.num_rows
    assert len(found) == rows == 21427


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_extensions(tmp_path: Path, extension: str) -> None:
    write_tar(tmp_path / "a.tar", [*sample("0", 0, extension), *sample("1", 1, extension.upper())])
    found = index(tmp_path, tmp_path / "store")
    assert [EXTENSIONS[number] for number in found.entries["extension"]] == [extension] * 2
    assert images(found, uids(uid(1), uid(0))) == [image(1), image(0)]


def test_samples_are_joined_by_uid_and_never_by_key(tmp_path: Path) -> None:
    write_tar(tmp_path / "shards" / "0.tar", [*sample("000", 1), *sample("001", 2)])
    write_tar(tmp_path / "shards" / "1.tar", [*sample("000", 3), *sample("a.b/001", 4)])
    found = index(tmp_path, tmp_path / "store")
    assert images(found, uids(*map(uid, (4, 3, 2, 1)))) == [image(4), image(3), image(2), image(1)]


def test_of_equal_uids_the_first_by_tar_and_offset_wins(tmp_path: Path) -> None:
    write_tar(tmp_path / "b.tar", [("0.jpg", b"third"), ("0.json", json.dumps({"uid": uid(1)}).encode())])
    described = json.dumps({"uid": uid(1)}).encode()
    files = [("1.jpg", b"first"), ("1.json", described), ("0.jpg", b"second"), ("0.json", described)]
    write_tar(tmp_path / "a.tar", files)
    found = index(tmp_path, tmp_path / "store")
    assert (len(found), found.duplicates) == (1, 2)
    assert images(found, uids(uid(1))) == [b"first"]


def test_images_without_a_uid_are_counted(tmp_path: Path) -> None:
    described = [
        b"{",
        b"[1]",
        b'{"uid": 5}',
        b'{"uid": "0xff"}',
        b'{"uid": "' + b"A" * 32 + b'"}',
        b'{"uid": ""}',
        b"\xff",
    ]
    files = [("none.jpg", b"0"), ("a/key.jpg", b"0"), ("b/key.json", json.dumps({"uid": uid(0)}).encode())]
    for number, text in enumerate(described):
        files += [(f"{number}.jpg", b"0"), (f"{number}.json", text)]
    write_tar(tmp_path / "a.tar", [*files, *sample("good", 1), ("text.txt", b""), ("README", b"")])
    found = index(tmp_path, tmp_path / "store")
    assert (len(found), found.unnamed) == (1, len(described) + 2)


def test_a_short_uid_is_padded_on_the_left(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", [("0.json", b'{"uid": "ab"}'), ("0.png", b"first"), ("0.jpg", b"second")])
    found = index(tmp_path, tmp_path / "store")
    assert images(found, uids("ab".rjust(32, "0"))) == [b"first"]


def test_of_two_files_of_a_kind_the_first_counts_as_for_a_reshard(tmp_path: Path) -> None:
    described = [("0.json", json.dumps({"uid": uid(number)}).encode()) for number in (1, 2)]
    write_tar(tmp_path / "a.tar", [("0.jpg", b"first"), *described, ("0.jpg", b"second")])
    found = index(tmp_path, tmp_path / "store")
    assert images(found, uids(uid(1), uid(2))) == [b"first", None]


def test_a_damaged_tar_is_told_by_name_and_offset(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "0.tar", [member for n in range(4) for member in sample(f"{n}", n)])
    where = {name: offset for name, offset, _ in by_tarfile(whole)}
    whole.write_bytes(whole.read_bytes()[: where["2.jpg"] + 500])
    write_tar(tmp_path / "1.tar", sample("9", 9))
    (tmp_path / "2.tar").touch()
    found = index(tmp_path, tmp_path / "store")
    assert [(damage.tar, damage.offset) for damage in found.damages] == [
        ("0.tar", where["2.jpg"] - BLOCK),
        ("2.tar", 0),
    ]
    assert str(found.damages[0]) == f"`0.tar` cannot be read beyond byte {where['2.jpg'] - BLOCK}: a file is cut off"
    asked = uids(*map(uid, (0, 1, 2, 3, 9)))
    assert images(found, asked) == [image(0), image(1), None, None, image(9)]
    assert index(tmp_path, tmp_path / "store").damages == found.damages


def test_no_image_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = [
        (name, content * 500 if name.endswith("jpg") else content)
        for n in range(20)
        for name, content in sample(f"{n}", n)
    ]
    path = write_tar(tmp_path / "a.tar", large)
    seen = []
    pread = os.pread

    def counting(descriptor: int, length: int, offset: int) -> bytes:
        content = pread(descriptor, length, offset)
        seen.append(len(content))
        return content

    monkeypatch.setattr(os, "pread", counting)
    found = index(tmp_path, tmp_path / "store")
    assert len(found) == 20
    # Three headers a sample and its .json, which lie in two stretches around the image.
    assert 20 * 4 * BLOCK < sum(seen) < 20 * 2 * WINDOW < path.stat().st_size / 50


# By format, and where 10 KB are cut off: as it was first made. What was computed of images is found in the store by it.
DIGESTS = {
    ("ustar", False): "9f95a1a534c7967b42e932001ca5c8e7f8a9b7bfc2e1929c9280a3ffe90bdf5c",
    ("gnu", False): "7092e17b7d194914ccb3cea74ea62954066394aa1cfe9162587cffb08bf09b02",
    ("pax", False): "728ab4a91e5d2ee37c97a971f4bbfc2a7d57817c6f667ebb2c557d2a340f81ca",
    ("ustar", True): "87e6cdc9718fcd4d07986cad860e214563a07862b0ad9ec90665dd9d7144a92b",
    ("pax", True): "107d0e7cda3f2f8fe0c4c7a70f521900a9fa50aeef5aa87330042c5b814cd367",
}


@pytest.mark.parametrize(("format", "cut"), DIGESTS)
def test_the_digest_of_tars_stays_what_it_was(tmp_path: Path, format: str, cut: bool) -> None:
    key = "k" * (90 if format == "ustar" else 120)
    files = [*sample("0", 0), ("README", b"no file of a sample"), *sample("a/1", 1, "PNG"), *sample(key, 2, "webp")]
    files += [("3.jpg", b"first"), ("3.png", b"second"), ("3.json", b"{"), *sample("4", 9_000), *sample("5", 9_001)]
    path = write_tar(tmp_path / "a.tar", files, FORMATS[format])
    if cut:
        path.write_bytes(path.read_bytes()[:-10_000])
    assert index(tmp_path, tmp_path / "store").digest == DIGESTS[format, cut]


# Resuming.


def counted(monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> list[int]:
    """Count the tars that are walked, by their sizes; fail at one of a size."""
    walked: list[int] = []
    walk = shards._walk

    def spy(reader: Any, size: int) -> Any:
        if size == stop_at:
            raise OSError("stopped")
        walked.append(size)
        return walk(reader, size)

    monkeypatch.setattr(shards, "_walk", spy)
    return walked


def test_a_tar_is_walked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_tar(tmp_path / f"{number}.tar", sample("0", number) * (20 * number + 1))
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.tar"))]
    with monkeypatch.context() as patch:
        counted(patch, stop_at=sizes[1])
        with pytest.raises(RunError) as caught:
            index(tmp_path, tmp_path / "store")
        assert caught.value.diagnostics[0].code == "E0712"
    walked = counted(monkeypatch)
    first = index(tmp_path, tmp_path / "store")
    assert sizes[1] in walked
    assert sizes[0] not in walked
    walked.clear()
    again = index(tmp_path, tmp_path / "store")
    assert walked == []
    assert (again.digest, again.uids.tolist(), again.entries.tolist()) == (
        first.digest,
        first.uids.tolist(),
        first.entries.tolist(),
    )
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["0.tar.npz", "1.tar.npz", "2.tar.npz"]


def test_a_tar_that_changed_is_walked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "a.tar", sample("0", 1))
    write_tar(tmp_path / "b.tar", sample("0", 5))
    before = index(tmp_path, tmp_path / "store")
    size = path.stat().st_size
    other = dict(sample("0", 1)) | {"0.json": sample("0", 2)[2][1]}
    write_tar(path, other.items())
    assert path.stat().st_size == size
    walked = counted(monkeypatch)
    after = index(tmp_path, tmp_path / "store")
    assert len(walked) == 1
    assert after.digest != before.digest
    assert images(after, uids(uid(1), uid(2), uid(5))) == [None, image(1), image(5)]


@pytest.mark.parametrize("damage", [lambda kept: kept[:100], lambda kept: b"", lambda kept: kept[:-200] + bytes(200)])
def test_a_damaged_index_is_made_again(tmp_path: Path, damage: Any) -> None:
    write_tar(tmp_path / "a.tar", sample("0", 1))
    before = index(tmp_path, tmp_path / "store")
    kept = tmp_path / "store" / "a.tar.npz"
    kept.write_bytes(damage(kept.read_bytes()))
    assert index(tmp_path, tmp_path / "store").digest == before.digest
    assert images(index(tmp_path, tmp_path / "store"), uids(uid(1))) == [image(1)]


def test_progress(tmp_path: Path) -> None:
    for number in range(3):
        write_tar(tmp_path / f"{number}.tar", sample("0", number))
    told: list[tuple[int, int]] = []
    index(tmp_path, tmp_path / "store", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


# Reading.


@pytest.fixture
def many(tmp_path: Path) -> ShardIndex:
    """Four tars of 50 samples each."""
    for tar in range(4):
        write_tar(tmp_path / f"{tar}.tar", [m for n in range(50) for m in sample(f"{n:03}", 50 * tar + n)])
    return index(tmp_path, tmp_path / "store")


@pytest.mark.parametrize("batch", [1, 7, 1000])
def test_images_come_in_the_order_asked_for(many: ShardIndex, batch: int) -> None:
    asked = [random.Random(batch).randrange(220) for _ in range(300)]
    lists = list(read(many, uids(*map(uid, asked)), batch=batch))
    assert {len(each) for each in lists[:-1]} <= {batch}
    assert list(itertools.chain(*lists)) == [image(number) if number < 200 else None for number in asked]


def test_a_list_holds_no_more_bytes_than_it_may(many: ShardIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_BATCH_BYTES", 5000)
    lists = list(read(many, uids(*map(uid, range(200)))))
    assert all(len(each) == 1 or sum(map(len, filter(None, each))) <= 5000 for each in lists)
    assert list(itertools.chain(*lists)) == [image(number) for number in range(200)]


@pytest.mark.parametrize("gap", [0, 1 << 20])
@pytest.mark.parametrize("stretch", [1, 5000, 1 << 20])
def test_how_images_are_read_together_changes_nothing(
    many: ShardIndex, monkeypatch: pytest.MonkeyPatch, gap: int, stretch: int
) -> None:
    monkeypatch.setattr(shards, "_GAP", gap)
    monkeypatch.setattr(shards, "_STRETCH_BYTES", stretch)
    assert images(many, uids(*map(uid, range(200)))) == [image(number) for number in range(200)]


def test_images_side_by_side_are_read_at_once(many: ShardIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    cat = LocalFiles.cat_file
    monkeypatch.setattr(LocalFiles, "cat_file", lambda *given, **named: reads.append(1) or cat(*given, **named))
    images(many, uids(*map(uid, range(200))))
    assert len(reads) == 4


def test_nothing_asked_for_and_nothing_there(many: ShardIndex, tmp_path: Path) -> None:
    assert images(many, np.zeros(0, UID)) == []
    write_tar(tmp_path / "none" / "a.tar", [])
    found = index(tmp_path / "none", tmp_path / "none_store")
    assert (len(found), found.damages) == (0, ())
    assert images(found, uids(uid(1), uid(2))) == [None, None]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5))), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)))
)
def test_find_agrees_with_a_dictionary(ours: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    known = sorted(set(ours))
    found = ShardIndex(
        (Listed("a", "a", 0),),
        np.array(known, UID),
        np.zeros(len(known), np.uint32),
        np.zeros(len(known), ENTRY),
        0,
        0,
        (),
        "",
    )
    places = {each: place for place, each in enumerate(known)}
    assert found.find(np.array(asked, UID)).tolist() == [places.get(each, -1) for each in asked]


def test_tars_behind_a_url(tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    path = write_tar(tmp_path / "a.tar", [m for n in range(5) for m in sample(f"{n}", n)])
    files.pipe_file("/images/shards/a.tar", path.read_bytes())
    try:
        found = index("memory://images", tmp_path / "store")
        assert images(found, uids(*map(uid, (4, 7, 0)))) == [image(4), None, image(0)]
    finally:
        files.rm("/images", recursive=True)
