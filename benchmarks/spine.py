"""Time the spine, clip_score_l14_30: dcql against the best hand-written scripts, each run a fresh process.

    python benchmarks/spine.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]
    python benchmarks/spine.py --memory-curve FOLDER [FOLDER ..]

FOLDER is a pool of benchmarks/pool.py. The contenders take turns, so that a busy machine slows all of them. CPU seconds
(user and system, with waited-for children) are the figure to read. Every output is compared byte for byte.
"""

import argparse
import os
import shlex
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
from measure import BenchmarkError, Contender, Outcome, run_once

BY_HAND = Path(__file__).parent / "by_hand"
SCRIPTS = ("duckdb_arrow", "duckdb_engine", "polars_lazy")
RECIPE = "clip_score_l14_30"
POOL_NAME = "bench"
MEBIBYTE = 1 << 20
BEGIN, END = "<!-- begin: printed by spine.py -->", "<!-- end: printed by spine.py -->"
MEMORY_BEGIN = "<!-- begin: printed by spine.py --memory-curve -->"
MEMORY_END = "<!-- end: printed by spine.py --memory-curve -->"


def by_hand(name: str, pool: Path, threads: int) -> Contender:
    """Return a hand-written script as a contender."""
    words = (sys.executable, str(BY_HAND / f"{name}.py"), str(pool), "{out}.npy", "--threads", str(threads))
    return Contender(name, words, by_hand=True)


def dcql_run(name: str, dcql: list[str], pool: str, threads: int, memory: str, home: Path) -> Contender:
    """Return `dcql run` as a contender; `pool` is a folder or the name of an added pool, `home` is dcql's store."""
    words = (*dcql, "run", RECIPE, "--pool", pool, "--out", "{out}", "--threads", str(threads), "--memory", memory)
    return Contender(name, words, by_hand=False, home=home)


def pool_rows(pool: Path) -> int:
    """Count the samples of a pool from the footers; raise BenchmarkError when the folder holds no parquet file."""
    files = sorted(pool.glob("*.parquet"))
    if not files:
        raise BenchmarkError(f"{pool} holds no parquet file; write a pool with benchmarks/pool.py")
    return sum(pq.ParquetFile(file).metadata.num_rows for file in files)


def find_dcql(command: str) -> list[str] | None:
    """Split the command and say so on stderr when its program is missing."""
    words = shlex.split(command)
    if words and shutil.which(words[0]):
        return words
    print(f"spine.py: no command {command!r}: its rows are left out; install dcql or give --dcql CMD", file=sys.stderr)
    return None


def in_turns(contenders: list[Contender], repeats: int, work: Path) -> dict[str, list[Outcome]]:
    """Run every contender once, then again, `repeats` times."""
    outcomes: dict[str, list[Outcome]] = {contender.name: [] for contender in contenders}
    for repeat in range(repeats):
        for contender in contenders:
            outcome = run_once(contender, work / "run")
            outcomes[contender.name].append(outcome)
            print(f"{repeat + 1}/{repeats} {contender.name}: {outcome.cpu:.2f} CPU s", file=sys.stderr)
    return outcomes


def table(contenders: list[Contender], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and ratios to the hand-written script with the least median CPU time."""
    cpu = {name: statistics.median(run.cpu for run in runs) for name, runs in outcomes.items()}
    wall = {name: statistics.median(run.wall for run in runs) for name, runs in outcomes.items()}
    peak = {name: statistics.median(run.peak for run in runs) for name, runs in outcomes.items()}
    best = min((contender.name for contender in contenders if contender.by_hand), key=lambda name: cpu[name])
    lines = ["| contender | CPU s | (least to most) | wall s | peak MiB | CPU ratio | wall ratio | peak ratio |"]
    lines.append("|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, runs in outcomes.items():
        least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
        lines.append(
            f"| {name} | {cpu[name]:.2f} | {least:.2f} to {most:.2f} | {wall[name]:.2f} | {peak[name] / MEBIBYTE:.0f} "
            f"| {cpu[name] / cpu[best]:.2f} | {wall[name] / wall[best]:.2f} | {peak[name] / peak[best]:.2f} |"
        )
    return lines


def compare(
    pool: Path, dcql: list[str] | None, repeats: int, threads: int, memory: str, work: Path
) -> tuple[str, bool]:
    """Return the report and whether all outputs were the same bytes."""
    rows = pool_rows(pool)
    contenders = [by_hand(name, pool, threads) for name in SCRIPTS]
    notes = []
    if dcql is None:
        notes.append("dcql was not measured: its command was missing.")
    else:
        home = work / "home"
        add = Contender("dcql pool add", (*dcql, "pool", "add", POOL_NAME, str(pool)), by_hand=False, home=home)
        added = run_once(add, work / "add", keep_home=True)
        notes.append(
            f"Adding the pool, once: {added.cpu:.1f} CPU s, {added.wall:.1f} s, peak {added.peak / MEBIBYTE:.0f} MiB."
        )
        # The same store after the recipe ran once: its compiled program is kept there.
        warm = Path(shutil.copytree(home, work / "warm", copy_function=os.link))
        for kind, name in (("raw", str(pool)), ("added", POOL_NAME)):
            contenders.append(dcql_run(f"dcql, {kind} pool, first run", dcql, name, threads, memory, home))
            again = dcql_run(f"dcql, {kind} pool", dcql, name, threads, memory, warm)
            run_once(again, work / "run", keep_home=True)
            contenders.append(again)
    load = os.getloadavg()[0]
    outcomes = in_turns(contenders, repeats, work)
    subsets = {(run.digest, run.size) for runs in outcomes.values() for run in runs}
    if len(subsets) == 1:
        ((digest, size),) = subsets
        notes.append(f"All outputs are the same {size:,} bytes, sha256 {digest}.")
    else:
        notes.append("**The outputs differ:**")
        notes.extend(f"- {name}: {', '.join(sorted({run.digest for run in runs}))}" for name, runs in outcomes.items())
    heading = (
        f"{RECIPE} on {rows:,} samples, {threads} threads, dcql with --memory {memory}; medians of {repeats} runs in "
        f"turns, {os.cpu_count()} cores, load {load:.1f} at the start."
    )
    return "\n".join([heading, "", *table(contenders, outcomes), "", *notes]), len(subsets) == 1


def memory_curve(pools: Iterable[Path], dcql: list[str], repeats: int, threads: int, memory: str, work: Path) -> str:
    """Return a table of dcql's peak memory and output size by size of pool, raw."""
    heading = (
        f"{RECIPE}, raw pool, --memory {memory}, {threads} threads; medians of {repeats} runs, and the largest peak."
    )
    lines = [heading, "", "| samples | peak MiB | (largest) | output MiB | peak less output MiB | CPU s |"]
    lines.append("|--:|--:|--:|--:|--:|--:|")
    for pool in pools:
        contender = dcql_run("dcql", dcql, str(pool), threads, memory, work / "empty")
        runs = [run_once(contender, work / "run") for _ in range(repeats)]
        peak = statistics.median(run.peak for run in runs) / MEBIBYTE
        most, output = max(run.peak for run in runs) / MEBIBYTE, runs[0].size / MEBIBYTE
        cpu = statistics.median(run.cpu for run in runs)
        lines.append(
            f"| {pool_rows(pool):,} | {peak:.0f} | {most:.0f} | {output:.1f} | {peak - output:.0f} | {cpu:.2f} |"
        )
    return "\n".join(lines)


def replace_between(path: Path, report: str, first: str, last: str) -> None:
    """Put the report between the two marker lines of a file; raise BenchmarkError when they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise BenchmarkError(f"{path} has no lines {first} and {last}")
    path.write_text(f"{before}{first}\n{report}\n{last}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Time clip_score_l14_30: dcql against hand-written scripts.")
    parser.add_argument("pool", type=Path, nargs="+", help="folder written by pool.py; several with --memory-curve")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help="dcql's limit (default: 1GB, with --memory-curve 512MB)")
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--memory-curve", action="store_true", help="measure dcql's peak memory on each pool")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    parser.add_argument("--work", type=Path, help="folder for temporary files (default: the system's)")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    if len(arguments.pool) > 1 and not arguments.memory_curve:
        parser.error("give one folder, or --memory-curve")
    pools = [pool.absolute() for pool in arguments.pool]
    dcql = find_dcql(arguments.dcql)
    if arguments.memory_curve and dcql is None:
        return 1
    same = True
    try:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            work = Path(folder)
            if arguments.memory_curve and dcql is not None:
                memory = arguments.memory or "512MB"
                report = memory_curve(pools, dcql, arguments.repeats, arguments.threads, memory, work)
            else:
                memory = arguments.memory or "1GB"
                report, same = compare(pools[0], dcql, arguments.repeats, arguments.threads, memory, work)
        print(report)
        if arguments.write:
            markers = (MEMORY_BEGIN, MEMORY_END) if arguments.memory_curve else (BEGIN, END)
            replace_between(arguments.write, report, *markers)
    except BenchmarkError as error:
        print(f"spine.py: {error}", file=sys.stderr)
        return 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
