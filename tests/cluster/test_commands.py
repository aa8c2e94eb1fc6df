"""`--engine ray` of the commands, with a cluster without processes in the place of Ray's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pools
import pytest
from cluster.posted import posted

from dcql.cli import main
from dcql.engine.cluster.doing import Cluster

Asked = list[tuple[str | None, int | None]]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return what clusters the commands ask for, by address and threads."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    pools.write(pools.base(60, 3), tmp_path / "pool", layout=pools.Layout(files=2))
    found: Asked = []

    @contextmanager
    def instead(address: str | None = None, threads: int | None = None) -> Iterator[Cluster]:
        found.append((address, threads))
        yield posted()

    monkeypatch.setattr("dcql.engine.cluster.ray_cluster.ray_cluster", instead)
    return found


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    return said.out


def test_they_print_what_they_print_without(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    commands = (("pool", "add", "p", "pool"), ("feature", "compute", "lang", "--pool", "p"))
    printed = []
    for more in ((), ("--engine", "ray", "--address", "head:6379")):
        printed.append([called(capsys, *command, *more) for command in commands])
        called(capsys, "pool", "rm", "p")
        called(capsys, "feature", "gc", "--all")
    assert printed[1] == printed[0]
    assert asked == [("head:6379", None)] * 2


def test_threads_are_cores_of_a_cluster_that_is_started(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "feature", "compute", "lang", "--pool", "pool", "--engine", "ray", "--threads", "3")
    assert asked == [(None, 3)]


def test_an_address_is_of_a_cluster(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pool", "add", "p", "pool", "--address", "auto"])
    assert ended.value.code == 2
    assert "--engine ray" in capsys.readouterr().err
    assert asked == []
