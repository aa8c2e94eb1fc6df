"""Time DataComp's basic_filter: dcql beside a model call for every row, each run a fresh process.

    python benchmarks/basic_filter.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is a pool of benchmarks/pool.py, 640,000 rows or so. CPU seconds, user and system and of all processes, are the
figure to read. Every output is compared byte for byte.
"""

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from measure import Contender, Dcql, commands, find_dcql, in_turns, script, written
from pool import pool_rows
from report import SPENT, Report, markdown, middle, parser, run, spent

RECIPE = "basic_filter"
# What DataComp's module imports, whichever filter is asked for; its row is left out where one is not installed.
IMPORTED = ("torch", "nltk", "gcld3")


def contenders(pool: Path, words: tuple[str, ...], work: Path) -> list[Contender]:
    """Return the yardstick, then dcql without and with `lang` stored, the pool added once before."""
    by_hand = script("basic_per_row", str(pool), "{out}.npy")
    yardsticks = [Contender("a call for every row", by_hand, by_hand=True)]
    if all(find_spec(name) for name in IMPORTED):
        more = (*by_hand, "--imports", ",".join(IMPORTED))
        yardsticks.append(Contender("the same, with what DataComp imports", more, by_hand=True))
    cold = Dcql(words, work / "home")
    cold.once(work, "pool", "add", "bench", str(pool))
    warm = cold.copied(work / "warm")
    ours = ("run", RECIPE, "--pool", "bench", "--out", "{out}", "--threads", "2")
    warm.once(work, *ours)
    return [*yardsticks, cold.contender("dcql, nothing stored", *ours), warm.contender("dcql, lang stored", *ours)]


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians, and how many times less CPU than the yardstick."""
    made = contenders(given.pool.absolute(), find_dcql(given.dcql), work)
    turns = in_turns(commands(made, work), given.repeats)
    yardstick = middle(turns.runs[made[0].name])
    rows = [(name, *spent(runs)[:3], f"{yardstick / middle(runs):.1f}") for name, runs in turns.runs.items()]
    subsets = written(turns.runs.values())
    sizes = ", ".join(f"{size:,} bytes" for _, size in subsets)
    same = f"All outputs are the same {sizes}." if len(subsets) == 1 else f"**The outputs differ:** {sizes}."
    heading = f"{RECIPE} on {pool_rows(given.pool):,} samples, lid.176.ftz; {turns.how}."
    table = markdown(("contender", *SPENT[:3], "times less CPU"), rows)
    return Report([heading, "", *table, "", same], agree=len(subsets) == 1)


def main() -> int:
    reading = parser("Time basic_filter: dcql against a call for every row.", repeats=3, dcql=True)
    reading.add_argument("pool", type=Path, help="folder written by pool.py")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
