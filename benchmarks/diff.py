"""Time `dcql diff`: of two stored runs beside numpy, and with causes beside the runs themselves, each a fresh process.

    python benchmarks/diff.py --home HOME [--pool POOL] [--causes HOME] [--repeats 3] [--write FILE]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; that of `--causes` holds `lang` too, for the samples
that basic_filter asks of. CPU seconds, user and system, are the figure to read.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from measure import BenchmarkError, Contender, Outcome, run_once
from spine import BY_HAND, find_dcql, in_turns, replace_between

STORED = {"a": "clip30", "b": "clip_score_l14_28"}
RULES = "lang = 'en' AND basic_caption AND basic_size(200)"
# Six clauses differ: two are added, one is taken away, three are changed; one of these compares with a quantile.
EDITED = {
    "a": f"{RULES} AND clip_l14 >= q(0.5) AND clip_b32 >= 0.2 AND width <= 4000 AND text NOT LIKE '%,%'",
    "b": f"{RULES} AND clip_l14 >= q(0.4) AND clip_b32 >= 0.25 AND width <= 2000 AND height >= 256 "
    "AND code_points(text) <= 60",
}
BEGIN, END = "<!-- begin: printed by diff.py -->", "<!-- end: printed by diff.py -->"


def stored(dcql: list[str], home: Path, pool: str, work: Path) -> list[Contender]:
    """Run two recipes once, and return what compares the two runs."""
    for name, recipe in STORED.items():
        words = (*dcql, "run", recipe, "--pool", pool, "--out", str(work / name))
        run_once(Contender(f"run {name}", words, by_hand=False, home=home), work / "run", keep_home=True)
    files = [str(work / name / "subset.npy") for name in STORED]
    by_hand = (sys.executable, str(BY_HAND / "intersect.py"), *files)
    diff = (*dcql, "diff", str(work / "a"), str(work / "b"))
    return [
        Contender("np.load of both, np.intersect1d", by_hand, by_hand=True),
        Contender("dcql diff of the two runs", diff, by_hand=False, home=home),
    ]


def causes(dcql: list[str], home: Path, pool: str, work: Path) -> list[Contender]:
    """Write two recipes, and return their runs and the diff that says why they differ."""
    found: list[Contender] = []
    files: list[str] = []
    for name, clauses in EDITED.items():
        files.append(str(work / f"{name}.dcql"))
        Path(files[-1]).write_text(f"SELECT uid FROM pool WHERE {clauses};\n", encoding="utf-8")
        words = (*dcql, "run", files[-1], "--pool", pool, "--out", "{out}", "--no-compute")
        found.append(Contender(f"dcql run {name}.dcql", words, by_hand=False, home=home))
    diff = (*dcql, "diff", *files, "--pool", pool)
    return [*found, Contender("dcql diff a.dcql b.dcql, with causes", diff, by_hand=False, home=home)]


def table(outcomes: dict[str, list[Outcome]], yardstick: str) -> list[str]:
    """Lay out medians, and ratios to one contender."""
    cpu = {name: statistics.median(run.cpu for run in runs) for name, runs in outcomes.items()}
    lines = ["| contender | CPU s | (least to most) | wall s | peak MiB | CPU ratio |", "|---|--:|--:|--:|--:|--:|"]
    for name, runs in outcomes.items():
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        wall, peak = (statistics.median(getattr(run, what) for run in runs) for what in ("wall", "peak"))
        lines.append(
            f"| {name} | {cpu[name]:.2f} | {least:.2f} to {most:.2f} | {wall:.2f} | {peak / (1 << 20):.0f} "
            f"| {cpu[name] / cpu[yardstick]:.2f} |"
        )
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Time dcql diff: beside numpy, and beside the runs that it explains.")
    parser.add_argument("--home", type=Path, required=True, help="a store with the pool")
    parser.add_argument("--pool", default="bench", help="the pool's name in the store")
    parser.add_argument("--causes", type=Path, metavar="HOME", help="a store with a pool of this name and `lang` of it")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    given = parser.parse_args()
    dcql = find_dcql(given.dcql)
    if dcql is None:
        return 1
    load = os.getloadavg()[0]
    lines = [f"Medians of {given.repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start.", ""]
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            lines += table(
                in_turns(stored(dcql, given.home, given.pool, work), given.repeats, work),
                "np.load of both, np.intersect1d",
            )
            if given.causes is not None:
                runs = in_turns(causes(dcql, given.causes, given.pool, work), given.repeats, work)
                lines += ["", *table(runs, "dcql run a.dcql")]
    except BenchmarkError as error:
        print(f"diff.py: {error}", file=sys.stderr)
        return 1
    report = "\n".join(lines)
    print(report)
    if given.write:
        replace_between(given.write, report, BEGIN, END)
    return 0


if __name__ == "__main__":
    sys.exit(main())
