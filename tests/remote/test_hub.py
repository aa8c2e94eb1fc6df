"""Pools on the Hugging Face Hub, here a small server that speaks its documented API."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pool.samples import samples, write
from remote import faults
from remote.bucket import Bucket
from remote.faults import Asked, Proxy
from remote.hub import Hub
from remote.test_s3 import CLIP, READ, TAIL, WORDS, first_time, hash_of

from dcql.catalog.pool import open_pool
from dcql.engine.add import add
from dcql.errors import RunError
from dcql.remote import objects, settings

NAME = "somebody/small"
URL = f"hf://datasets/{NAME}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a Hub behind a proxy, `hub.proxy`, that huggingface_hub takes for the real one."""
    constants = pytest.importorskip("huggingface_hub.constants")
    from huggingface_hub import HfFileSystem

    made = Hub()
    made.proxy = Proxy(made.server.server_address[:2])  # type: ignore[attr-defined]
    monkeypatch.setattr(constants, "ENDPOINT", made.proxy.url)  # type: ignore[attr-defined]
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants._HF_DEFAULT_ENDPOINT, made.proxy.url)  # type: ignore[attr-defined]
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    HfFileSystem.clear_instance_cache()
    yield made
    made.proxy.close()  # type: ignore[attr-defined]
    made.close()


def pool_of(folder: Path, seed: int = 0) -> dict[str, bytes]:
    """Write a pool to a folder; return its files as a dataset holds them."""
    files = {"README.md": b"A pool.", ".gitattributes": b""}
    for number in range(3):
        name = f"{number}.parquet"
        path = write(samples(3_000, seed=seed + number, first=number * 3_000), folder / name)
        files[f"metadata/{name}"] = path.read_bytes()
    return files


def proxy(hub: Hub) -> Proxy:
    return hub.proxy  # type: ignore[attr-defined,no-any-return]


def test_one_hash(hub: Hub, tmp_path: Path) -> None:
    sha = hub.push(NAME, pool_of(tmp_path / "pool"))
    assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "pool")
    # Each stretch is asked for twice: of the Hub, and where the Hub sends one.
    far = [asked for asked in proxy(hub).files() if asked.path.startswith("/far/")]
    needed = Bucket(tmp_path / "pool", "", "").bytes_of(READ)
    assert sum(asked.bytes for asked in far) <= needed + 2 * 3 * TAIL
    assert all(asked.path.startswith(f"/far/{sha}/metadata/") for asked in far)
    assert all(f"/resolve/{sha}/" in asked.path for asked in proxy(hub).files() if asked not in far)


def test_a_revision(hub: Hub, tmp_path: Path) -> None:
    first = hub.push(NAME, pool_of(tmp_path / "first"))
    hub.push(NAME, pool_of(tmp_path / "second", seed=7))
    hub.push(NAME, pool_of(tmp_path / "third", seed=9), branch="v3/more")
    assert hash_of(CLIP, f"{URL}@{first}") == hash_of(CLIP, tmp_path / "first")
    assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "second")
    assert hash_of(CLIP, f"{URL}@v3%2Fmore") == hash_of(CLIP, tmp_path / "third")


def test_a_push_in_the_middle_of_a_run(hub: Hub, tmp_path: Path) -> None:
    """What is read is of the commit that was listed."""
    hub.push(NAME, pool_of(tmp_path / "first"))
    second = pool_of(tmp_path / "second", seed=7)

    def before(asked: Asked) -> None:
        if asked.path.startswith("/far/"):
            hub.push(NAME, second)

    proxy(hub).before = before
    assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "first")
    proxy(hub).well()
    assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "second")


def test_a_push_between_two_questions(hub: Hub, tmp_path: Path) -> None:
    """What is listed and what is read is of one commit, whenever it comes."""
    first, second = pool_of(tmp_path / "first"), pool_of(tmp_path / "second", seed=7)
    hub.push(NAME, first)
    expected = {hash_of(CLIP, tmp_path / name) for name in ("first", "second")}
    for number in (1, 3):
        asked_so_far = 0

        def before(asked: Asked, number: int = number) -> None:
            nonlocal asked_so_far
            asked_so_far += 1
            if asked_so_far == number + 1:
                hub.push(NAME, second)

        proxy(hub).before = before
        assert hash_of(CLIP, URL) in expected
        assert asked_so_far > number
        proxy(hub).well()
        hub.push(NAME, first)
        objects.blocks.drop()
        assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "first")


def test_an_added_pool(hub: Hub, tmp_path: Path) -> None:
    files = pool_of(tmp_path / "pool")
    hub.push(NAME, files)
    assert add("small", URL).fingerprint == add("same", tmp_path / "pool").fingerprint
    # A commit that leaves the pool's files as they are changes nothing.
    hub.push(NAME, files | {"README.md": b"A pool of samples."})
    proxy(hub).well()
    assert hash_of(WORDS, open_pool("small")) == hash_of(WORDS, tmp_path / "pool")
    assert proxy(hub).files() == []
    hub.push(NAME, pool_of(tmp_path / "second", seed=7))
    with pytest.raises(RunError, match="E0707"):
        open_pool("small")


@pytest.mark.parametrize("fault", [faults.reset, faults.truncated], ids=lambda fault: fault.__name__)
def test_one_hash_through_faults(fault: faults.Fault, hub: Hub, tmp_path: Path) -> None:
    hub.push(NAME, pool_of(tmp_path / "pool"))
    proxy(hub).fault = fault
    proxy(hub).when = lambda asked, times: first_time(asked, times) and asked.path.startswith("/far/")
    assert hash_of(CLIP, URL) == hash_of(CLIP, tmp_path / "pool")


def test_attempts_end(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.push(NAME, pool_of(tmp_path / "pool"))
    monkeypatch.setenv(settings.ATTEMPTS, "3")
    proxy(hub).fault = faults.unavailable
    proxy(hub).when = lambda asked, times: asked.path.startswith("/far/") and asked.start == 0
    with pytest.raises(RunError, match="E0740"):
        hash_of(CLIP, URL)
    assert {proxy(hub).files().count(asked) for asked in proxy(hub).files() if asked.start == 0} == {3}


def test_what_is_gated_or_absent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.push(NAME, pool_of(tmp_path / "pool"))
    hub.gated.add(NAME)
    with pytest.raises(RunError, match="E0741") as caught:
        open_pool(URL)
    assert "HF_TOKEN" in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", "hf_allowed")
    assert open_pool(URL).rows == 9_000
    with pytest.raises(RunError, match="E0701") as caught:
        open_pool("hf://datasets/somebody/other")
    assert "repository not found" in str(caught.value)
    with pytest.raises(RunError, match="E0701"):
        open_pool(f"{URL}@nowhere")
    with pytest.raises(RunError, match="E0701"):
        open_pool(f"{URL}/other")
