"""One case a code of remote files; its file in errors/ is the whole rendered message."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pool.samples import samples, write
from remote import bucket as buckets
from remote import faults
from remote.bucket import CLIP
from remote.faults import Asked, Proxy
from remote.test_s3 import hash_of

from dcql.catalog.pool import open_pool
from dcql.codes import CODES
from dcql.engine.add import add
from dcql.errors import RunError
from dcql.remote import settings

ERRORS = Path(__file__).parent / "errors"

Case = Callable[[Proxy, Path, pytest.MonkeyPatch], None]


def no_network(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    patch.setenv(settings.ATTEMPTS, "2")
    open_pool("s3://bucket/pool")


def too_busy(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=500)
    patch.setenv(settings.ATTEMPTS, "3")
    s3.fault, s3.when = faults.unavailable, lambda asked, times: asked.is_of_a_file
    open_pool(bucket.url)


def cut_off(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=500)
    s3.fault, s3.when = faults.truncated, lambda asked, times: asked.is_of_a_file
    open_pool(bucket.url)


def no_credentials(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("AWS_ACCESS_KEY_ID")
    patch.delenv("AWS_SECRET_ACCESS_KEY")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    open_pool("s3://bucket/pool")


def refused(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=500)
    s3.fault, s3.when = faults.refused, lambda asked, times: asked.is_of_a_file
    open_pool(bucket.url)


def no_package(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "s3fs", None)
    patch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    open_pool("s3://bucket/pool")


def no_bucket(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    add("small", "s3://nowhere/pool")


def no_folder(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=500)
    open_pool(f"s3://{bucket.name}/pol")


def changed(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=2_000)
    other = write(samples(1_900), tmp / "other.parquet").read_bytes()
    pool = open_pool(bucket.url)
    bucket.put("0.parquet", other)
    hash_of(CLIP, pool)


def removed(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    bucket = buckets.make(s3.url, tmp / "pool", files=1, rows=2_000)
    pool = open_pool(bucket.url)
    bucket.remove("0.parquet")
    hash_of(CLIP, pool)


def limit_that_is_none(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv(settings.LIMIT, "much")
    open_pool(buckets.make(s3.url, tmp / "pool", files=1, rows=500).url)


def timeout_that_is_none(s3: Proxy, tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv(settings.TIMEOUT, "30s")
    open_pool("s3://bucket/pool")


CASES: dict[str, Case] = {
    "E0740_no_network": no_network,
    "E0740_too_busy": too_busy,
    "E0740_cut_off": cut_off,
    "E0741_no_credentials": no_credentials,
    "E0741_refused": refused,
    "E0742_no_package": no_package,
    "E0701_no_bucket": no_bucket,
    "E0701_no_folder": no_folder,
    "E0743_changed": changed,
    "E0743_removed": removed,
    "E0744_limit": limit_that_is_none,
    "E0744_timeout": timeout_that_is_none,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, s3: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](s3, tmp_path, monkeypatch)
    assert caught.value.diagnostics[0].code == name[:5]
    # Buckets have new names, and versions are told in the server's own words.
    said = re.sub(r"s3://b[0-9a-f]{12}", "s3://bucket", str(caught.value)) + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")
    assert "= help: " in said


def test_every_code_has_a_case() -> None:
    codes = {code for code in CODES if "E0740" <= code < "E0750"}
    assert codes <= {name[:5] for name in CASES}
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_a_fault_that_lasts_is_not_asked_about_for_ever(s3: Proxy, tmp_path: Path) -> None:
    bucket = buckets.make(s3.url, tmp_path / "pool", files=1, rows=500)
    s3.well()
    s3.fault = faults.unavailable
    s3.when = lambda asked, times: True
    with pytest.raises(RunError, match="E0740"):
        open_pool(bucket.url)
    assert {s3.asked.count(asked) for asked in s3.asked} == {settings.attempts()}


def test_no_access_is_asked_about_once(s3: Proxy, tmp_path: Path) -> None:
    bucket = buckets.make(s3.url, tmp_path / "pool", files=1, rows=500)
    s3.well()
    s3.fault, s3.when = faults.refused, lambda asked, times: asked.is_of_a_file
    with pytest.raises(RunError, match="E0741"):
        open_pool(bucket.url)
    assert [asked for asked in s3.files() if s3.files().count(asked) > 1] == []
    assert isinstance(s3.files()[0], Asked)
