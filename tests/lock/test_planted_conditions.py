"""Non-determinisms as they come about, planted one by one: `verify --perturb` finds each, by the condition for it.

tests/lock/test_verify.py has more, and what the message says of each.
"""

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from features.own import Here, OwnModel, own_model, recipe_file

from dcql.catalog.features import features_folder
from dcql.catalog.pool import Pool
from dcql.compiler import Run, run
from dcql.engine import run as engine
from dcql.engine.duck import Resources, Session
from dcql.engine.features import files as feature_files
from dcql.engine.features.report import Computing
from dcql.engine.run import Result
from dcql.engine.statistics import Statistics
from dcql.source import Source
from dcql.subset import UID, Subset
from dcql.verify import conditions_for, perturb

THRESHOLD = Source("threshold.dcql", "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)")
COLUMN = "clip_l14_similarity_score"
PROCESSES = {"new process: 1", "new process: 2"}
LAID_OUT = {"row groups", "files merged", "files split"}

Patch = pytest.MonkeyPatch


def found_by(reference: Run, tried: set[str] | None = None, computing: Computing | None = None) -> set[str]:
    """Return the conditions that differ: of those `tried`, or of all but the ones in processes of their own."""
    every = conditions_for(reference, computing)
    chosen = tuple(one for one in every if (one.name in tried if tried is not None else one.name not in PROCESSES))
    assert tried is None or {one.name for one in chosen} == tried
    outcomes = list(perturb(reference, chosen, computing=computing))
    assert [str(outcome.failure) for outcome in outcomes if outcome.failure is not None] == []
    return {outcome.name for outcome in outcomes if outcome.difference is not None}


# --- in the engine ----------------------------------------------------------------------------------------------------


def with_threshold(patch: Patch, value: Callable[[Pool, float], float]) -> None:
    """Plant another threshold, given the pool that is read and the right one."""
    compute = Statistics._thresholds

    def planted(self: Statistics, *args: Any) -> None:
        compute(self, *args)
        found = self.found[-1][0]
        assert found.value is not None
        self.parameters["q1"] = value(self.pool, float(found.value))
        self.found[-1][0] = replace(found, value=self.parameters["q1"])

    patch.setattr(Statistics, "_thresholds", planted)


def scores(file: Any) -> Any:
    values = pq.read_table(file.path, columns=[COLUMN]).column(0).to_numpy()
    return values[np.isfinite(values)]


def float_sum(patch: Patch) -> None:
    """A mean by a sum of float32, one after the other as the files come."""

    def mean(pool: Pool, _: float) -> float:
        every = np.concatenate([scores(file) / 3 for file in pool.files])
        return 3 * float(np.cumsum(every, dtype=np.float32)[-1]) / len(every)

    with_threshold(patch, mean)


def row_group_statistics(patch: Patch) -> None:
    """A threshold from what the footers say of row groups, however many samples are in one."""

    def mean(pool: Pool, _: float) -> float:
        groups = [
            metadata.row_group(number).column(metadata.schema.names.index(COLUMN)).statistics.max
            for metadata in (pq.read_metadata(file.path) for file in pool.files if file.rows)
            for number in range(metadata.num_row_groups)
        ]
        return float(np.mean(groups))

    with_threshold(patch, mean)


def median_of_medians(patch: Patch) -> None:
    """A threshold that is merged from those of files as if each had as many samples."""

    def merged(pool: Pool, _: float) -> float:
        found = [np.sort(scores(file)) for file in pool.files if file.rows]
        each = [values[len(values) * 7 // 10] for values in found]
        return float(np.sort(np.array(each))[len(each) // 2])

    with_threshold(patch, merged)


def stale_record(patch: Patch) -> None:
    """A distribution in the store that is no longer the pool's."""
    from dcql.catalog import store

    real = store.pool_folder("mixed")

    def stale(pool: Pool, right: float) -> float:
        recorded = pool.distributions is not None and pool.distributions.is_relative_to(real)
        return float(np.nextafter(np.float32(right), np.float32(1))) if recorded else right

    with_threshold(patch, stale)


def little_memory(patch: Patch) -> None:
    """A sample is lost where memory is short."""
    open_session, marks = engine.session, Session.marks
    short: list[bool] = []

    def watched(files: Any, resources: Resources, folders: Any = ()) -> Any:
        short.append(resources.memory is not None)
        return open_session(files, resources, folders)

    def planted(self: Session, *args: Any) -> Iterator[Any]:
        if not short[-1]:
            yield from marks(self, *args)
            return
        # The same as marks, and Arrow's own batches can be cut.
        yield from (batch.slice(1) if batch.num_rows > 1 else batch for batch in self.batches(*args))

    patch.setattr(engine, "session", watched)
    patch.setattr(Session, "marks", planted)
    # Ranks are taken by position, and a row too few would be noticed before anything is compared.
    patch.setattr(engine.InOrder, "finish", lambda self: None)


def stored_otherwise(patch: Patch) -> None:
    """A program is stored without one of its parts: > for >=."""
    from dcql.lower import stored
    from dcql.verify import conditions

    def planted(text: str, source: Source) -> Any:
        _, _, plain = text.partition("\n")
        return stored.decode(stored.sealed(plain.replace(" >= ", " > ")), source)

    patch.setattr(conditions, "decode", planted)


def ends_of_files(patch: Patch) -> None:
    """A reader that loses the last samples of each file."""

    def planted(run_program: Callable[..., Result]) -> Callable[..., Result]:
        def again(program: Any, pool: Pool, *rest: Any) -> Result:
            result = run_program(program, pool, *rest)
            each = (pq.read_table(file.path, columns=["uid"]).column(0).to_pylist() for file in pool.files)
            lost = [uid for uids in each for uid in uids[-20:]]
            return replace(result, subset=result.subset - Subset.from_uids(words(lost)))

        return again

    patch.setattr(engine, "run", planted(engine.run))


def words(uids: list[str]) -> Any:
    padded = [uid.zfill(32) for uid in uids]
    return np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in padded], UID)


# Each with the conditions that find it: no other does.
PLANTS: dict[str, tuple[Callable[[Patch], None], set[str]]] = {
    "a float sum": (float_sum, {"files reversed", "files shuffled"}),
    "statistics of row groups": (row_group_statistics, LAID_OUT),
    "thresholds of files, merged": (median_of_medians, {"files merged", "files split"}),
    "a record that is stale": (stale_record, {"raw files", "cold store"} | LAID_OUT),
    "samples lost where memory is short": (little_memory, {"memory: 512 MB"}),
    "a program stored otherwise": (stored_otherwise, {"stored program"}),
    "the ends of files": (ends_of_files, {"files merged", "files split"}),
}


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_dependence_is_found(name: str, mixed: Pool, monkeypatch: Patch) -> None:
    plant, conditions = PLANTS[name]
    plant(monkeypatch)
    assert found_by(run(THRESHOLD, mixed)) == conditions


# --- in the process ---------------------------------------------------------------------------------------------------

# Loses samples by the fall of a coin, which falls as a value of the process says. Patches the engine where it is
# imported: in a new process as Python's own sitecustomize.
CUSTOM = """
import os, random, tempfile, time
from dataclasses import replace

from dcql.subset import Subset


def planted(run, value):
    def again(*given, **named):
        result = run(*given, **named)
        coin = random.Random(value)
        kept = [coin.random() < 0.5 for _ in range(len(result.subset.uids))]
        return replace(result, subset=Subset(result.subset.uids[kept]))

    return again


if __name__ == "sitecustomize":
    import dcql.engine.run as engine

    engine.run = planted(engine.run, str({value}))
"""
OF_THE_PROCESS = {
    "a seed of Python's hashes": "hash('uid')",
    "the time zone": "time.localtime(0).tm_hour",
    "the folder for temporary files": "tempfile.gettempdir()",
    "the working folder": "os.getcwd()",
}


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", OF_THE_PROCESS)
def test_a_dependence_on_the_process_is_found(name: str, mixed: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    """The value here is that of a process to which nothing but what this one has is said."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    value = OF_THE_PROCESS[name]
    asked = [sys.executable, "-c", f"import os, tempfile, time; print({value})"]
    here = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    custom = tmp_path / "sitecustomize.py"
    custom.write_text(CUSTOM.format(value=value))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engine, "run", loaded(custom).planted(engine.run, here))
    assert found_by(run(THRESHOLD, mixed), {"threads: 1", "new process: 1"}) == {"new process: 1"}


def loaded(path: Path) -> Any:
    found = importlib.util.spec_from_file_location("planted", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


# --- in a model, or in what is stored of it ---------------------------------------------------------------------------

MODEL = """
import hashlib, os, time


def load(weights, assets, options):
    def answer(uids, texts):
        digests = [hashlib.sha256(uid.encode()).digest()[0] for uid in uids]
        return {answers}

    return answer
"""
OF_THE_BATCH = {
    "how many samples it is asked of at once": "[(one + len(uids)) % 256 for one in digests]",
    "the position among them": "[(one + place) % 256 for place, one in enumerate(digests)]",
    "what was asked before": "[max(digests[: place + 1]) for place in range(len(digests))]",
}
OF_ITS_PROCESS = {
    "a seed of Python's hashes": "[hash(uid) % 256 for uid in uids]",
    "the time": "[(one + time.monotonic_ns() // 1000) % 256 for one in digests]",
    "the process": "[(one + os.getpid()) % 256 for one in digests]",
}
RIGHT = "digests"
STORES = {"warm store", "cold store", "half a store"}


def of_model(folder: Path, answers: str) -> tuple[OwnModel, Path]:
    model = own_model(folder, "digit", MODEL.format(answers=answers), "uid TEXT, caption TEXT", "INT")
    text = f"{model.statement}FEATURE number INT USING digit(uid, text);\nSELECT uid FROM pool WHERE number >= q(0.5);"
    return model, recipe_file(folder, text)


def ran(folder: Path, answers: str, pool: Pool) -> Run:
    return run(of_model(folder, answers)[1], pool, computing=Computing(own_code=True))


@pytest.mark.parametrize("name", OF_THE_BATCH)
def test_a_dependence_on_the_batch_is_found(name: str, ties: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    reference = ran(tmp_path, OF_THE_BATCH[name], ties)
    # What is stored is taken as it is: where values are computed again they are others.
    found = found_by(reference, {"raw files", *STORES}, Computing(own_code=True))
    assert "cold store" in found <= {"cold store", "half a store"}


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ITS_PROCESS)
def test_a_dependence_of_a_model_on_its_process(name: str, ties: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    reference = ran(tmp_path, OF_ITS_PROCESS[name], ties)
    assert found_by(reference, {"warm store", "cold store"}, Computing(own_code=True)) == {"cold store"}


def test_a_model_that_depends_on_nothing(ties: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    """And the user's own store is as it was."""
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    reference = ran(tmp_path, RIGHT, ties)
    before = {path: path.stat().st_mtime_ns for path in features_folder().rglob("*") if path.is_file()}
    computing = Computing(own_code=True)
    assert found_by(reference, {"raw files", "files split", "new process: 1", *STORES}, computing) == set()
    after = {path: path.stat().st_mtime_ns for path in features_folder().rglob("*") if path.is_file()}
    assert after == before


def test_values_that_are_merged_in_the_order_of_computing(ties: Pool, tmp_path: Path, monkeypatch: Patch) -> None:
    merge = feature_files.merge

    def planted(stored: Any, key: str, rows: int, spec: Any, positions: Any, answers: Any) -> Path:
        """Take answers for those of the next samples, where some were stored before."""
        if stored.newest(key) is not None and len(positions) > 1:
            answers = replace(answers, values=answers.values.take(np.roll(np.arange(len(positions)), 1)))
        return merge(stored, key, rows, spec, positions, answers)

    monkeypatch.setattr(feature_files, "merge", planted)
    assert found_by(ran(tmp_path, RIGHT, ties), STORES, Computing(own_code=True)) == {"half a store"}
