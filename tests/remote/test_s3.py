"""Pools on S3: one hash whatever the network does, no more bytes than needed, and files that change."""

import shutil
from pathlib import Path

import pytest
from pool.samples import samples, uid, write
from remote import bucket as buckets
from remote import faults
from remote.bucket import CLIP, ROWS, WORDS, Bucket
from remote.faults import Asked, Proxy

from dcql.catalog.pool import open_pool
from dcql.compiler import run
from dcql.engine.add import add
from dcql.engine.duck import Resources, session
from dcql.engine.locate import Place, values_of
from dcql.errors import RunError
from dcql.remote import objects, settings
from dcql.source import Source

TAIL = 1 << 16
LENGTHS = (
    "SELECT uid FROM pool WHERE code_points(text) > 4 AND python_words(text) >= q(0.6) AND fasttext_words(text) = 2;"
)
READ = {"clip_l14_similarity_score", "uid"}


@pytest.fixture(scope="module")
def stored(server: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Bucket:
    """Return a pool in a bucket that no test changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return buckets.make(server.url, tmp_path_factory.mktemp("stored") / "pool")


@pytest.fixture(scope="module")
def expected(stored: Bucket) -> dict[str, str]:
    """Return the hash of each recipe, by the second implementation."""
    return {recipe: stored.expected(recipe) for recipe in (CLIP, WORDS)}


@pytest.fixture
def changing(s3: Proxy, tmp_path: Path) -> Bucket:
    """Return a pool in a bucket that a test may change."""
    return buckets.make(s3.url, tmp_path / "changing", files=2, rows=2_000)


def hash_of(recipe: str, pool: object) -> str:
    return run(Source("recipe.dcql", recipe), pool).subset.hash  # type: ignore[arg-type]


def first_time(asked: Asked, times: int) -> bool:
    """Of each stretch, the first request goes wrong."""
    return asked.is_of_a_file and times == 1


# --- how much is read -------------------------------------------------------------------------------------------------


def test_a_raw_run_reads_the_columns_that_it_needs(s3: Proxy, stored: Bucket, expected: dict[str, str]) -> None:
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    files = len(list(stored.folder.iterdir()))
    read = sum(asked.bytes for asked in s3.files())
    # A tail each, and little chunks that lie side by side come together.
    assert read <= stored.bytes_of(READ) + 2 * files * TAIL
    assert len(s3.files()) == 3 * files
    assert len(s3.asked) <= len(s3.files()) + 8


def test_a_second_run_reads_nothing(s3: Proxy, stored: Bucket, expected: dict[str, str]) -> None:
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    s3.well()
    objects.blocks.drop()  # as in another process
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    assert s3.files() == []
    # Captions were not read before, and nothing else is read now.
    assert hash_of(WORDS, stored.url) == expected[WORDS]
    assert 0 < sum(asked.bytes for asked in s3.files()) <= stored.bytes_of({"text"}) + 2 * 3 * TAIL


def test_without_a_cache_everything_is_read_again(
    s3: Proxy, stored: Bucket, expected: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.LIMIT, "0")
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    once = len(s3.files())
    objects.blocks.drop()
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    assert len(s3.files()) == 2 * once > 0
    assert not (home / "cache").exists()


def test_an_added_pool(s3: Proxy, stored: Bucket, expected: dict[str, str]) -> None:
    pool = add("small", stored.url)
    every = sum(path.stat().st_size for path in stored.folder.iterdir())
    files = len(pool.files)
    # The first 64 KiB tell a file from one of the same footer; they are asked for beside the columns.
    assert sum(asked.bytes for asked in s3.files()) <= every + 2 * files * TAIL
    assert pool.fingerprint == add("same", stored.folder).fingerprint
    s3.well()
    objects.blocks.drop()
    assert hash_of(CLIP, open_pool("small")) == expected[CLIP]
    assert hash_of(WORDS, open_pool("small")) == expected[WORDS]
    assert s3.files() == []


def test_lengths_of_texts(s3: Proxy, changing: Bucket, home: Path) -> None:
    """They are counted when the pool is added; from then on no text is fetched, until a raw run needs them all."""
    pool = add("small", changing.url)
    assert pool.lengths == ("text",)
    shutil.rmtree(home / "cache")
    objects.blocks.drop()
    s3.well()
    expected = changing.expected(LENGTHS)
    assert hash_of(LENGTHS, open_pool("small")) == expected
    # The end of each file says that it is still the same one.
    assert [asked.bytes for asked in s3.files()] == [TAIL] * len(pool.files)
    assert hash_of(LENGTHS, changing.url) == expected
    assert sum(asked.bytes for asked in s3.files()) >= changing.bytes_of({"text"})


# --- what networks and servers do wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.__name__)
def test_one_hash_through_faults(
    fault: faults.Fault, s3: Proxy, stored: Bucket, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.fault, s3.when = fault, first_time
    assert hash_of(CLIP, stored.url) == expected[CLIP]
    times = [s3.files().count(asked) for asked in set(s3.files())]
    assert set(times) == ({1} if fault is faults.slow else {2})


def test_one_hash_through_silence(
    s3: Proxy, stored: Bucket, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.TIMEOUT, "0.5")
    s3.fault = faults.silent
    s3.when = lambda asked, times: first_time(asked, times) and asked.path.endswith("1.parquet") and asked.start == 0
    assert hash_of(CLIP, stored.url) == expected[CLIP]


def test_listing_through_faults(s3: Proxy, stored: Bucket, expected: dict[str, str]) -> None:
    s3.fault, s3.when = faults.unavailable, lambda asked, times: not asked.is_of_a_file and times == 1
    assert hash_of(CLIP, stored.url) == expected[CLIP]


def test_an_added_pool_through_faults(s3: Proxy, stored: Bucket) -> None:
    s3.fault, s3.when = faults.reset, first_time
    assert add("small", stored.url).fingerprint == add("same", stored.folder).fingerprint


@pytest.mark.parametrize(
    "fault", [faults.reset, faults.unavailable, faults.truncated], ids=lambda fault: fault.__name__
)
def test_attempts_end(
    fault: faults.Fault, s3: Proxy, stored: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(settings.ATTEMPTS, "3")
    s3.fault, s3.when = fault, lambda asked, times: asked.is_of_a_file and asked.start == 0 and asked.bytes > TAIL
    with pytest.raises(RunError) as caught:
        hash_of(CLIP, stored.url)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0740"]
    assert "tried 3 times" in str(caught.value)
    assert {s3.files().count(asked) for asked in s3.files() if asked.bytes > TAIL and asked.start == 0} == {3}


def test_an_add_goes_on_where_it_was(s3: Proxy, stored: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.ATTEMPTS, "1")
    s3.fault = faults.unavailable
    s3.when = lambda asked, times: asked.is_of_a_file and asked.path.endswith("2.parquet") and asked.bytes > TAIL
    with pytest.raises(RunError, match="E0740"):
        add("small", stored.url)
    before = set(s3.files())
    s3.well()
    pool = add("small", stored.url)
    again = [asked for asked in s3.files() if not asked.path.endswith("2.parquet")]
    assert again == []
    assert before
    assert pool.fingerprint == add("same", stored.folder).fingerprint


# --- files that change ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["rewritten", "of_the_same_size", "removed"])
def test_a_file_that_changes_in_the_middle_of_a_run(change: str, s3: Proxy, changing: Bucket) -> None:
    content = changing.content("1.parquet")
    begun = False

    def before(asked: Asked) -> None:
        nonlocal begun
        # Once the first score is read, the footer of the other file is known.
        if begun or not asked.is_of_a_file or asked.start + asked.bytes >= len(content) - TAIL:
            return
        begun = True
        if change == "removed":
            changing.remove("1.parquet")
        elif change == "rewritten":
            other = write(samples(2_100, seed=9, first=2_000), changing.folder.with_name("other.parquet"))
            changing.put("1.parquet", other.read_bytes())
        else:
            changing.put("1.parquet", content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])

    s3.before = before
    with pytest.raises(RunError) as caught:
        hash_of(CLIP, changing.url)
    assert begun
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0743"]
    assert f"{changing.url}/1.parquet" in str(caught.value)


def test_a_file_that_changes_between_two_runs(s3: Proxy, changing: Bucket) -> None:
    """Blocks of what it was are never taken for those of what it is."""
    assert hash_of(CLIP, changing.url) == changing.expected(CLIP)
    path = write(samples(2_000, seed=5, first=2_000), changing.folder / "1.parquet")
    changing.put("1.parquet", path.read_bytes())
    assert hash_of(CLIP, changing.url) == changing.expected(CLIP)


def test_a_file_that_changes_while_it_is_added(s3: Proxy, changing: Bucket) -> None:
    other = write(samples(2_000, seed=6, first=2_000), changing.folder.with_name("other.parquet")).read_bytes()

    def before(asked: Asked) -> None:
        if asked.path.endswith("0.parquet") and asked.start == 0 and asked.bytes > TAIL:
            changing.put("1.parquet", other)

    s3.before = before
    with pytest.raises(RunError, match=r"E0743|E0714") as caught:
        add("small", changing.url)
    assert "1.parquet" in str(caught.value)
    s3.well()
    assert add("small", changing.url).rows == 4_000


def test_a_change_since_the_pool_was_added(s3: Proxy, changing: Bucket) -> None:
    add("small", changing.url)
    shutil.copy(changing.folder / "0.parquet", changing.folder / "1.parquet")
    changing.put("1.parquet", changing.content("1.parquet"))
    with pytest.raises(RunError, match="E0707"):
        open_pool("small")


# --- what is asked for before it is wanted ----------------------------------------------------------------------------


def test_a_scan_asks_for_several_files_at_once(s3: Proxy, tmp_path: Path) -> None:
    bucket = buckets.make(s3.url, tmp_path / "pool", files=10, rows=600)
    expected = bucket.expected(CLIP)
    s3.well()
    s3.fault = faults.slow
    ran = run(Source("recipe.dcql", CLIP), bucket.url, resources=Resources(threads=1))
    assert ran.subset.hash == expected
    assert s3.most_at_once > 4
    scores = [asked for asked in s3.files() if asked.bytes != TAIL]
    # What was asked for ahead was wanted: each stretch once, and no more than the columns.
    assert len(set(s3.files())) == len(s3.files())
    assert sum(asked.bytes for asked in scores) <= bucket.bytes_of(READ) + 10 * 2 * TAIL


def test_who_looks_at_one_sample_reads_of_one_file(s3: Proxy, stored: Bucket) -> None:
    pool = open_pool(stored.url)
    s3.well()
    values = values_of(pool, Place(uid(ROWS + 5), pool.files[1], 5))
    assert values["uid"] == uid(ROWS + 5)
    assert {asked.path.rpartition("/")[2] for asked in s3.files()} == {"1.parquet"}


# --- what a recipe may read -------------------------------------------------------------------------------------------


def test_a_session_reads_nothing_but_the_pool(s3: Proxy, stored: Bucket, home: Path) -> None:
    """Neither other files of the bucket, nor what the cache holds of them."""
    stored.put("../secret.parquet", stored.content("0.parquet"))
    pool = open_pool(stored.url)
    hash_of(CLIP, pool)
    kept = next(path for path in (home / "cache").rglob("0-*"))
    s3.well()
    with session(tuple(file.path for file in pool.files), Resources()) as opened:
        for place in (f"s3://{stored.name}/secret.parquet", f"s3://{stored.name}/pool/../secret.parquet", str(kept)):
            for sql in (f"SELECT * FROM read_text('{place}')", f"SELECT * FROM read_parquet('{place}')"):
                with pytest.raises(Exception, match=r"(?i)permission|disabled|not exist"):
                    opened._connection.execute(sql)
        with pytest.raises(Exception, match=r"(?i)permission|disabled|NotFound"):
            opened._connection.execute(f"COPY (SELECT 1) TO 's3://{stored.name}/pool/0.parquet'")
    assert s3.asked == []
