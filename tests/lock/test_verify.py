"""Runs under conditions that must not matter; each fault planted here has to be found, and at its own stage."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pools import ADVERSARIAL, write

from dcql import verify
from dcql.catalog.pool import Pool
from dcql.compiler import Run, compile, run, run_compiled
from dcql.engine import duck
from dcql.engine import run as engine
from dcql.engine.duck import Resources, Session
from dcql.engine.statistics import Statistics
from dcql.errors import Diagnostic, LockError, RunError
from dcql.lower.program import Program
from dcql.lower.statement import Statement
from dcql.lower.tails import Cut, Firsts
from dcql.source import Source
from dcql.subset import Subset
from dcql.verify import Condition, LeftOut, conditions_for, first_difference, perturb
from dcql.verify.conditions import _reversed, _shuffled, raw

RECIPES = {
    "threshold": "SELECT uid FROM pool WHERE clip_l14 >= q(0.7)",
    "groups": "SELECT uid FROM pool WHERE clip_l14 >= q(0.7 BY grp, safe)",
    "cut": "SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 50",
    "first": "SELECT DISTINCT ON (rating) uid FROM pool ORDER BY clip_b32",
    "bag": "SELECT uid FROM pool WHERE safe UNION ALL SELECT uid FROM pool WHERE rating > 2",
    "text": "SELECT uid FROM pool WHERE regexp_matches(text, 'a') AND python_words(text) > 1",
}


def done(name: str, pool: Pool) -> Run:
    return run(Source(f"{name}.dcql", RECIPES[name]), pool)


# Of one clause over one column DuckDB uses one thread, whatever it may use.
TWO_CLAUSES = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND original_width > 200;"


def two_clauses(pool: Pool) -> Run:
    return run(Source("two_clauses.dcql", TWO_CLAUSES), pool)


def in_here(reference: Run) -> tuple[Condition | LeftOut, ...]:
    """Return the conditions in this process: nothing is planted in others."""
    return tuple(one for one in conditions_for(reference) if not one.name.startswith("new process"))


def differences(reference: Run) -> dict[str, str]:
    """Return what each condition that differs says first."""
    outcomes = perturb(reference, in_here(reference))
    return {o.name: o.difference for o in outcomes if o.difference is not None}


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", RECIPES)
def test_nothing_matters_that_must_not(name: str, mixed: Pool) -> None:
    reference = done(name, mixed)
    conditions = conditions_for(reference) if name in ("groups", "bag") else in_here(reference)
    outcomes = list(perturb(reference, conditions))
    assert {outcome.hash for outcome in outcomes} == {reference.hash}
    assert {outcome.difference for outcome in outcomes} == {None}
    verify.refuse(outcomes)


def test_the_conditions(mixed: Pool, ties: Pool) -> None:
    names = ["threads: 1", "threads: 2", "threads: 8", "memory: 512 MB", "files reversed", "files shuffled"]
    layouts = ["row groups", "files merged", "files split"]
    last = ["stored program", "new process: 1", "new process: 2"]
    assert [c.name for c in conditions_for(done("threshold", mixed))] == [
        *names,
        "file by file",
        "raw files",
        *layouts,
        "cold store",
        *last,
    ]
    groups = done("groups", mixed)
    assert [c.name for c in conditions_for(groups)] == [*names, "raw files", *layouts, "cold store", *last]
    assert [c.name for c in conditions_for(done("groups", raw(mixed)))] == [*names, *layouts, *last]
    shuffled, backwards = _shuffled(mixed).files, _reversed(mixed).files
    assert len({shuffled, backwards, mixed.files}) == 3
    assert set(shuffled) == set(backwards) == set(mixed.files)


def test_a_process_of_its_own_is_given_paths_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(ADVERSARIAL["tiny_files"](), Path("metadata"))
    Path("recipes").mkdir()
    Path("recipes/inner.dcql").write_text(RECIPES["threshold"])
    Path("recipes/outer.dcql").write_text("IMPORT './inner.dcql' AS inner; SELECT uid FROM inner WHERE rating > 1;")
    reference = run("recipes/outer.dcql", "metadata")
    outcomes = list(perturb(reference, conditions_for(reference)[-2:]))
    assert [(o.name, o.difference, o.failure) for o in outcomes] == [
        ("new process: 1", None, None),
        ("new process: 2", None, None),
    ]


def test_raw_files_leave_out_everything_recorded(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = done("threshold", mixed)
    monkeypatch.setattr("dcql.engine.statistics.load_distribution", lambda *_: pytest.fail("a record was read"))
    again = run_compiled(reference.compiled, raw(mixed))
    assert first_difference(reference.result, again.result) is None


# --- planted ----------------------------------------------------------------------------------------------------------


def in_order(pool: Pool) -> bool:
    names = [file.name for file in pool.files]
    return names == sorted(names)


def test_a_threshold_that_depends_on_the_order_of_files(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Statistics._thresholds

    def planted(self: Statistics, *args: Any) -> None:
        compute(self, *args)
        if not in_order(self.pool):
            found = self.found[-1][0]
            assert found.value is not None
            self.parameters["q1"] = float(np.nextafter(np.float32(found.value), np.float32(1)))
            self.found[-1][0] = replace(found, value=self.parameters["q1"])

    monkeypatch.setattr(Statistics, "_thresholds", planted)
    found = differences(done("threshold", mixed))
    assert set(found) == {"files reversed", "files shuffled"}
    value = r"-?[0-9.]+ \(0x[0-9a-f.p+-]+\)"
    assert re.fullmatch(rf"stage 1: q1 = q\(0\.7\) over pool: value {value} and {value}", found["files reversed"])


def test_a_group_that_depends_on_threads(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watched_threads(monkeypatch)
    compute = Statistics._grouped

    def planted(self: Statistics, *args: Any) -> None:
        compute(self, *args)
        if threads[-1] == 8:
            self.found[-1][3] = replace(self.found[-1][3], k=self.found[-1][3].k + 1)

    monkeypatch.setattr(Statistics, "_grouped", planted)
    found = differences(done("groups", mixed))
    assert set(found) == {"threads: 8"}
    assert re.match(
        r"stage 1: q1 = q\(0\.7 BY grp, safe\) over pool in group \(.+, .+\): k \d+ and \d+", found["threads: 8"]
    )


def test_a_cut_that_ignores_the_tie_hash(ties: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)

    def unordered(cut: Cut) -> Cut:
        return replace(cut, tie=Statement(cut.tie.text.replace('ORDER BY\n  "tie" ASC\n', ""), cut.tie.parameters))

    reference = done("cut", ties)
    program = rewritten(reference.compiled.program, Cut, unordered)
    found = differences(run_compiled(replace(reference.compiled, program=program), ties))
    assert found["files reversed"].startswith("stage 1: cut1 = LIMIT 50: at (0.25")
    assert found["files reversed"].count("'") == 4


def test_a_first_that_ignores_the_tie_hash(ties: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)

    def unordered(firsts: Firsts) -> Firsts:
        text = re.sub(r"ORDER BY SHA256\(.*?\)\) ASC", "ORDER BY 1", firsts.statement.text, flags=re.S)
        assert text != firsts.statement.text
        return replace(firsts, statement=Statement(text, firsts.statement.parameters))

    reference = done("first", ties)
    program = rewritten(reference.compiled.program, Firsts, unordered)
    found = differences(run_compiled(replace(reference.compiled, program=program), ties))
    assert found["files reversed"].startswith("stage 1: first1 = DISTINCT ON: at ")


def rewritten(program: Program, kind: type, rewrite: Callable[[Any], Any]) -> Program:
    stages = tuple(
        replace(stage, statistics=tuple(rewrite(s) if isinstance(s, kind) else s for s in stage.statistics))
        for stage in program.stages
    )
    assert stages != program.stages
    return replace(program, stages=stages)


@pytest.mark.parametrize("name", ["text", "bag"])
def test_an_output_that_loses_a_file_with_8_threads(name: str, mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watched_threads(monkeypatch)
    tell = engine._Output._told_by_row

    def planted(self: Any, *args: Any) -> Iterator[Any]:
        whole = self._sources
        if threads[-1] == 8:
            self._sources = replace(whole, pool=replace(whole.pool, files=whole.pool.files[:-1]))
        yield from tell(self, *args)
        self._sources = whole

    monkeypatch.setattr(engine._Output, "_told_by_row", planted)
    compiled = compile(Source("r", RECIPES[name]), mixed.schema)
    by_row = replace(compiled.program, marks=None, by_lengths=None)
    reference = run_compiled(replace(compiled, program=by_row), mixed)
    found = differences(reference)
    lost = mixed.rows - mixed.files[-1].rows
    assert list(found) == ["threads: 8"]
    assert re.fullmatch(
        rf"output: query(\.1)?: after FROM pool: {mixed.rows:,} and {lost:,} samples", found["threads: 8"]
    )


def test_kept_samples_that_are_lost_after_the_counting(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watched_threads(monkeypatch)
    tell = engine._Output._marked

    def planted(self: Any, *args: Any) -> Iterator[Any]:
        for ranks, taken in tell(self, *args):
            yield (ranks[2:], taken) if threads[-1] == 2 else (ranks, taken)

    monkeypatch.setattr(engine._Output, "_marked", planted)
    found = differences(two_clauses(mixed))
    assert list(found) == ["threads: 2"]
    pattern = r"subset: \d+ samples only in the first and 0 only in the second, such as [0-9a-f]{32}"
    assert re.fullmatch(pattern, found["threads: 2"])


def test_copies_that_differ(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = done("bag", mixed)
    subset = reference.subset
    assert subset.copies is not None
    other = replace(reference.result, subset=Subset(subset.uids, np.where(subset.copies == 2, 3, 1).astype(np.uint32)))
    assert re.fullmatch(
        r"subset: sample [0-9a-f]{32} is there 2 and 3 times", first_difference(reference.result, other) or ""
    )


def test_results_of_different_size(mixed: Pool, ties: Pool) -> None:
    ours, theirs = done("threshold", mixed).result, done("threshold", ties).result
    assert first_difference(ours, theirs) == "pool: 3,000 and 300 samples"
    groups = done("groups", mixed).result
    fewer = replace(groups, stages=(groups.stages[0][1:],))
    for one, other in ((groups, fewer), (fewer, groups)):
        assert str(first_difference(one, other)).endswith("is in one result only")


def watched_threads(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Return a list whose last item is the threads of the run that goes on."""
    threads: list[int | None] = []
    open_session = duck.session

    def watched(files: Any, resources: Resources, folders: Any = ()) -> Any:
        threads.append(resources.threads)
        return open_session(files, resources)

    monkeypatch.setattr(engine, "session", watched)
    return threads


def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let DuckDB see the files in their order where a condition says nothing of threads.

    What several threads leave unordered may come out alike by chance.
    """
    open_session = duck.session

    def alone(files: Any, resources: Resources, folders: Any = ()) -> Any:
        return open_session(files, replace(resources, threads=resources.threads or 1))

    monkeypatch.setattr(engine, "session", alone)


# --- refusing ---------------------------------------------------------------------------------------------------------


def test_a_failed_condition_does_not_hide_the_others(mixed: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = watched_threads(monkeypatch)
    marks = Session.marks

    def planted(self: Session, *args: Any) -> Iterator[Any]:
        if threads[-1] == 2:
            raise RunError(Diagnostic("E0710", "not enough memory"))
        return marks(self, *args)

    monkeypatch.setattr(Session, "marks", planted)
    reference = two_clauses(mixed)
    outcomes = list(perturb(reference, in_here(reference)))
    assert [o.name for o in outcomes if o.failure is not None] == ["threads: 2"]
    with pytest.raises(RunError, match="not enough memory"):
        verify.refuse(outcomes)
    worse = [*outcomes, replace(outcomes[0], difference="subset: other")]
    with pytest.raises(LockError, match="E0803"):
        verify.refuse(worse)
