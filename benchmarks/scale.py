"""Run the same recipes on pools of 1.28M, 12.8M and 128M samples, and compare the hashes with those of numpy alone.

    python benchmarks/scale.py WORK --rows 1280000 12800000        # add, five recipes, the oracle; figures are kept
    python benchmarks/scale.py WORK --predict                      # what the two say of 128M, before it is run
    python benchmarks/scale.py WORK --rows 128000000 --repeats 1
    python benchmarks/scale.py WORK --write benchmarks/README.md   # the tables of all that was run so far

WORK is a folder outside the repository: 38 bytes a sample for the pool and 96 for the store, 17 GB at 128M. Each add
and each run is a fresh process; the recipes take turns, and the first run of each, which compiles it, is not counted.
The pools have the columns of `COLUMNS`, in files of 512,000 samples.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from measure import find_dcql, spend
from report import MEBIBYTE, Report, parser, positive, run
from tree import Peak, Watch

HERE = Path(__file__).parent
RECIPES = ("clip30", "stages", "algebra", "bag", "distinct")
COLUMNS = "original_width,original_height,clip_b32_similarity_score,clip_l14_similarity_score"
FILE_ROWS = 512_000
ADD = "pool add"
GREATEST = 128_000_000


@dataclass(frozen=True)
class Run:
    """One command in a fresh process: CPU and wall seconds, peak bytes of its processes together, and its hash."""

    cpu: float
    wall: float
    resident: int
    own: int
    hash: str


class Work:
    """The folder of the benchmark: pools, stores, and what was found so far."""

    def __init__(self, folder: Path, dcql: tuple[str, ...], memory: str, threads: int) -> None:
        self.folder = folder
        self._dcql = dcql
        self._memory = memory
        self._threads = threads
        self._figures = folder / "figures.json"
        # By rows and command: every run, and by rows and recipe what the oracle says.
        self.runs: dict[int, dict[str, list[Run]]] = {}
        self.oracle: dict[int, dict[str, tuple[int, str]]] = {}
        if self._figures.exists():
            held = json.loads(self._figures.read_text())
            self.runs = {
                int(rows): {name: [Run(**run) for run in runs] for name, runs in commands.items()}
                for rows, commands in held["runs"].items()
            }
            self.oracle = {
                int(rows): {name: (kept, text) for name, (kept, text) in said.items()}
                for rows, said in held["oracle"].items()
            }

    def save(self) -> None:
        """Keep what was found for the next call."""
        runs = {
            rows: {name: [asdict(run) for run in each] for name, each in named.items()}
            for rows, named in self.runs.items()
        }
        self._figures.write_text(json.dumps({"runs": runs, "oracle": self.oracle}, indent=1))

    def pool(self, rows: int) -> Path:
        """Return the pool of so many samples, written now where it is not there."""
        folder = self.folder / f"pool-{rows}"
        if not folder.exists():
            making = self.folder / "making"
            shutil.rmtree(making, ignore_errors=True)
            files = -(-rows // FILE_ROWS)
            words = [sys.executable, str(HERE / "pool.py"), str(making), "--rows", str(rows), "--files", str(files)]
            spend([*words, "--columns", COLUMNS], self.folder / "log", None)
            making.rename(folder)
        return folder

    def measure(self, rows: int, repeats: int, commands: list[str]) -> None:
        """Add the pool of so many samples and run the recipes, those of `commands`, `repeats` times each."""
        pool, added = self.pool(rows), f"rows-{rows}"
        found = self.runs.setdefault(rows, {})
        found |= {name: [] for name in commands}
        home = self.folder / "home"
        for _ in range(repeats if ADD in commands else 0):
            shutil.rmtree(home / "pools" / added, ignore_errors=True)
            self._once(found, ADD, ["pool", "add", added, str(pool), "--memory", self._memory], counted=True)
        # The first run of a recipe compiles it, for pools of all sizes.
        smallest = min(int(folder.name.removeprefix("rows-")) for folder in (home / "pools").iterdir())
        for repeat in range(repeats + 1):
            for name in (name for name in RECIPES if name in commands):
                out = self.folder / "out"
                shutil.rmtree(out, ignore_errors=True)
                on = added if repeat else f"rows-{smallest}"
                words = ["run", str(HERE / "scaled" / f"{name}.dcql"), "--pool", on, "--out", str(out)]
                words += ["--memory", self._memory, "--threads", str(self._threads)]
                self._once(found, name, words, counted=repeat > 0)
                shutil.rmtree(out)

    def _once(self, found: dict[str, list[Run]], name: str, words: list[str], counted: bool) -> None:
        watches: list[Watch] = []
        log = self.folder / "log"
        home = self.folder / "home"
        try:
            cpu, wall, most = spend([*self._dcql, *words], log, home, lambda process: watches.append(Watch(process)))
        finally:
            peak = watches[0].stop() if watches else Peak(0, 0)
        digest = re.findall(r"dc(?:ql|pool)1:[0-9a-f]{64}", log.read_text(errors="replace"))
        run = Run(cpu, wall, max(peak.resident, most), peak.own, digest[-1] if digest else "")
        print(f"{name}: {cpu:.2f} CPU s, {wall:.1f} s, {run.resident / MEBIBYTE:.0f} MiB", file=sys.stderr, flush=True)
        if counted:
            found[name].append(run)
            self.save()

    def ask(self, rows: int) -> None:
        """Ask the oracle about the pool of so many samples, once."""
        if rows not in self.oracle:
            log = self.folder / "log"
            spend([sys.executable, str(HERE / "by_hand" / "scaled.py"), str(self.pool(rows))], log, None)
            lines = [line.split() for line in log.read_text().splitlines()]
            self.oracle[rows] = {name: (int(kept), text) for name, kept, text in lines}
            self.save()

    def cpu(self, rows: int, name: str) -> float:
        """Return the median CPU seconds of a command."""
        return statistics.median(run.cpu for run in self.runs[rows][name])


def predicted(work: Work, name: str, rows: int) -> float:
    """Return the CPU seconds of a command at `rows` by the line through the two smaller pools."""
    small, large = sorted(each for each in work.runs if each < rows)[:2]
    slope = (work.cpu(large, name) - work.cpu(small, name)) / (large - small)
    return work.cpu(large, name) + slope * (rows - large)


def prediction(work: Work) -> str:
    """Return the table of what is predicted for the greatest pool."""
    small, large = sorted(work.runs)[:2]
    lines = [
        f"CPU seconds, on the line through {small:,} and {large:,}; medians of {len(work.runs[large][ADD])} runs.",
        "",
    ]
    lines += [f"| | {small:,} | {large:,} | {GREATEST:,}, predicted |", "|---|--:|--:|--:|"]
    total = 0.0
    for name in (ADD, *RECIPES):
        will = predicted(work, name, GREATEST)
        total += will
        lines.append(f"| {name} | {work.cpu(small, name):.2f} | {work.cpu(large, name):.2f} | {will:.1f} |")
    sums = [sum(work.cpu(rows, name) for name in (ADD, *RECIPES)) for rows in (small, large)]
    lines.append(f"| all | {sums[0]:.2f} | {sums[1]:.2f} | {total:.1f} |")
    return "\n".join(lines)


def report(work: Work, memory: str, threads: int) -> tuple[str, bool]:
    """Return the tables, and whether every hash is the oracle's."""
    lines = [f"`--memory {memory}`, {threads} threads, {os.cpu_count()} cores; medians."]
    sizes = sorted(rows for rows in work.runs if all(work.runs[rows].get(name) for name in (ADD, *RECIPES)))
    head = [f"{rows:,}" for rows in sizes]
    lines += ["", "CPU seconds, and what a million samples cost relative to the size before:", ""]
    lines += ["| | " + " | ".join(head) + " |", "|---" + "|--:" * len(head) + "|"]
    for name in (ADD, *RECIPES):
        cells = []
        for place, rows in enumerate(sizes):
            cell = f"{work.cpu(rows, name):.2f}"
            if place:
                before = sizes[place - 1]
                cell += f" ({work.cpu(rows, name) / rows / (work.cpu(before, name) / before):.2f})"
            cells.append(cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Peak MiB of all processes together, and without the pages of mapped files; the largest of the runs:",
        "",
    ]
    lines += ["| | " + " | ".join(head) + " |", "|---" + "|--:" * len(head) + "|"]
    for name in (ADD, *RECIPES):
        cells = [
            f"{max(run.resident for run in work.runs[rows][name]) / MEBIBYTE:.0f} "
            f"({max(run.own for run in work.runs[rows][name]) / MEBIBYTE:.0f})"
            for rows in sizes
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Seconds by the clock:", "", "| | " + " | ".join(head) + " |", "|---" + "|--:" * len(head) + "|"]
    for name in (ADD, *RECIPES):
        cells = [f"{statistics.median(run.wall for run in work.runs[rows][name]):.1f}" for rows in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("")
    same, silent = True, list[str]()
    for rows in sizes:
        said = work.oracle.get(rows, {})
        wrong = [name for name in said if any(run.hash != said[name][1] for run in work.runs[rows][name])]
        same = same and not wrong
        if wrong:
            lines.append(f"**At {rows:,} samples other hashes than the oracle's: {', '.join(wrong)}.**")
        if silent := [name for name in RECIPES if name not in said]:
            lines += [f"The oracle was not asked about {', '.join(silent)} at {rows:,} samples.", ""]
    if same:
        lines += ["Every other hash is the oracle's." if silent else "Every hash of every run is the oracle's.", ""]
        lines += [f"    {name:9}{kept:>12,}  {text}" for name, (kept, text) in work.oracle[sizes[-1]].items()]
    return "\n".join(lines), same


def measure(given: argparse.Namespace, _: object) -> Report:
    """Measure the sizes that are asked for, and return the tables of all that was found so far."""
    given.folder.mkdir(parents=True, exist_ok=True)
    work = Work(given.folder.absolute(), find_dcql(given.dcql), given.memory, given.threads)
    for rows in given.rows:
        work.measure(rows, given.repeats, given.only)
        work.ask(rows)
    if given.predict:
        return Report([prediction(work)], part=" --predict")
    text, same = report(work, given.memory, given.threads)
    return Report([text], agree=same)


def main() -> int:
    reading = parser("Run the same recipes on pools of several sizes.", repeats=5, dcql=True)
    reading.add_argument("folder", type=Path, metavar="WORK", help="pools, stores and figures, outside the repository")
    reading.add_argument("--rows", type=int, nargs="*", default=[], help="sizes to measure now")
    every = (ADD, *RECIPES)
    reading.add_argument("--only", nargs="*", choices=every, default=[*every], help="what to measure (default: all)")
    reading.add_argument("--memory", default="4GB")
    reading.add_argument("--threads", type=positive, default=2)
    reading.add_argument("--predict", action="store_true", help="print what the two smaller pools say of 128M")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
