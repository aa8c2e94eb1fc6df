"""Pools and features by a Ray cluster of several nodes that are lost, or whose command is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pools
import pytest
from cluster.raylets import Raylets
from cluster.test_adding import content, write
from features.own import own_model, recipe_file

import dcql
from dcql.catalog import store
from dcql.engine.add import add
from dcql.engine.cluster.adding import take_in_by
from dcql.engine.cluster.features import spread_over
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.features.report import Computing
from dcql.engine.intake import read_work

pytestmark = pytest.mark.slow

# Slow enough that a node is at work when it is lost.
SLOW = """
import time


def load(weights, assets, options):
    def answer(texts):
        time.sleep(0.02 * len(texts))
        return [len(text or "") for text in texts]

    return answer
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Raylets]:
    started = Raylets(2)
    yield started
    started.stop()


def once(do: Callable[[], None]) -> Callable[[str, int, int], None]:
    """Return a function for progress that calls `do` when something is done for the first time."""
    left = [do]

    def tell(what: str, done: int, total: int) -> None:
        if done and left:
            left.pop()()

    return tell


def test_a_node_is_lost(nodes: Raylets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pools.write(pools.base(400, 3), tmp_path / "pool", layout=pools.Layout(files=8))
    model = own_model(tmp_path, "length", SLOW, "caption TEXT", "INT")
    recipe = f"{model.statement}FEATURE long INT USING length(text);\nSELECT uid FROM pool WHERE long > 9;\n"
    path = recipe_file(tmp_path, recipe)
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "alone"))
    alone = dcql.run(path, add("p", tmp_path / "pool"), computing=Computing(own_code=True)).result
    added = content()
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "cluster"))
    with ray_cluster(nodes.address) as cluster:
        pool = add("p", tmp_path / "pool", elsewhere=take_in_by(cluster), progress=once(nodes.replace_one))
        assert content() == added
        computing = Computing(own_code=True, spread=spread_over(cluster))
        found = dcql.run(path, pool, computing=computing, progress=once(nodes.replace_one)).result
    assert found.subset.hash == alone.subset.hash
    assert found.features is not None
    assert alone.features is not None
    assert found.features.digests == alone.features.digests
    assert found.features.uses[0].computed == 400


def test_the_command_is_killed(nodes: Raylets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was finished is taken over by the next one, which need not be of a cluster."""
    for number in range(6):
        write(tmp_path / "pool" / f"{number}.parquet", 60_000, number)
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    command = [sys.executable, "-m", "dcql", "pool", "add", "p", str(tmp_path / "pool"), "--engine", "ray"]
    process = subprocess.Popen([*command, "--address", nodes.address], env={**os.environ, "OMP_NUM_THREADS": "1"})
    work = store.pool_folder("p") / "work"
    until = time.monotonic() + 120
    while not work.exists() or not any(work.iterdir()):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not store.record_file("p").exists()
    kept = {path.name: path.stat().st_ino for path in work.iterdir()}
    assert all(read_work(path) is not None for path in work.iterdir())
    by_cluster = add("p", tmp_path / "pool")
    assert {path.name: path.stat().st_ino for path in work.iterdir()}.items() >= kept.items()
    found = content()
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "alone"))
    assert add("p", tmp_path / "pool").fingerprint == by_cluster.fingerprint
    assert found == content()
