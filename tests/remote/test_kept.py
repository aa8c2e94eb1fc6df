"""The cache on the disk: it never grows beyond its limit, and what it gives is what was put."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dcql.remote.kept import Kept, Usage, key_of

BLOCK = 1_000
TAKEN = BLOCK + 4


def content(number: int) -> bytes:
    return number.to_bytes(2, "little") * (BLOCK // 2)


def put(cache: Kept, number: int, used: float | None = None) -> None:
    """Keep a block; `used` is when it was used last."""
    key = key_of(f"s3://bucket/{number}", BLOCK, "v")
    cache.put(key, 0, BLOCK, content(number))
    if used is not None:
        os.utime(cache.folder / "blocks" / key[:2] / key / f"0-{BLOCK}", (used, used))


def get(cache: Kept, number: int) -> bytes | None:
    return cache.get(key_of(f"s3://bucket/{number}", BLOCK, "v"), 0, BLOCK)


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 100 * TAKEN)
    assert get(cache, 1) is None
    put(cache, 1)
    assert get(cache, 1) == content(1)
    assert get(cache, 2) is None
    key = key_of("s3://bucket/1", BLOCK, "v")
    assert cache.get(key, 0, BLOCK - 1) is None
    assert cache.usage() == Usage(1, TAKEN)


def test_a_key_is_of_url_size_and_version() -> None:
    keys = {key_of(*about) for about in (("a", 1, "v"), ("b", 1, "v"), ("a", 2, "v"), ("a", 1, "w"), ("a", 1, "v"))}
    assert len(keys) == 4


def test_those_used_least_recently_go_first(tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 20 * TAKEN)
    for number in range(20):
        put(cache, number, used=time.time() - 1_000 + number)
    assert get(cache, 0) == content(0)  # which is a use of it
    put(cache, 20)
    held = {number for number in range(21) if get(cache, number) is not None}
    # One tenth of the limit is made free at once.
    assert held == {0, *range(4, 21)}
    assert cache.usage().bytes <= cache.limit


def test_a_block_that_is_too_large_is_not_kept(tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 5 * TAKEN)
    put(cache, 1)
    assert cache.usage() == Usage(0, 0)


@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "empty"])
def test_a_damaged_block_is_none(damage: str, tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 100 * TAKEN)
    put(cache, 1)
    (path,) = (path for path in (tmp_path / "cache" / "blocks").rglob("*") if path.is_file())
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:-1],
            "longer": whole + b"\0",
            "flipped": whole[:500] + bytes([whole[500] ^ 4]) + whole[501:],
            "empty": b"",
        }[damage]
    )
    assert get(cache, 1) is None
    assert not path.exists()


def test_a_number_that_is_wrong_is_put_right(tmp_path: Path) -> None:
    """As after a process that was killed between the counting and the writing."""
    cache = Kept(tmp_path / "cache", 20 * TAKEN)
    put(cache, 1)
    (tmp_path / "cache" / "size").write_text("999999999")
    put(cache, 2)
    assert (get(cache, 1), get(cache, 2)) == (content(1), content(2))
    assert int((tmp_path / "cache" / "size").read_text()) == cache.usage().bytes


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 20 * TAKEN)
    put(cache, 1)
    left = tmp_path / "cache" / "blocks" / "aa" / ("a" * 32) / ".0-5.123.456"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(18 * TAKEN))
    os.utime(left, (0, 0))
    for number in range(2, 22):
        put(cache, number)
    assert not left.exists()
    assert cache.usage().bytes <= cache.limit


def test_clearing(tmp_path: Path) -> None:
    cache = Kept(tmp_path / "cache", 100 * TAKEN)
    assert cache.clear() == Usage(0, 0)
    put(cache, 1)
    put(cache, 2)
    assert cache.clear() == Usage(2, 2 * TAKEN)
    assert cache.usage() == Usage(0, 0)
    put(cache, 1)
    assert get(cache, 1) == content(1)


def test_a_disk_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    cache = Kept(tmp_path / "cache", 100 * TAKEN)
    put(cache, 1)
    assert get(cache, 1) is None


def test_the_cache_is_for_its_owner(tmp_path: Path) -> None:
    put(Kept(tmp_path / "cache", 100 * TAKEN), 1)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


PROCESS = """
import sys
from remote.test_kept import TAKEN, content, get, put
from pathlib import Path
from dcql.remote.kept import Kept
cache = Kept(Path(sys.argv[1]), 30 * TAKEN)
largest = 0
for round in range(4):
    for number in range(int(sys.argv[2]), 100, 3):
        put(cache, number)
        found = get(cache, number)
        assert found in (None, content(number)), number
        other = get(cache, (number * 7) % 100)
        assert other in (None, content((number * 7) % 100))
    largest = max(largest, cache.usage().bytes)
print(largest)
"""


def test_processes_share_it(tmp_path: Path) -> None:
    """None takes half a block for a whole one, and all together keep to the limit."""
    words = [sys.executable, "-c", PROCESS, str(tmp_path / "cache")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    running = [
        subprocess.Popen([*words, str(start)], stdout=subprocess.PIPE, text=True, env=environment) for start in range(3)
    ]
    largest = [int(process.communicate()[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    # A walk meets blocks that come and go; what counts is the number under the lock, and what lies there in the end.
    assert max(largest) <= 33 * TAKEN
    cache = Kept(tmp_path / "cache", 30 * TAKEN)
    assert cache.usage().bytes <= int((tmp_path / "cache" / "size").read_text()) <= cache.limit
