"""A server of S3 on this machine, behind a proxy that does wrong what it is told to."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote.faults import Proxy

from dcql.remote import attempts, objects, settings


@pytest.fixture(scope="session")
def server() -> Iterator[Proxy]:
    """Return a proxy before a new server of S3."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    proxy = Proxy(moto.get_host_and_port())
    yield proxy
    proxy.close()
    moto.stop()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point $DCQL_HOME at an empty folder; nothing is set about remote files, and pauses are short."""
    folder = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(folder))
    for name in (settings.LIMIT, settings.TIMEOUT, settings.ATTEMPTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(attempts, "FIRST_PAUSE", 0.01)
    objects.blocks.drop()
    return folder


@pytest.fixture
def s3(server: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Point the AWS variables at the server."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (
        ("AWS_ENDPOINT_URL", server.url),
        ("AWS_ACCESS_KEY_ID", "somebody"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
    ):
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    server.well()
    yield server
    server.well()
