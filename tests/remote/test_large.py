"""A pool of many files through a network that does everything wrong at random, and processes that are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from oracle import dcql1
from pool.samples import samples
from remote import bucket as buckets
from remote import faults
from remote.bucket import CLIP, Bucket
from remote.faults import Asked, Proxy
from remote.test_s3 import hash_of

from dcql.catalog.pool import open_pool
from dcql.compiler import run
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.remote import objects, settings
from dcql.source import Source

CAPTIONS = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND caption = 'a dog';"


def make_large(address: str, folder: Path, files: int, rows: int) -> Bucket:
    """Write a pool of files of several row groups, whose samples are those of a few with uids of their own."""
    bucket = buckets.make(address, folder, files=0)
    few = samples(2_000)
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    for number in range(files):
        table = few.take(pa.array(rng.integers(0, few.num_rows, rows)))
        uids = [f"{high:016x}{low:016x}" for high, low in rng.integers(0, 2**63, (rows, 2)).tolist()]
        table = table.set_column(0, "uid", pa.array(uids, pa.string()))
        pq.write_table(table, folder / f"{number:02}.parquet", row_group_size=rows // 3)
        bucket.put(f"{number:02}.parquet", bucket.content(f"{number:02}.parquet"))
    return bucket


def by_hand(bucket: Bucket, *, dogs: bool) -> str:
    """Return the hash of the samples at or above the 0.7 quantile, with numpy alone."""
    table = pa.concat_tables([pq.read_table(path) for path in sorted(bucket.folder.glob("*.parquet"))])
    scores = table["clip_l14_similarity_score"].to_numpy(zero_copy_only=False).astype(np.float32)
    there = scores[~np.isnan(scores)]
    cut = np.sort(there)[int(np.ceil(0.7 * len(there))) - 1]
    kept = scores >= cut
    if dogs:
        kept &= np.array([text == "a dog" for text in table["text"].to_pylist()])
    return dcql1({bytes.fromhex(uid): 1 for uid in table["uid"].filter(pa.array(kept)).to_pylist()})


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, None])
def test_one_hash_through_everything(threads: int | None, s3: Proxy, tmp_path: Path) -> None:
    bucket = make_large(s3.url, tmp_path / "pool", files=24, rows=30_000)
    expected = {CLIP: by_hand(bucket, dogs=False), CAPTIONS: by_hand(bucket, dogs=True)}
    rng = np.random.default_rng(threads or 0)

    def any_of_them(handler: faults.Handler, status: int, headers: dict[str, str], content: bytes) -> None:
        faults.FAULTS[rng.integers(len(faults.FAULTS))](handler, status, headers, content)

    s3.well()
    s3.fault, s3.when = any_of_them, lambda asked, times: asked.is_of_a_file and times < 4 and rng.random() < 0.4
    for recipe in (CLIP, CAPTIONS):
        ran = run(Source("recipe.dcql", recipe), bucket.url, resources=Resources(threads=threads))
        assert ran.subset.hash == expected[recipe]
    fingerprint = add("small", bucket.url).fingerprint
    s3.well()
    assert fingerprint == add("same", bucket.folder).fingerprint
    objects.blocks.drop()
    for recipe in (CLIP, CAPTIONS):
        assert hash_of(recipe, open_pool("small")) == expected[recipe]
    assert s3.files() == []


@pytest.mark.slow
def test_a_cache_that_is_much_too_small(s3: Proxy, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = make_large(s3.url, tmp_path / "pool", files=8, rows=30_000)
    monkeypatch.setenv(settings.LIMIT, "12MB")
    for _ in range(2):
        assert hash_of(CLIP, bucket.url) == by_hand(bucket, dogs=False)
        assert hash_of(CAPTIONS, bucket.url) == by_hand(bucket, dogs=True)
        objects.blocks.drop()
    held = sum(path.stat().st_size for path in (home / "cache" / "blocks").rglob("*") if path.is_file())
    assert 0 < held <= 12_000_000


@pytest.mark.slow
def test_an_add_that_is_killed_goes_on(s3: Proxy, tmp_path: Path, home: Path) -> None:
    bucket = buckets.make(s3.url, tmp_path / "pool", files=4, rows=1_500)
    s3.well()
    command = [sys.executable, "-m", "dcql", "pool", "add", "small", bucket.url]
    process: subprocess.Popen[bytes] | None = None

    def before(asked: Asked) -> None:
        # The third file is being read: two are done.
        if process is not None and asked.path.endswith("2.parquet") and asked.start + asked.bytes < 60_000:
            process.send_signal(signal.SIGKILL)

    s3.before = before
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert process.wait() == -signal.SIGKILL
    read = {asked for asked in s3.files() if asked.path.endswith(("0.parquet", "1.parquet"))}
    s3.well()
    assert subprocess.run(command, env=os.environ, capture_output=True, check=True).stderr == b""
    # Of finished files, what was read is in the cache: their footers and beginnings are not asked for again.
    assert {asked for asked in s3.files() if asked.path.endswith(("0.parquet", "1.parquet"))} & read == set()
    assert open_pool("small").fingerprint == add("same", bucket.folder).fingerprint
