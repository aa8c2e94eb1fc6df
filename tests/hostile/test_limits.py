"""Limits on time, memory, output and nesting: what they stop, and that nothing of them is left behind."""

import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from pool.samples import samples, write

from dcql.catalog.pool import open_pool
from dcql.cli.options import limits
from dcql.compiler import check, compile, run
from dcql.engine import folder
from dcql.engine.duck import Resources, session
from dcql.engine.duck import Source as Rows
from dcql.errors import RecipeError, RunError, render
from dcql.limits import STRANGERS, Limits, held, hold
from dcql.lower.statement import Statement
from dcql.source import Source
from dcql.subset import Subset

from .made import model

MESSAGES = Path(__file__).parent / "limits"
NOTHING = Rows(Statement("SELECT 1", ()), ())
ENDLESS = "SELECT a.range * b.range AS x FROM range(10000000) a, range(10000000) b WHERE x = -1"


def query_without_end() -> None:
    with session((), Resources()) as opened:
        opened.rows(Statement(ENDLESS, ()), NOTHING, {})


def stream_without_end() -> None:
    with session((), Resources()) as opened:
        list(opened.batches(Statement(ENDLESS, ()), NOTHING, {}))


def loop_without_end() -> None:
    while True:
        pass


def sleep_without_end() -> None:
    time.sleep(1000)


def loop_that_takes_every_exception() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


@pytest.mark.parametrize(
    "work",
    [
        query_without_end,
        stream_without_end,
        loop_without_end,
        sleep_without_end,
        loop_that_takes_every_exception,
    ],
)
def test_time_ends_all_work(work: Callable[[], None]) -> None:
    with pytest.raises(RunError) as caught, hold(Limits(time=0.3)):
        work()
    assert [one.code for one in caught.value.diagnostics] == ["E1461"]


def test_memory_that_is_asked_for_at_once(update: bool) -> None:
    with pytest.raises(RunError) as caught, hold(Limits(memory=4 * 10**9)):
        np.ones(10**10)
    drawn = render(caught.value.diagnostics) + "\n"
    expected = MESSAGES / "E1462_memory.txt"
    if update:
        expected.write_text(drawn, encoding="utf-8")
    assert drawn == expected.read_text(encoding="utf-8")


def test_memory_that_grows() -> None:
    kept: list[NDArray[np.float64]] = []
    with pytest.raises(RunError, match="E1462"), hold(Limits(time=60, memory=memory_in_use() + 10**8)):
        kept.extend(np.ones(10**5) for _ in itertools.count())


def memory_in_use() -> int:
    """Return the bytes of memory of this process, without those of files."""
    _, resident, shared = Path("/proc/self/statm").read_text().split()[:3]
    return (int(resident) - int(shared)) * resource.getpagesize()


def test_nothing_is_left_behind() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM)
    with hold(STRANGERS):
        assert held() == STRANGERS
        assert resource.getrlimit(resource.RLIMIT_DATA) != before[0]
    assert held() == Limits()
    with pytest.raises(RunError), hold(Limits(time=0.2, memory=10**10)):
        loop_without_end()
    assert (resource.getrlimit(resource.RLIMIT_DATA), signal.getsignal(signal.SIGALRM)) == before
    assert held() == Limits()
    time.sleep(0.3)


def test_what_goes_wrong_within_limits_is_what_it_is() -> None:
    with pytest.raises(KeyError), hold(STRANGERS):
        raise KeyError
    with pytest.raises(MemoryError), hold(Limits(time=60)):
        raise MemoryError


def test_limits_are_not_held_twice() -> None:
    with pytest.raises(ValueError, match="once at a time"), hold(STRANGERS), hold(STRANGERS):
        pass
    assert held() == Limits()


def test_a_model_does_not_outlive_who_asked(tmp_path: Path) -> None:
    """As where the process had to be ended from outside: its model is at work on an answer, and hears of nothing."""
    code = tmp_path / "m.py"
    code.write_text(model("while True: pass"))
    asking = f"""
import os, threading, time
import pyarrow
from dcql.engine.features.workers import Ask, Workers
workers = Workers(Ask("m", {str(code)!r}, {sha256(code.read_bytes()).hexdigest()!r}, "INT", "", {{}}, {{}}), 1)
asked = [(pyarrow.array(["a"]),)]
threading.Thread(target=lambda: list(workers.ask(asked)), daemon=True).start()
time.sleep(1)
print(workers._all[0]._process.pid, flush=True)
os._exit(1)
"""
    told = subprocess.run([sys.executable, "-c", asking], stdout=subprocess.PIPE, text=True)
    number = int(told.stdout)
    for _ in range(600):
        if not alive(number):
            return
        time.sleep(0.1)
    os.kill(number, signal.SIGKILL)
    pytest.fail("the model still runs")


def alive(number: int) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_output_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    subset = Subset.from_uids(np.array([(0, 1)], "u8,u8"), np.array([10**6]))
    with pytest.raises(RunError, match="E1463"), hold(Limits(output=10**6)):
        folder.write(tmp_path / "run", subset, dict)
    assert list(tmp_path.iterdir()) == []
    with hold(Limits(output=2 * 10**7)):
        folder.write(tmp_path / "run", subset, dict)


def test_nesting_holds_for_a_program_that_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    write(samples(20), tmp_path / "pool" / "a.parquet")
    recipe = Source("recipe.dcql", "SELECT uid FROM pool WHERE -(-(-(-width))) > 0;")
    run(recipe, tmp_path / "pool")
    with pytest.raises(RecipeError, match="E1464"), hold(Limits(nesting=5)):
        run(recipe, tmp_path / "pool")
    with hold(Limits(nesting=100)):
        check(recipe)


def test_memory_is_what_duckdb_is_given_half_of(tmp_path: Path) -> None:
    pool = open_pool(write(samples(20), tmp_path / "a.parquet").parent)
    with hold(Limits(memory=8 * 10**9, output=10**9)), session((pool.files[0].path,), Resources()) as opened:
        settings = dict(
            opened._connection.execute("SELECT name, value FROM duckdb_settings() WHERE scope = 'GLOBAL'").fetchall()
        )
    assert settings["memory_limit"] == "3.7 GiB"
    assert settings["max_temp_directory_size"] == "953.6 MiB"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("time=600", Limits(time=600)),
        ("time=0.5, memory=4GB", Limits(time=0.5, memory=4 * 10**9)),
        ("output=1GiB,nesting=7", Limits(output=1 << 30, nesting=7)),
        ("strangers", STRANGERS),
        ("strangers,time=60", Limits(60, STRANGERS.memory, STRANGERS.output, STRANGERS.nesting)),
    ],
)
def test_limits_are_read(text: str, expected: Limits) -> None:
    assert limits(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "time", "time=", "time=0", "time=-1", "time=1e9", "time=nan", "memory=4", "memory=1kB", "nesting=0",
     "nesting=²", "nesting=1.5", "cpu=3",
     "time=1,time=2", "time=1,", "time=1,strangers", "stranger", "time=1;memory=2GB"],
)  # fmt: skip
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        limits(text)


def test_what_strangers_stands_for_is_what_help_says() -> None:
    assert limits("time=3600,memory=8GB,output=4GB,nesting=100") == STRANGERS


def test_every_recipe_that_ships_is_within_the_limits_of_strangers() -> None:
    from dcql.catalog.recipes import shipped_recipes

    with hold(STRANGERS):
        for path in set(shipped_recipes().values()):
            compile(path)
