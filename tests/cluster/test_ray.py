"""Runs by a real Ray cluster: the hash of a run here, whatever is killed meanwhile."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cluster.raylets import Raylets
from pool.samples import samples, write

from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import Compiled, compile_once, run_compiled
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.cluster.results import Results
from dcql.engine.duck import Resources
from dcql.errors import RunError
from dcql.source import Source

ray = pytest.importorskip("ray")

FILES = 12
# A scan, a second look into a bucket (more values than a distribution holds), a count by group, and the last query.
TEXT = """
SELECT uid FROM pool
WHERE fine >= q(0.6) AND clip_l14 >= q(0.1 BY original_width % 3)
SAMPLE 1000 ROWS SEED 7;
"""
PHASES = ("distribution", "bucket", "groups", "values", "samples")


def make(folder: Path, rows: int = 8_000) -> Pool:
    """Write a pool with a column of more values than a distribution keeps."""
    rng = np.random.default_rng(5)
    for number in range(FILES):
        table = samples(rows, seed=number, first=rows * number)
        table = table.append_column("fine", [rng.random(rows)])
        write(table, folder / f"{number:02}.parquet")
    return open_pool(folder)


def compiled(opened: Pool, text: str = TEXT) -> Compiled:
    return compile_once(Source("recipe.dcql", text), opened.schema, None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    # Workers find the functions of this file by their names.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def all_raylets() -> Iterator[Raylets]:
    found = Raylets(4)
    yield found
    found.stop()


@pytest.fixture
def raylets(all_raylets: Raylets) -> Raylets:
    all_raylets.complete(4)
    return all_raylets


def at_phase(phase: int, act: Callable[[], None]) -> Callable[[str, int, int], None]:
    """Return a function of progress that acts once: when the first file of the n-th spread statement is done."""
    seen = {"phase": -1, "acted": 0}

    def tell(what: str, done: int, total: int) -> None:
        if total <= len(PHASES):
            return  # stages are told too
        if done == 0:
            seen["phase"] += 1
        elif seen["phase"] == phase and not seen["acted"]:
            seen["acted"] = 1
            act()

    return tell


@pytest.mark.slow
def test_a_raylet_is_killed_in_each_phase(tmp_path: Path, home: Path, raylets: Raylets) -> None:
    opened = make(tmp_path / "fine")
    recipe = compiled(opened)
    one = run_compiled(recipe, opened, Resources(1)).result
    assert run_compiled(recipe, opened, Resources()).result == one
    with ray_cluster(raylets.address) as cluster:
        cluster.results = Results(tmp_path / "whole")
        assert run_compiled(recipe, opened, Resources(1), cluster=cluster).result == one
        statements = cluster.done // FILES
        assert statements >= len(PHASES)
        for phase in range(statements):
            cluster.results = Results(tmp_path / f"phase{phase}")
            before = raylets.replaced
            tell = at_phase(phase, raylets.replace_one)
            assert run_compiled(recipe, opened, Resources(1), tell, cluster=cluster).result == one, phase
            assert raylets.replaced == before + 1


DRIVER = """
import json, os, signal, sys
from dcql.catalog.pool import open_pool
from dcql.compiler import compile_once, run_compiled
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.duck import Resources
from dcql.source import Source

pool, text, address, kill_at = sys.argv[1:]
opened, seen = open_pool(pool), []


def tell(what, done, total):
    seen.append(done)
    if int(kill_at) and len(seen) == int(kill_at):
        os.kill(os.getpid(), signal.SIGKILL)


with ray_cluster(address) as cluster:
    recipe = compile_once(Source("recipe.dcql", text), opened.schema, None)
    found = run_compiled(recipe, opened, Resources(1), tell, cluster=cluster)
    print(json.dumps([found.hash, cluster.done, cluster.kept, len(seen)]))
"""


def drive(pool: Path, raylets: Raylets, kill_at: int) -> subprocess.CompletedProcess[str]:
    """Run the recipe in a process of its own, which is killed when it tells of its progress for this time."""
    command = [sys.executable, "-c", DRIVER, str(pool), TEXT, raylets.address, str(kill_at)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_the_driver_is_killed_and_another_goes_on(tmp_path: Path, home: Path, raylets: Raylets) -> None:
    opened = make(tmp_path / "fine", rows=2_000)
    wanted = run_compiled(compiled(opened), opened, Resources(1)).hash

    done: list[int] = []
    for kill_at in (5, 20, 40):
        assert drive(tmp_path / "fine", raylets, kill_at).returncode == -signal.SIGKILL
        done.append(len(list((home / "tasks").glob("??/*"))))
    assert done == sorted(set(done))
    last = drive(tmp_path / "fine", raylets, kill_at=0)
    assert last.returncode == 0, last.stderr
    found, new, kept, _ = json.loads(last.stdout)
    assert found == wanted
    assert kept >= done[-1]
    assert new > 0
    # A run here goes on from there as well, and has nothing left to do.
    assert run_compiled(compiled(opened), opened, Resources(1)).hash == wanted


@pytest.mark.slow
def test_a_file_that_changes_is_named(tmp_path: Path, home: Path, raylets: Raylets) -> None:
    opened = make(tmp_path / "fine", rows=2_000)

    def change() -> None:
        time.sleep(0.1)
        for file in opened.files[-1:]:
            Path(file.path).unlink()

    recipe = compiled(opened)
    with ray_cluster(raylets.address) as cluster:
        cluster.results = Results(tmp_path / "kept")
        with pytest.raises(RunError, match=r"11\.parquet") as caught:
            run_compiled(recipe, opened, Resources(1), at_phase(1, change), cluster=cluster)
    assert caught.value.diagnostics[0].code == "E0791"
