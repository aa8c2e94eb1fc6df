"""Time `dcql sweep` over nine thresholds beside one run of the recipe, each a fresh process that writes nothing.

    python benchmarks/sweep.py FOLDER [--home STORE] [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is a pool of benchmarks/pool.py. It is added to a store of its own; `--home` names one that has it already, as
the pool `bench`. The contenders take turns. A run is cold: no program is stored, as after a first `dcql pool add`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import BenchmarkError, Contender, Outcome, run_once
from spine import POOL_NAME, find_dcql, in_turns, pool_rows, replace_between

RECIPE = """\
PARAM keep DEFAULT 0.3;
SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);
"""
VALUES = [f"0.{percent:02}".rstrip("0") for percent in range(10, 51, 5)]
SWEEP = f"keep={VALUES[0]}..{VALUES[-1]}:0.05"
BEGIN, END = "<!-- begin: printed by sweep.py -->", "<!-- end: printed by sweep.py -->"


def contenders(dcql: list[str], recipe: Path, pools: dict[str, str], home: Path, threads: int) -> list[Contender]:
    """Return, for each form of the pool, a run, then the sweep."""
    found: list[Contender] = []
    for form, pool in pools.items():
        given = (str(recipe), "--pool", pool, "--threads", str(threads))
        found.append(Contender(f"dcql run, {form} pool", (*dcql, "run", *given), by_hand=False, home=home))
        found.append(
            Contender(f"dcql sweep, {form} pool", (*dcql, "sweep", *given, "--set", SWEEP), by_hand=False, home=home)
        )
    return found


def hashes(dcql: list[str], recipe: Path, pool: str, home: Path) -> tuple[list[str], list[str]]:
    """Return the hash of each variant by a sweep, and by a run of each."""

    def told(*words: str) -> dict[str, object]:
        command = [*dcql, *words, "--pool", pool, "--format", "json"]
        environment = {**os.environ, "DCQL_HOME": str(home)}
        return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)

    variants = told("sweep", str(recipe), "--set", SWEEP)["variants"]
    alone = [str(told("run", str(recipe), "--set", f"keep={value}")["hash"]) for value in VALUES]
    return [one["hash"] for one in variants], alone


def table(names: list[str], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and each sweep's ratio to the run before it."""
    lines = ["| contender | CPU s | (least to most) | wall s | peak MiB | CPU ratio | wall ratio |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|")
    for number, name in enumerate(names):
        runs, once = outcomes[name], outcomes[names[number - number % 2]]
        cpu, wall = (statistics.median(getattr(run, what) for run in runs) for what in ("cpu", "wall"))
        cpu_once, wall_once = (statistics.median(getattr(run, what) for run in once) for what in ("cpu", "wall"))
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        peak = statistics.median(run.peak for run in runs) / (1 << 20)
        lines.append(
            f"| {name} | {cpu:.2f} | {least:.2f} to {most:.2f} | {wall:.2f} | {peak:.0f} "
            f"| {cpu / cpu_once:.2f} | {wall / wall_once:.2f} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Time a sweep of nine thresholds against one run.")
    parser.add_argument("pool", type=Path, help="folder written by pool.py")
    parser.add_argument("--home", type=Path, metavar="STORE", help=f"a store that has the pool as {POOL_NAME!r}")
    parser.add_argument("--form", choices=("added", "raw", "both"), default="both")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--check", action="store_true", help="also run each value alone and compare the hashes")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    given = parser.parse_args()
    dcql = find_dcql(given.dcql)
    if dcql is None:
        return 1
    same = True
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            recipe = work / "keep.dcql"
            recipe.write_text(RECIPE, encoding="utf-8")
            home = given.home.absolute() if given.home else work / "home"
            raw = str(given.pool.absolute())
            pools = {
                form: raw if form == "raw" else POOL_NAME for form in ("added", "raw") if given.form in (form, "both")
            }
            if given.home is None:
                words = (*dcql, "pool", "add", POOL_NAME, raw)
                run_once(Contender("dcql pool add", words, by_hand=False, home=home), work / "add", keep_home=True)
            runners = contenders(dcql, recipe, pools, home, given.threads)
            load = os.getloadavg()[0]
            outcomes = in_turns(runners, given.repeats, work)
            notes = []
            if given.check:
                together, alone = hashes(dcql, recipe, next(iter(pools.values())), home)
                same = together == alone
                notes = ["", "All hashes are those of single runs." if same else "**The hashes differ.**"]
        heading = (
            f"clip_l14 >= q(1 - keep), keep = {SWEEP.removeprefix('keep=')}, on {pool_rows(given.pool):,} samples, "
            f"{given.threads} threads, nothing written; medians of {given.repeats} runs in turns, {os.cpu_count()} "
            f"cores, load {load:.1f} at the start."
        )
        report = "\n".join([heading, "", *table([one.name for one in runners], outcomes), *notes])
        print(report)
        if given.write:
            replace_between(given.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"sweep.py: {error}", file=sys.stderr)
        return 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
