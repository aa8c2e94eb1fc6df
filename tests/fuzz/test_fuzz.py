"""The short run: seeds are taken, crashes of the past stay mended, and inputs near the seeds are taken or refused."""

import json
import time
from pathlib import Path
from typing import NoReturn

import pytest

from dcql.errors import Diagnostic, RunError
from fuzz import judging
from fuzz.judging import Crash, Target, judge, promise
from fuzz.mutations import mutated
from fuzz.targets import TARGETS

HERE = Path(__file__).parent
SEEDS = sorted((HERE / "seeds").glob("*/*"))
CRASHES = sorted((HERE / "crashes").glob("*/*"))
# What readers need that may not be installed.
NEEDED = {"trained": "torch", "image": "PIL"}
# Inputs near the seeds, where one takes longer than the others.
SLOW = {
    "recipe": 100,
    "pool": 40,
    "pool_added": 15,
    "table": 25,
    "submission": 80,
    "eval_set": 100,
    "manifest": 150,
    "set_file": 150,
}
USUAL = 300


def target(name: str) -> Target:
    """Return a reader; skip the test where it cannot read here."""
    pytest.importorskip(NEEDED.get(name, "dcql"))
    return TARGETS[name]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))


def title(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


@pytest.mark.parametrize("path", SEEDS, ids=title)
def test_seeds_are_read(path: Path) -> None:
    """Those that were made are accepted; those that were found are there for where they lead."""
    told = judge(target(path.parent.name), path.read_bytes())
    assert told is True or (told is False and path.name.startswith("found-"))


@pytest.mark.parametrize("path", CRASHES, ids=title)
def test_what_crashed_once_is_taken_or_refused(path: Path) -> None:
    assert judge(target(path.parent.name), path.read_bytes()) in (True, False)


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", TARGETS)
def test_inputs_near_the_seeds_are_taken_or_refused(name: str) -> None:
    seeds = [path.read_bytes() for path in SEEDS if path.parent.name == name]
    crashes = {}
    for data in mutated(seeds, SLOW.get(name, USUAL), name):
        told = judge(target(name), data)
        if isinstance(told, Crash):
            crashes[told.kind, told.where] = (told.detail, data)
    assert not crashes


def test_seeds_are_small() -> None:
    assert {path.parent.name for path in SEEDS} == set(TARGETS)
    assert sum(path.stat().st_size for path in (*SEEDS, *CRASHES)) < 300_000


def test_mutations_are_the_same_every_time_and_differ() -> None:
    once, again = (list(mutated([b"a = 1\n", b"[b]\n"], 50, "seed")) for _ in range(2))
    assert once == again
    assert len(set(once)) > 40


# --- what a crash is --------------------------------------------------------------------------------------------------


def refuse(code: str, label: str) -> NoReturn:
    raise RunError(Diagnostic(code, "no", None, label))


def kind(target: Target) -> str | bool:
    told = judge(target, b"data")
    return told.kind if isinstance(told, Crash) else told


def test_other_exceptions_are_crashes() -> None:
    assert kind(Target("int", lambda data: bool(int(data)), ())) == "ValueError"
    assert kind(Target("int", lambda data: bool(int(data)), (), (ValueError,))) is False
    assert kind(Target("json", lambda data: bool(json.loads(b"[" * 100_000)), ())) == "RecursionError"
    assert kind(Target("promise", lambda data: bool(promise(False, "no")), ())) == "BrokenPromiseError"


def test_refusals_are_none() -> None:
    assert kind(Target("refused", lambda data: refuse("E0703", "damaged"), ())) is False
    assert kind(Target("taken", lambda data: True, ())) is True


def test_internal_errors_are_crashes() -> None:
    assert kind(Target("internal", lambda data: refuse("E0901", "bug"), ())) == "E0901"


def test_errors_that_would_steer_a_terminal_are_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Target("colours", lambda data: refuse("E0703", "\x1b[31m"), ())
    assert kind(target) is False
    monkeypatch.setattr(judging, "render", lambda diagnostics: diagnostics[0].label)
    assert kind(target) == "control character"


def test_warnings_of_pythons_parser_are_crashes() -> None:
    assert kind(Target("warns", lambda data: bool(eval("1 is 1")), ())) in ("SyntaxError", "SyntaxWarning")


def test_slow_and_large_are_crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_SECONDS", -1.0)
    assert kind(Target("slow", lambda data: time.thread_time() > 0, ())) == "slow"
    monkeypatch.setattr(judging, "MAX_SECONDS", 5.0)
    peaks = iter([1 << 29, 1 << 31])
    monkeypatch.setattr(judging, "_peak", lambda: next(peaks))
    assert kind(Target("large", lambda data: True, ())) == "memory"
