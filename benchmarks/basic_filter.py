"""Time DataComp's basic_filter: dcql beside a model call for every row, each run a fresh process.

    python benchmarks/basic_filter.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is a pool of benchmarks/pool.py, 640,000 rows or so. CPU seconds, user and system and of all processes, are the
figure to read. Every output is compared byte for byte.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from measure import BenchmarkError, Contender, Outcome, run_once
from spine import find_dcql, in_turns, pool_rows, replace_between

RECIPE = "basic_filter"
POOL_NAME = "bench"
# What DataComp's module imports, whichever filter is asked for; its row is left out where one is not installed.
IMPORTED = ("torch", "nltk", "gcld3")
BEGIN, END = "<!-- begin: printed by basic_filter.py -->", "<!-- end: printed by basic_filter.py -->"


def contenders(pool: Path, dcql: list[str], work: Path) -> list[Contender]:
    """Return the yardstick, then dcql without and with `lang` stored, the pool added once before."""
    script = str(Path(__file__).parent / "by_hand" / "basic_per_row.py")
    words = (sys.executable, script, str(pool), "{out}.npy")
    yardsticks = [Contender("a call for every row", words, by_hand=True)]
    if all(find_spec(name) for name in IMPORTED):
        more = (*words, "--imports", ",".join(IMPORTED))
        yardsticks.append(Contender("the same, with what DataComp imports", more, by_hand=True))
    home = work / "home"
    add = Contender("dcql pool add", (*dcql, "pool", "add", POOL_NAME, str(pool)), by_hand=False, home=home)
    run_once(add, work / "add", keep_home=True)
    run = (*dcql, "run", RECIPE, "--pool", POOL_NAME, "--out", "{out}", "--threads", "2")
    cold = Contender("dcql, nothing stored", run, by_hand=False, home=home)
    warm = Path(shutil.copytree(home, work / "warm"))
    again = Contender("dcql, lang stored", run, by_hand=False, home=warm)
    run_once(again, work / "first", keep_home=True)
    return [*yardsticks, cold, again]


def table(names: list[str], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and how many times less CPU than the yardstick."""
    cpu = {name: statistics.median(run.cpu for run in outcomes[name]) for name in names}
    lines = ["| contender | CPU s | (least to most) | wall s | times less CPU |", "|---|--:|--:|--:|--:|"]
    for name in names:
        runs = outcomes[name]
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        wall = statistics.median(run.wall for run in runs)
        less = cpu[names[0]] / cpu[name]
        lines.append(f"| {name} | {cpu[name]:.2f} | {least:.2f} to {most:.2f} | {wall:.2f} | {less:.1f} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Time basic_filter: dcql against a call for every row.")
    parser.add_argument("pool", type=Path, help="folder written by pool.py")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    given = parser.parse_args()
    dcql = find_dcql(given.dcql)
    if dcql is None:
        return 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            runners = contenders(given.pool.absolute(), dcql, Path(folder))
            load = os.getloadavg()[0]
            outcomes = in_turns(runners, given.repeats, Path(folder))
        subsets = {(run.digest, run.size) for runs in outcomes.values() for run in runs}
        heading = (
            f"{RECIPE} on {pool_rows(given.pool):,} samples, lid.176.ftz; medians of {given.repeats} runs in turns, "
            f"{os.cpu_count()} cores, load {load:.1f} at the start."
        )
        sizes = ", ".join(f"{size:,} bytes" for _, size in subsets)
        same = f"All outputs are the same {sizes}." if len(subsets) == 1 else f"**The outputs differ:** {sizes}."
        report = "\n".join([heading, "", *table([one.name for one in runners], outcomes), "", same])
        print(report)
        if given.write:
            replace_between(given.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"basic_filter.py: {error}", file=sys.stderr)
        return 1
    return 0 if len(subsets) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
