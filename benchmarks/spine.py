"""Time the spine, clip_score_l14_30: dcql against the best hand-written scripts, each run a fresh process.

    python benchmarks/spine.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]
    python benchmarks/spine.py --memory-curve FOLDER [FOLDER ..]

FOLDER is a pool of benchmarks/pool.py. The contenders take turns, so that a busy machine slows all of them. CPU seconds
(user and system, with waited-for children) are the figure to read. Every output is compared byte for byte.
"""

import argparse
import sys
from pathlib import Path

from measure import BenchmarkError, Contender, Dcql, Outcome, commands, find_dcql, in_turns, run_once, script, written
from pool import pool_rows
from report import MEBIBYTE, SPENT, Report, markdown, middle, parser, positive, run, spent

SCRIPTS = ("duckdb_arrow", "duckdb_engine", "polars_lazy")
RECIPE = "clip_score_l14_30"
CURVE = " --memory-curve"


def dcql_run(pool: str, threads: int, memory: str) -> tuple[str, ...]:
    """Return the command that runs the recipe; `pool` is a folder or the name of an added pool."""
    return ("run", RECIPE, "--pool", pool, "--out", "{out}", "--threads", str(threads), "--memory", memory)


def of_dcql(
    pool: Path, words: tuple[str, ...], threads: int, memory: str, work: Path
) -> tuple[list[Contender], Outcome]:
    """Return dcql on the raw and on the added pool, each without and with its stored program, and what adding took."""
    first = Dcql(words, work / "home")
    added = first.once(work, "pool", "add", "bench", str(pool))
    again = first.copied(work / "again")
    found: list[Contender] = []
    for kind, name in (("raw", str(pool)), ("added", "bench")):
        ours = dcql_run(name, threads, memory)
        again.once(work, *ours)
        found.append(first.contender(f"dcql, {kind} pool, first run", *ours))
        found.append(again.contender(f"dcql, {kind} pool", *ours))
    return found, added


def table(contenders: list[Contender], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and ratios to the hand-written script with the least median CPU time."""
    best = min((outcomes[one.name] for one in contenders if one.by_hand), key=middle)
    rows = []
    for name, runs in outcomes.items():
        ratios = (middle(runs, what) / middle(best, what) for what in ("cpu", "wall", "peak"))
        rows.append((name, *spent(runs), *(f"{ratio:.2f}" for ratio in ratios)))
    return markdown(("contender", *SPENT, "CPU ratio", "wall ratio", "peak ratio"), rows)


def compare(given: argparse.Namespace, work: Path) -> Report:
    """Return the table of all contenders on one pool."""
    pool, memory = given.pool[0].absolute(), given.memory or "1GB"
    rows = pool_rows(pool)
    contenders = [
        Contender(name, script(name, str(pool), "{out}.npy", "--threads", str(given.threads)), by_hand=True)
        for name in SCRIPTS
    ]
    notes = []
    try:
        words = find_dcql(given.dcql)
    except BenchmarkError as missing:
        print(f"spine.py: {missing}; its rows are left out", file=sys.stderr)
        notes.append("dcql was not measured: its command was missing.")
    else:
        ours, added = of_dcql(pool, words, given.threads, memory, work)
        contenders += ours
        notes.append(
            f"Adding the pool, once: {added.cpu:.1f} CPU s, {added.wall:.1f} s, peak {added.peak / MEBIBYTE:.0f} MiB."
        )
    turns = in_turns(commands(contenders, work), given.repeats)
    subsets = written(turns.runs.values())
    if len(subsets) == 1:
        ((digest, size),) = subsets
        notes.append(f"All outputs are the same {size:,} bytes, sha256 {digest}.")
    else:
        notes.append("**The outputs differ:**")
        for name, runs in turns.runs.items():
            notes.append(f"- {name}: {', '.join(sorted({run.digest for run in runs}))}")
    heading = f"{RECIPE} on {rows:,} samples, {given.threads} threads, dcql with --memory {memory}; {turns.how}."
    return Report([heading, "", *table(contenders, turns.runs), "", *notes], agree=len(subsets) == 1)


def memory_curve(given: argparse.Namespace, work: Path) -> Report:
    """Return the table of dcql's peak memory and output size by size of pool, raw."""
    memory = given.memory or "512MB"
    dcql = Dcql(find_dcql(given.dcql), work / "empty")
    rows = []
    for pool in given.pool:
        contender = dcql.contender("dcql", *dcql_run(str(pool.absolute()), given.threads, memory))
        runs = [run_once(contender, work / "run") for _ in range(given.repeats)]
        peak, most = middle(runs, "peak") / MEBIBYTE, max(run.peak for run in runs) / MEBIBYTE
        output = runs[0].size / MEBIBYTE
        cells = (f"{pool_rows(pool):,}", f"{peak:.0f}", f"{most:.0f}", f"{output:.1f}", f"{peak - output:.0f}")
        rows.append((*cells, f"{middle(runs):.2f}"))
    heading = (
        f"{RECIPE}, raw pool, --memory {memory}, {given.threads} threads; medians of {given.repeats} runs, and the "
        "largest peak."
    )
    head = ("samples", "peak MiB", "(largest)", "output MiB", "peak less output MiB", "CPU s")
    return Report([heading, "", *markdown(head, rows, texts=0)], part=CURVE)


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return one of the two tables."""
    if given.memory_curve:
        return memory_curve(given, work)
    if len(given.pool) > 1:
        raise BenchmarkError("give one folder, or --memory-curve")
    return compare(given, work)


def main() -> int:
    reading = parser("Time clip_score_l14_30: dcql against hand-written scripts.", repeats=3, dcql=True)
    reading.add_argument("pool", type=Path, nargs="+", help="folder written by pool.py; several with --memory-curve")
    reading.add_argument("--threads", type=positive, default=2)
    reading.add_argument("--memory", help="dcql's limit (default: 1GB, with --memory-curve 512MB)")
    reading.add_argument("--memory-curve", action="store_true", help="measure dcql's peak memory on each pool")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
