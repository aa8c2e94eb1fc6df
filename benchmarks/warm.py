"""Time a warm run of clip30: dcql beside a script that does by hand what cannot be left out, each a fresh process.

    python benchmarks/warm.py --home HOME [--pool POOL] [--repeats 9] [--dcql CMD] [--write benchmarks/README.md]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; it is read through links, and nothing is written to
it. CPU seconds, user and system, are the figure to read: the bound is 1.15 times the script's.
"""

import argparse
import os
import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from measure import BenchmarkError, Contender, Outcome, run_once
from spine import BY_HAND, find_dcql, in_turns, replace_between

RECIPE = "clip30"
BEGIN, END = "<!-- begin: printed by warm.py -->", "<!-- end: printed by warm.py -->"


def linked(home: Path, pool: str, work: Path) -> Path:
    """Return a store of its own with the same pool: its files are linked, and its programs are not there."""
    copy = work / "home"
    shutil.copytree(home / "pools" / pool, copy / "pools" / pool, copy_function=os.link)
    (copy / "locks").mkdir()
    (copy / "locks" / pool).touch()
    return copy


def contenders(home: Path, pool: str, dcql: list[str], work: Path) -> list[Contender]:
    """Return the script, then dcql, whose program is in the store."""
    store = linked(home, pool, work)
    run = (*dcql, "run", RECIPE, "--pool", pool, "--out", "{out}", "--threads", "2")
    found = Contender(f"dcql run {RECIPE}", run, by_hand=False, home=store)
    run_once(found, work / "first", keep_home=True)
    script = (sys.executable, str(BY_HAND / "warm_clip30.py"), pool, "{out}.npy")
    starts = (sys.executable, "-c", "import hashlib, tomllib, pathlib, numpy, pyarrow.parquet")
    return [
        Contender("by hand", script, by_hand=True, home=store),
        found,
        Contender("of that, by hand: Python, and what it imports", starts, by_hand=True),
        Contender("of that, dcql: `dcql --version`", (*dcql, "--version"), by_hand=False, home=store),
    ]


def table(outcomes: dict[str, list[Outcome]], yardstick: str) -> list[str]:
    """Lay out medians, and ratios to the yardstick."""
    cpu = {name: statistics.median(run.cpu for run in runs) for name, runs in outcomes.items()}
    lines = ["| contender | CPU s | (least to most) | wall s | peak MiB | CPU ratio |", "|---|--:|--:|--:|--:|--:|"]
    for name, runs in outcomes.items():
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        wall, peak = (statistics.median(getattr(run, what) for run in runs) for what in ("wall", "peak"))
        lines.append(
            f"| {name} | {cpu[name]:.3f} | {least:.3f} to {most:.3f} | {wall:.2f} | {peak / (1 << 20):.0f} "
            f"| {cpu[name] / cpu[yardstick]:.2f} |"
        )
    return lines


def samples(home: Path, pool: str) -> int:
    """Return how many samples a pool of a store has."""
    found = re.search(r"^rows = (\d+)$", (home / "pools" / pool / "pool.toml").read_text(), re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"{home} has no pool {pool}")
    return int(found[1])


def main() -> int:
    parser = argparse.ArgumentParser(description="Time a warm run of clip30: dcql against a script.")
    parser.add_argument("--home", type=Path, required=True, help="a store with the pool")
    parser.add_argument("--pool", default="bench", help="the pool's name in the store")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--work", type=Path, help="folder for temporary files, on the disk of HOME")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    given = parser.parse_args()
    dcql = find_dcql(given.dcql)
    if dcql is None:
        return 1
    try:
        with tempfile.TemporaryDirectory(dir=given.work) as folder:
            runners = contenders(given.home.absolute(), given.pool, dcql, Path(folder))
            load = os.getloadavg()[0]
            outcomes = in_turns(runners, given.repeats, Path(folder))
        wrote = {(run.digest, run.size) for runs in outcomes.values() for run in runs if run.size}
        heading = (
            f"{RECIPE} on {samples(given.home, given.pool):,} samples, an added pool, 2 threads; medians of "
            f"{given.repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start."
        )
        same = "Both wrote the same bytes." if len(wrote) == 1 else "**The outputs differ.**"
        report = "\n".join([heading, "", *table(outcomes, runners[0].name), "", same])
        print(report)
        if given.write:
            replace_between(given.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"warm.py: {error}", file=sys.stderr)
        return 1
    return 0 if len(wrote) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
