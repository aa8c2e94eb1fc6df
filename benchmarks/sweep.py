"""Time `dcql sweep` over nine thresholds beside one run of the recipe, each a fresh process that writes nothing.

    python benchmarks/sweep.py FOLDER [--home STORE] [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is a pool of benchmarks/pool.py. It is added to a store of its own; `--home` names one that has it already, as
the pool `bench`. The contenders take turns. A run is cold: no program is stored, as after a first `dcql pool add`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from measure import Contender, Dcql, Outcome, commands, find_dcql, in_turns
from pool import pool_rows
from report import SPENT, Report, markdown, middle, parser, positive, run, spent

RECIPE = """\
PARAM keep DEFAULT 0.3;
SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);
"""
VALUES = [f"0.{percent:02}".rstrip("0") for percent in range(10, 51, 5)]
SWEEP = f"keep={VALUES[0]}..{VALUES[-1]}:0.05"


def contenders(dcql: Dcql, recipe: Path, pools: dict[str, str], threads: int) -> list[Contender]:
    """Return, for each form of the pool, a run, then the sweep."""
    found: list[Contender] = []
    for form, pool in pools.items():
        given = (str(recipe), "--pool", pool, "--threads", str(threads))
        found.append(dcql.contender(f"dcql run, {form} pool", "run", *given))
        found.append(dcql.contender(f"dcql sweep, {form} pool", "sweep", *given, "--set", SWEEP))
    return found


def hashes(dcql: Dcql, recipe: Path, pool: str) -> tuple[list[str], list[str]]:
    """Return the hash of each variant by a sweep, and by a run of each."""

    def told(*words: str) -> Any:
        command = [*dcql.words, *words, "--pool", pool, "--format", "json"]
        environment = {**os.environ, "DCQL_HOME": str(dcql.home)}
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)

    variants = told("sweep", str(recipe), "--set", SWEEP)["variants"]
    alone = [str(told("run", str(recipe), "--set", f"keep={value}")["hash"]) for value in VALUES]
    return [one["hash"] for one in variants], alone


def table(outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and each sweep's ratio to the run before it."""
    rows, every = [], list(outcomes.items())
    for number, (name, runs) in enumerate(every):
        _, once = every[number - number % 2]
        ratios = (f"{middle(runs, what) / middle(once, what):.2f}" for what in ("cpu", "wall"))
        rows.append((name, *spent(runs), *ratios))
    return markdown(("contender", *SPENT, "CPU ratio", "wall ratio"), rows)


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians, and with --check whether the hashes are those of single runs."""
    recipe = work / "keep.dcql"
    recipe.write_text(RECIPE, encoding="utf-8")
    dcql = Dcql(find_dcql(given.dcql), given.home.absolute() if given.home else work / "home")
    raw = str(given.pool.absolute())
    pools = {form: place for form, place in (("added", "bench"), ("raw", raw)) if given.form in (form, "both")}
    if given.home is None:
        dcql.once(work, "pool", "add", "bench", raw)
    turns = in_turns(commands(contenders(dcql, recipe, pools, given.threads), work), given.repeats)
    same, notes = True, []
    if given.check:
        together, alone = hashes(dcql, recipe, next(iter(pools.values())))
        same = together == alone
        notes = ["", "All hashes are those of single runs." if same else "**The hashes differ.**"]
    heading = (
        f"clip_l14 >= q(1 - keep), keep = {SWEEP.removeprefix('keep=')}, on {pool_rows(given.pool):,} samples, "
        f"{given.threads} threads, nothing written; {turns.how}."
    )
    return Report([heading, "", *table(turns.runs), *notes], agree=same)


def main() -> int:
    reading = parser("Time a sweep of nine thresholds against one run.", repeats=3, dcql=True)
    reading.add_argument("pool", type=Path, help="folder written by pool.py")
    reading.add_argument("--home", type=Path, metavar="STORE", help="a store that has the pool as 'bench'")
    reading.add_argument("--form", choices=("added", "raw", "both"), default="both")
    reading.add_argument("--threads", type=positive, default=2)
    reading.add_argument("--check", action="store_true", help="also run each value alone and compare the hashes")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
