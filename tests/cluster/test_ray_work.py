"""Runs, pools and features by a real Ray cluster in which workers are killed: the same as without one."""

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pools
import pytest
from cluster.test_adding import content, write
from features.own import own_model, recipe_file
from pool.samples import samples
from pool.samples import write as write_rows

import dcql
from dcql.compiler import compile_once, run_compiled
from dcql.engine.add import add
from dcql.engine.cluster import ray_cluster as on_ray
from dcql.engine.cluster.adding import take_in_by
from dcql.engine.cluster.doing import Cluster, Tell
from dcql.engine.cluster.features import spread_over
from dcql.engine.cluster.ray_cluster import ray_cluster
from dcql.engine.cluster.work import Done, Failed, Item, Work
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing
from dcql.engine.taking import Taking
from dcql.errors import RunError
from dcql.source import Source

ray = pytest.importorskip("ray")

# Ends the process that loads it once it was asked twice, as long as a file lies beside it.
DIES = """
import os, signal
from pathlib import Path

FATAL = Path(__file__).with_suffix(".fatal")


def load(weights, assets, options):
    asked = []

    def answer(texts):
        asked.append(len(texts))
        if len(asked) == 2 and FATAL.exists():
            FATAL.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return [len(text or "") for text in texts]

    return answer
"""


@dataclass(frozen=True, slots=True)
class Dying(Taking):
    """A file that takes its process with it once, when it is nearly taken in."""

    fatal: Path = Path()

    def _keep(self, made: Path) -> None:
        if self.fatal.exists():
            self.fatal.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        Taking._keep(self, made)


@pytest.fixture(scope="module")
def ray_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a cluster from a folder in which a clone lies: no worker takes that for the package."""
    tests = Path(__file__).parents[1]
    parent, folder = tmp_path_factory.mktemp("parent"), tmp_path_factory.mktemp("here")
    (parent / tests.name).symlink_to(tests)
    (folder / "dcql").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        # Its processes import this file, and what it imports.
        patch.setenv("PYTHONPATH", f"{tests}{os.pathsep}{parent}")
        patch.chdir(folder)
        with ray_cluster(None, 2) as cluster:
            yield cluster
        assert not ray.is_initialized()


def killed_once(fatal: Path, item: Item) -> bytes:
    """End the process that does the item, the first time."""
    if item.given and fatal.exists():
        fatal.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return str(item.given).encode()


def refused(fatal: Path, item: Item) -> bytes:
    raise RunError(dcql.Diagnostic("E0703", f"`{item.file}`", None, "why", ("what to do",)))


def test_one_node(ray_here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    for number in range(3):
        rows = samples(300, seed=number, first=300 * number)
        write_rows(rows, tmp_path / "small" / f"{number}.parquet")
    opened = add("small", tmp_path / "small")
    text = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5 BY original_width % 2);"
    recipe = compile_once(Source("recipe.dcql", text), opened.schema, None)
    here = run_compiled(recipe, opened, Resources(1)).result
    cluster = Cluster(ray_here.executor)
    assert run_compiled(recipe, opened, Resources(1), cluster=cluster).result == here
    assert cluster.done > 0
    assert cluster.cpu_seconds > 0
    # A worker that is killed costs nothing but time.
    (tmp_path / "fatal").touch()
    work = Work("killing", killed_once, tmp_path / "fatal")
    items = [Item(f"{number}.parquet", 1, number) for number in range(4)]
    found = {item.given: attempt for item, attempt in cluster.executor.attempts(work, items)}
    assert {given: attempt.content for given, attempt in found.items()} == {  # type: ignore[union-attr]
        number: str(number).encode() for number in range(4)
    }
    assert not (tmp_path / "fatal").exists()
    [(_, failed)] = cluster.executor.attempts(Work("refusing", refused, tmp_path), items[:1])
    assert failed.diagnostics[0].helps == ("what to do",)  # type: ignore[union-attr]


def test_a_worker_is_killed_while_it_takes_a_file_in(
    ray_here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write(tmp_path / "pool" / f"{number}.parquet", 500, number)
    (tmp_path / "fatal").touch()

    def take_in(takings: Sequence[Taking], tell: Tell) -> None:
        dying = [Dying(one.footer, one.unfinished, one.kept, one.memory, tmp_path / "fatal") for one in takings]
        take_in_by(ray_here)(dying, tell)

    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "cluster"))
    by_cluster = add("p", tmp_path / "pool", elsewhere=take_in)
    assert not (tmp_path / "fatal").exists()
    found = content()
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "alone"))
    assert add("p", tmp_path / "pool").fingerprint == by_cluster.fingerprint
    assert found == content()


def test_a_worker_is_killed_while_its_model_answers(
    ray_here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools.write(pools.base(90, 3), tmp_path / "pool", layout=pools.Layout(files=3))
    model = own_model(tmp_path, "length", DIES, "caption TEXT", "INT")
    recipe = f"{model.statement}FEATURE long INT USING length(text);\nSELECT uid FROM pool WHERE long > 9;\n"
    path = recipe_file(tmp_path, recipe)
    model.path.with_suffix(".fatal").touch()
    found = []
    for name, spread in (("cluster", spread_over(ray_here)), ("alone", None)):
        monkeypatch.setenv("DCQL_HOME", str(tmp_path / name))
        pool = add("p", tmp_path / "pool")
        computing = Computing(own_code=True, rows=8, spread=spread)
        result = dcql.run(path, pool, computing=computing).result
        assert result.features is not None
        found.append((result.subset.hash, dict(result.features.digests), result.features.uses[0].computed))
        assert not model.path.with_suffix(".fatal").exists()
    assert found[0] == found[1]


def ends(fatal: Path, item: Item) -> bytes:
    """End the process for as long as a file of the item's name is there; the one of 3 once."""
    if (fatal / item.file).exists():
        if item.given == 3:
            (fatal / item.file).unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return str(item.given).encode()


def stumbles(started: None, item: Item) -> bytes:
    if item.given == 2:
        raise ZeroDivisionError("of file 2")
    return str(item.given).encode()


def large(started: None, item: Item) -> bytes:
    return bytes(17 << 20)[:-1] + bytes([item.given])


def files(count: int) -> list[Item]:
    return [Item(f"{number}.parquet", 1, number) for number in range(count)]


def test_a_worker_is_killed_in_the_middle_of_several_files(ray_here: Cluster, tmp_path: Path) -> None:
    (tmp_path / "3.parquet").touch()
    found = list(ray_here.executor.attempts(Work("together", ends, tmp_path, together=100), files(16)))
    assert not (tmp_path / "3.parquet").exists()
    assert sorted(item.given for item, _ in found) == list(range(16))
    for item, attempt in found:
        assert isinstance(attempt, Done)
        assert bytes(attempt.content) == str(item.given).encode()


def test_what_a_task_did_not_come_to_is_done_by_another(ray_here: Cluster) -> None:
    work = Work("together", large, None, together=100)
    found = {item.given: attempt for item, attempt in ray_here.executor.attempts(work, files(8))}
    assert sorted(found) == list(range(8))
    for number, attempt in found.items():
        assert isinstance(attempt, Done)
        assert (len(attempt.content), attempt.content[-1]) == (17 << 20, number)


@pytest.mark.slow  # to start a worker anew takes seconds
def test_the_file_that_ends_its_worker_each_time_is_named(
    ray_here: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "_RETRIES", 0)
    (tmp_path / "1.parquet").touch()
    found = {
        item.given: attempt
        for item, attempt in ray_here.executor.attempts(Work("together", ends, tmp_path, together=100), files(16))
    }
    failed = found.pop(1)
    assert isinstance(failed, Failed)
    assert failed.diagnostics[0].code == "E0784"
    assert "`1.parquet`" in failed.diagnostics[0].message
    assert sorted(found) == [0, *range(2, 16)]
    assert all(isinstance(attempt, Done) for attempt in found.values())


def test_the_file_on_which_a_worker_fails_is_named(ray_here: Cluster) -> None:
    found = {
        item.given: attempt
        for item, attempt in ray_here.executor.attempts(Work("together", stumbles, None, together=100), files(8))
    }
    failed = found.pop(2)
    assert isinstance(failed, Failed)
    assert (failed.diagnostics[0].code, failed.diagnostics[0].message) == ("E0786", "a worker failed on `2.parquet`")
    assert all(isinstance(attempt, Done) for attempt in found.values())
