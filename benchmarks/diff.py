"""Time `dcql diff`: of two stored runs beside numpy, and with causes beside the runs themselves, each a fresh process.

    python benchmarks/diff.py --home HOME [--pool POOL] [--causes HOME] [--repeats 3] [--write FILE]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; that of `--causes` holds `lang` too, for the samples
that basic_filter asks of. CPU seconds, user and system, are the figure to read.
"""

import argparse
import sys
from pathlib import Path

from measure import Contender, Dcql, Outcome, commands, find_dcql, in_turns, script
from report import SPENT, Report, markdown, middle, parser, run, spent

STORED = {"a": "clip30", "b": "clip_score_l14_28"}
RULES = "lang = 'en' AND basic_caption AND basic_size(200)"
# Six clauses differ: two are added, one is taken away, three are changed; one of these compares with a quantile.
EDITED = {
    "a": f"{RULES} AND clip_l14 >= q(0.5) AND clip_b32 >= 0.2 AND width <= 4000 AND text NOT LIKE '%,%'",
    "b": f"{RULES} AND clip_l14 >= q(0.4) AND clip_b32 >= 0.25 AND width <= 2000 AND height >= 256 AND clip_l14 < 0.9",
}
BY_NUMPY = "np.load of both, np.intersect1d"


def stored(dcql: Dcql, pool: str, work: Path) -> list[Contender]:
    """Run two recipes once, and return what compares the two runs."""
    for name, recipe in STORED.items():
        dcql.once(work, "run", recipe, "--pool", pool, "--out", str(work / name))
    files = [str(work / name / "subset.npy") for name in STORED]
    by_hand = Contender(BY_NUMPY, script("intersect", *files), by_hand=True)
    return [by_hand, dcql.contender("dcql diff of the two runs", "diff", str(work / "a"), str(work / "b"))]


def causes(dcql: Dcql, pool: str, work: Path) -> list[Contender]:
    """Write two recipes, and return their runs and the diff that says why they differ."""
    found: list[Contender] = []
    files: list[str] = []
    for name, clauses in EDITED.items():
        files.append(str(work / f"{name}.dcql"))
        Path(files[-1]).write_text(f"SELECT uid FROM pool WHERE {clauses};\n", encoding="utf-8")
        words = ("run", files[-1], "--pool", pool, "--out", "{out}", "--no-compute")
        found.append(dcql.contender(f"dcql run {name}.dcql", *words))
    return [*found, dcql.contender("dcql diff a.dcql b.dcql, with causes", "diff", *files, "--pool", pool)]


def table(outcomes: dict[str, list[Outcome]], yardstick: str) -> list[str]:
    """Lay out medians, and ratios to one contender."""
    once = middle(outcomes[yardstick])
    rows = [(name, *spent(runs), f"{middle(runs) / once:.2f}") for name, runs in outcomes.items()]
    return markdown(("contender", *SPENT, "CPU ratio"), rows)


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return a table of stored runs, and with --causes one of recipes."""
    words = find_dcql(given.dcql)
    turns = in_turns(commands(stored(Dcql(words, given.home), given.pool, work), work), given.repeats)
    lines = [f"{turns.how.capitalize()}.", "", *table(turns.runs, BY_NUMPY)]
    if given.causes is not None:
        explained = in_turns(commands(causes(Dcql(words, given.causes), given.pool, work), work), given.repeats)
        lines += ["", *table(explained.runs, "dcql run a.dcql")]
    return Report(lines)


def main() -> int:
    reading = parser("Time dcql diff: beside numpy, and beside the runs that it explains.", repeats=3, dcql=True)
    reading.add_argument("--home", type=Path, required=True, help="a store with the pool")
    reading.add_argument("--pool", default="bench", help="the pool's name in the store")
    reading.add_argument(
        "--causes", type=Path, metavar="HOME", help="a store with a pool of this name and `lang` of it"
    )
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
