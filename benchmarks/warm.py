"""Time warm runs of two recipes: dcql beside scripts that do by hand what cannot be left out, each a fresh process.

    python benchmarks/warm.py --home HOME [--pool POOL] [--repeats 9] [--dcql CMD] [--write benchmarks/README.md]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; it is read through links, and nothing is written to
it. datacomp_1b finds its features stored, with made-up values (stored_features.py). CPU seconds, user and system, are
the figure to read: the bounds were 1.15 times the script of clip30, and 2 times that for datacomp_1b.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from measure import BenchmarkError, Contender, Outcome, run_once
from spine import BY_HAND, find_dcql, in_turns, replace_between

BEGIN, END = "<!-- begin: printed by warm.py -->", "<!-- end: printed by warm.py -->"


def linked(home: Path, pool: str, work: Path) -> tuple[Path, Path]:
    """Return a store of its own with the same pool, and the pool's folder: all files in both are linked.

    Features can be added to them, and assets, with nothing written to HOME or to the pool.
    """
    copy, folder = work / "home", work / "pool"
    shutil.copytree(home / "pools" / pool, copy / "pools" / pool, copy_function=os.link)
    (copy / "locks").mkdir()
    (copy / "locks" / pool).touch()
    record = copy / "pools" / pool / "pool.toml"
    text = record.read_text(encoding="utf-8")
    source = tomllib.loads(text)["source"]
    shutil.copytree(source, folder, copy_function=os.link)
    record.unlink()
    record.write_text(text.replace(f'"{source}', f'"{folder}'), encoding="utf-8")
    return copy, folder


def contenders(home: Path, pool: str, dcql: list[str], work: Path) -> list[Contender]:
    """Return the scripts, each before the run of its recipe, whose program is stored; then what starting takes."""
    store, folder = linked(home, pool, work)
    places = work / "places.json"
    with places.open("w") as file:
        fill = [sys.executable, str(BY_HAND.parent / "stored_features.py"), pool, str(folder)]
        subprocess.run(fill, env={**os.environ, "DCQL_HOME": str(store)}, stdout=file, check=True)
    found: list[Contender] = []
    for recipe, more in (("clip30", ()), ("datacomp_1b", (str(places),))):
        script = (sys.executable, str(BY_HAND / f"warm_{recipe}.py"), pool, "{out}.npy", *more)
        run = (*dcql, "run", recipe, "--pool", pool, "--out", "{out}", "--threads", "2")
        found.append(Contender(f"{recipe}, by hand", script, by_hand=True, home=store))
        found.append(Contender(f"dcql run {recipe}", run, by_hand=False, home=store))
        run_once(found[-1], work / "first", keep_home=True)
    starts = (sys.executable, "-c", "import hashlib, tomllib, pathlib, numpy, pyarrow.parquet")
    found.append(Contender("by hand, Python and imports alone", starts, by_hand=True))
    found.append(Contender("dcql --version", (*dcql, "--version"), by_hand=False, home=store))
    return found


def table(outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and ratios to the first script and to the script of the same recipe."""
    cpu = {name: statistics.median(run.cpu for run in runs) for name, runs in outcomes.items()}
    lines = [
        "| contender | CPU s | (least to most) | wall s | peak MiB | to clip30 by hand | to its own script |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, runs in outcomes.items():
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        wall, peak = (statistics.median(getattr(run, what) for run in runs) for what in ("wall", "peak"))
        own = f"{name.removeprefix('dcql run ')}, by hand"
        lines.append(
            f"| {name} | {cpu[name]:.3f} | {least:.3f} to {most:.3f} | {wall:.2f} | {peak / (1 << 20):.0f} "
            f"| {cpu[name] / cpu['clip30, by hand']:.2f} | {f'{cpu[name] / cpu[own]:.2f}' if own in cpu else ''} |"
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
        # Of each recipe one file: two sizes, and as many digests.
        wrote = {(run.digest, run.size) for runs in outcomes.values() for run in runs if run.size}
        heading = (
            f"Warm runs on {samples(given.home, given.pool):,} samples, an added pool, 2 threads; medians of "
            f"{given.repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start."
        )
        same = "dcql and the scripts wrote the same bytes." if len(wrote) == 2 else "**The outputs differ.**"
        report = "\n".join([heading, "", *table(outcomes), "", same])
        print(report)
        if given.write:
            replace_between(given.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"warm.py: {error}", file=sys.stderr)
        return 1
    return 0 if len(wrote) == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
