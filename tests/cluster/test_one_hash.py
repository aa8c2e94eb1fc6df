"""One hash, whatever a recipe runs on and whatever is lost meanwhile: that of the second implementation.

Small in the ordinary suite; `pytest -m slow` has the same at ten times the size.
"""

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pools
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster.raylets import Losing, Raylets
from oracle import dcql1, select
from pool.samples import overwrite, samples
from pools import TYPES, Pool
from remote import bucket as buckets
from remote import faults
from remote.faults import Handler, Proxy
from remote.serving import home, s3, server  # noqa: F401
from remote.test_s3 import first_time

from dcql.catalog.pool import open_pool
from dcql.compiler import Run, compile_once, run_compiled
from dcql.engine.add import add
from dcql.engine.cluster.adding import take_in_by
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.cluster.results import results
from dcql.engine.cluster.work import Executor
from dcql.engine.duck import Resources
from dcql.source import Source

ray = pytest.importorskip("ray")

FILES = 12
TEXT = """
SELECT uid FROM pool
WHERE score >= q(0.6) AND clip_l14 >= q(0.1 BY original_width % 3)
SAMPLE 1000 ROWS SEED 7 WEIGHT BY score;
"""
LENGTHS = """
WITH long AS (SELECT uid FROM pool WHERE code_points(text) > 4)
SELECT uid, 1 + python_words(text) % 2 AS copies FROM long
WHERE fasttext_words(text) >= q(0.4 OF long BY python_words(text) % 2);
"""
# How the statements of TEXT are folded: values that are counted, a second look into one bucket of them (there
# are more than a distribution holds), groups and classes of weights, priorities near the cut, and who is kept.
PHASES = {"distributions", "inside", "rows", "near", "last"}


@dataclass(frozen=True)
class Made:
    """A pool, and what the second implementation makes of the recipe."""

    folder: Path
    hash: str


@pytest.fixture(
    scope="module",
    params=[pytest.param(72_000, id="small"), pytest.param(720_000, id="large", marks=pytest.mark.slow)],
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Write a pool of some files: a few samples over and over, with uids and a score of their own."""
    rows: int = request.param
    rng = np.random.default_rng(7)
    table = samples(2_000).select(["uid", "original_width", "clip_l14_similarity_score"])
    table = table.take(pa.array(rng.integers(0, 2_000, rows)))
    uids = [f"{high:016x}{low:016x}" for high, low in rng.integers(0, 2**63, (rows, 2)).tolist()]
    table = table.set_column(0, "uid", pa.array(uids)).append_column("score", pa.array(rng.random(rows)))
    folder = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        pq.write_table(table.slice(number * (rows // FILES), rows // FILES), folder / f"{number:02}.parquet")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return Made(folder, dcql1(select(TEXT, Pool(columns, {name: TYPES[name] for name in columns}))))


def ran(pool: Path | str, threads: int | None = 1, cluster: Cluster | None = None) -> Run:
    opened = open_pool(str(pool))
    recipe = compile_once(Source("recipe.dcql", TEXT), opened.schema, None)
    return run_compiled(recipe, opened, Resources(threads), cluster=cluster)


@pytest.mark.parametrize("threads", [1, None])
def test_this_machine(made: Made, threads: int | None) -> None:
    assert ran(made.folder, threads).hash == made.hash


def test_s3_with_faults(made: Made, s3: Proxy, tmp_path: Path) -> None:  # noqa: F811
    """The first request for each stretch of a file goes wrong, in one way after the other."""
    bucket = buckets.make(s3.url, tmp_path, files=0)
    for path in made.folder.iterdir():
        bucket.put(path.name, path.read_bytes())
    kinds = itertools.cycle(faults.FAULTS)
    done = []

    def next_kind(handler: Handler, status: int, headers: dict[str, str], content: bytes) -> None:
        done.append(next(kinds))
        done[-1](handler, status, headers, content)

    s3.fault, s3.when = next_kind, first_time
    assert ran(bucket.url).hash == made.hash
    assert set(done) == set(faults.FAULTS)


@pytest.fixture(scope="module")
def raylets() -> Iterator[Raylets]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # its processes import what takes them along
        started = Raylets(4)
        yield started
        started.stop()


@pytest.fixture(scope="module")
def executor(raylets: Raylets) -> Iterator[Executor]:
    with ray_cluster(raylets.address) as cluster:
        yield cluster.executor


def test_four_raylets(made: Made, raylets: Raylets, executor: Executor) -> None:
    raylets.complete(4)
    assert executor.lanes == 4
    cluster = Cluster(executor)
    assert ran(made.folder, cluster=cluster).hash == made.hash
    assert cluster.done >= len(PHASES) * FILES
    assert cluster.kept == 0


def test_lengths_of_texts(executor: Executor, tmp_path: Path) -> None:
    """They are counted where the pool is added, by nodes too; from then on no node reads a text."""
    rows = pools.odd_captions()
    files = pools.write(rows, tmp_path / "pool", layout=pools.Layout(files=4))
    cluster = Cluster(executor)
    pool = add("captions", tmp_path / "pool", elsewhere=take_in_by(cluster))
    assert pool.lengths == ("text",)
    recipe = compile_once(Source("recipe.dcql", LENGTHS), pool.schema, None)
    assert recipe.program.over(pool) is recipe.program.by_lengths
    for file in files:
        overwrite(file)
    done = cluster.done
    found = run_compiled(recipe, pool, Resources(1), cluster=cluster)
    assert found.hash == dcql1(select(LENGTHS, rows))
    assert cluster.done > done


DRIVER = """
import os, signal, sys
from dcql.catalog.pool import open_pool
from dcql.compiler import compile_once, run_compiled
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.duck import Resources
from dcql.source import Source

pool, text, address = sys.argv[1:]
opened, told = open_pool(pool), []


def tell(what, done, total):
    told.append(done)
    if len(told) == 40:
        os.kill(os.getpid(), signal.SIGKILL)


with ray_cluster(address) as cluster:
    recipe = compile_once(Source("recipe.dcql", text), opened.schema, None)
    run_compiled(recipe, opened, Resources(1), tell, cluster=cluster)
"""


def test_the_driver_is_killed_and_another_ends_its_run(made: Made, raylets: Raylets, executor: Executor) -> None:
    raylets.complete(4)
    driver = subprocess.run(
        [sys.executable, "-c", DRIVER, str(made.folder), TEXT, raylets.address],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert driver.returncode == -signal.SIGKILL, driver.stderr
    kept = len(list(results().folder.glob("??/*")))
    cluster = Cluster(executor)
    assert ran(made.folder, cluster=cluster).hash == made.hash
    assert cluster.kept == kept > FILES
    assert cluster.done > FILES


def test_a_raylet_is_killed_in_each_phase(made: Made, raylets: Raylets, executor: Executor, tmp_path: Path) -> None:
    raylets.complete(4)
    losing = Losing(executor, raylets, tmp_path)
    cluster = Cluster(losing)
    assert ran(made.folder, cluster=cluster).hash == made.hash
    assert cluster.kept == 0
    assert losing.lost.keys() == PHASES
    assert len(set(losing.lost.values())) == len(PHASES)
