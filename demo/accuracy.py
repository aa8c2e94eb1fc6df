"""What recipes are worth on the demo pool: each is trained and evaluated with several seeds, by the fixed runtime.

python -m dcql.demo.accuracy                       prints the table; folders below runs/demo-table
python -m dcql.demo.accuracy --write README.md     puts it between the two marker lines of a file
python -m dcql.demo.accuracy --jobs 1 --seeds 1    one training at a time, one seed

Each step is a dcql command, and goes on where it was stopped.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dcql.demo.page import put

PROGRAM = "dcql.demo.accuracy"
TASK = "demo/held_out"
# The demo pool's drawings are 64 pixels wide: the size rule of 200 would keep none.
RECIPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("no_filter", ()),
    ("basic_filter", ("--set", "side=32")),
    ("clip30", ()),
    ("english_clip30", ()),
)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The shares of held-out drawings whose name is the likeliest, and is among the five likeliest."""

    top1: float
    top5: float


@dataclass(frozen=True, slots=True)
class Line:
    """A recipe, the share of the pool that it keeps, and an accuracy for each seed."""

    recipe: str
    kept: int
    share: float
    accuracies: tuple[Accuracy, ...]


def dcql(*arguments: str) -> str:
    """Run a command of dcql; return what it prints. Raises CalledProcessError, with the messages shown, where it fails.

    One thread, so that its weights are the same however many run beside it.
    """
    command = [sys.executable, "-m", "dcql", *arguments]
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ).stdout


def reshard(recipe: str, settings: Sequence[str], folder: Path) -> tuple[int, int]:
    """Run a recipe and plan its shards; return how many samples it keeps, and of how many."""
    made = json.loads(dcql("run", recipe, *settings, "--pool", "demo", "--out", str(folder), "--format", "json"))
    # The pool's own tars are read: nothing has to be copied for so small a pool.
    dcql("reshard", str(folder), "--no-copy", "--workers", "1")
    return int(made["total"]), int(made["pool"]["samples"])


def accuracy(folder: Path, seed: int) -> Accuracy:
    """Train and evaluate a run with one seed."""
    dcql("train", str(folder), "--scale", "demo", "--seed", str(seed))
    found = json.loads(dcql("eval", str(folder), "--scale", "demo", "--seed", str(seed), "--format", "json"))
    (metrics,) = (line["metrics"] for line in found["results"] if line["key"] == TASK)
    return Accuracy(metrics["acc1"], metrics["acc5"])


def lines(folder: Path, seeds: int, jobs: int) -> list[Line]:
    """Do all that is not done yet, so many trainings at a time."""
    kept = {recipe: reshard(recipe, settings, folder / recipe) for recipe, settings in RECIPES}
    asked = [(recipe, seed) for seed in range(seeds) for recipe, _ in RECIPES]
    found: dict[tuple[str, int], Accuracy] = {}
    with ThreadPoolExecutor(jobs) as threads:
        done = threads.map(lambda each: accuracy(folder / each[0], each[1]), asked)
        for each, result in zip(asked, done, strict=True):
            found[each] = result
            print(f"{each[0]}, seed {each[1]}: top-1 {result.top1:.4f}, top-5 {result.top5:.4f}", file=sys.stderr)
    return [
        Line(recipe, count, count / samples, tuple(found[recipe, seed] for seed in range(seeds)))
        for recipe, (count, samples) in kept.items()
    ]


def table(measured: Sequence[Line]) -> str:
    """Lay out the table in Markdown: percent, the mean over the seeds and how far apart they are."""
    rows = ["| recipe | kept | seeds | top-5, mean (lowest to highest) | top-1, mean (lowest to highest) |"]
    rows.append("|---|--:|--:|--:|--:|")
    for line in measured:
        five = _spread([each.top5 for each in line.accuracies])
        one = _spread([each.top1 for each in line.accuracies])
        kept = f"{line.kept:,} ({100 * line.share:.0f} %)"
        rows.append(f"| {line.recipe} | {kept} | {len(line.accuracies)} | {five} | {one} |")
    return "\n".join(rows)


def _spread(shares: Sequence[float]) -> str:
    mean = f"{100 * statistics.fmean(shares):.1f}"
    return mean if len(shares) == 1 else f"{mean} ({100 * min(shares):.1f} to {100 * max(shares):.1f})"


def main() -> int:
    """Print the table, or write it into a file."""
    parser = argparse.ArgumentParser(description="What recipes are worth on the demo pool.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this file")
    parser.add_argument("--folder", type=Path, default=Path("runs/demo-table"), help="where runs are kept")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each recipe")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trainings at a time, one processor each")
    given = parser.parse_args()
    text = table(lines(given.folder, given.seeds, given.jobs))
    print(text)
    return 0 if given.write is None else put(given.write, PROGRAM, text)


if __name__ == "__main__":
    sys.exit(main())
