"""The evaluation of the demo pool: its sets are made on first use, are always the same, and are what they say."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dcql.demo.expand import DATA
from dcql.runtime.evaluate.layout import EvalSet, Reader, digest, find
from dcql.runtime.evaluate.tasks import Suite, tasks

from dcql import demo_sets
from dcql.errors import RunError


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, EvalSet]]:
    """Return the sets of the demo pool, made in a new store."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path))
    demo_sets.make()
    found = {task.key: find(str(demo_sets.home()), task) for task in tasks(Suite.DEMO)}
    return (yield {key: set_ for key, set_ in found.items() if set_ is not None})


def test_the_sets_are_those_that_the_tasks_name(made: dict[str, EvalSet]) -> None:
    assert set(made) == {task.key for task in tasks(Suite.DEMO)}
    for task in tasks(Suite.DEMO):
        assert digest(made[task.key]) == task.dataset
        assert sum(1 for _ in Reader(made[task.key])) == task.n
        assert task.chance == pytest.approx(5 / task.n, abs=1e-6)


def test_a_drawing_has_the_class_of_its_name(made: dict[str, EvalSet]) -> None:
    drawings = pq.read_table(DATA / "held_out.parquet")
    held_out, retrieval = made["demo/held_out"], made["demo/held_out_retrieval"]
    assert list(held_out.classnames) == drawings["name"].to_pylist()
    for sample, other, name, image in zip(
        Reader(held_out), Reader(retrieval), drawings["name"].to_pylist(), drawings["webp"].to_pylist(), strict=True
    ):
        assert held_out.classnames[sample.label(1607)] == name
        assert other.captions() == [name]
        assert sample.image == other.image == image


def test_the_images_are_images(made: dict[str, EvalSet]) -> None:
    image = pytest.importorskip("PIL.Image")
    sample = next(iter(Reader(made["demo/held_out"])))
    assert image.open(io.BytesIO(sample.image)).size == (64, 64)


def test_sets_that_are_there_stay(made: dict[str, EvalSet], tmp_path: Path) -> None:
    folder = tmp_path / "eval" / "wds_demo-held_out_test"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    demo_sets.make()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert not list((tmp_path / "eval").glob(".*"))


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "eval").write_text("a file")
    monkeypatch.setenv("DCQL_HOME", str(tmp_path))
    with pytest.raises(RunError, match="E0764"):
        demo_sets.make()
