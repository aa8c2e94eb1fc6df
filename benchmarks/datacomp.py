"""Time DataComp's way of doing three of its baselines beside dcql's, start-up left out.

    python benchmarks/datacomp.py --clip POOL --basic POOL [--texts 8000] [--repeats 3] [--write benchmarks/README.md]

POOL is a folder of benchmarks/pool.py; for text_based one is made of the demo pool's captions, which hold words that
WordNet knows. DataComp's way is written anew in `by_hand/`, from a description of what its code does. Every contender
runs on its pool and on one of a few samples in two files: what the second run takes is its start-up (imports, models,
processes), and is taken off the first. CPU seconds, user and system and of all processes, are compared.
"""

import argparse
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from measure import Contender, Dcql, Outcome, commands, find_dcql, in_turns, script, written
from pool import SCHEMA, pool_rows, write_pool
from report import Report, markdown, middle, parser, run
from shipped import SETS, captions

sys.path.append(str(Path(__file__).parent.parent / "tests"))

FEW = 20  # samples of the pool that start-up is measured on
NOISE = 0.05  # CPU seconds
BOUNDS = {"clip_score, raw": 6.5, "clip_score, added": 15.0, "basic_filter, cold": 2.0, "basic_filter, warm": 20.0}


@dataclass(frozen=True)
class Row:
    """A contender of a rule, on the pool and on the one of a few samples; `bound` names what it was to keep."""

    rule: str
    name: str
    whole: Contender
    start: Contender
    bound: str = ""


def both(
    rule: str, name: str, words: tuple[str, ...], places: tuple[str, str], home: Path | None, bound: str = ""
) -> Row:
    """Return a row of a command in which `{pool}` stands for the pool, then for the one of a few samples."""
    whole, start = (
        Contender(
            f"{rule}: {name}{suffix}",
            tuple(word.replace("{pool}", place) for word in words),
            by_hand=home is None,
            home=home,
        )
        for place, suffix in zip(places, ("", ", start-up"), strict=True)
    )
    return Row(rule, name, whole, start, bound)


def by_hand(rule: str, name: str, script_name: str, pool: Path, few: Path, *more: str) -> Row:
    """Return a row of DataComp's way."""
    return both(rule, name, script(script_name, "{pool}", "{out}.npy", *more), (str(pool), str(few)), None)


class Stores:
    """Stores of dcql's with a pool and its few samples, added or not, and a recipe that ran on them or not."""

    def __init__(self, words: tuple[str, ...], recipe: str, pool: Path, few: Path, work: Path) -> None:
        self.recipe, self.pool, self.few, self.work = recipe, pool, few, work
        self.added = Dcql(words, work / f"{recipe}.home")
        for name, place in (("bench", pool), ("few", few)):
            self.added.once(work, "pool", "add", name, str(place))

    def row(self, rule: str, name: str, dcql: Dcql, bound: str = "", *, raw: bool = False) -> Row:
        """Return a row of `dcql run`, the program of which is in the store."""
        words = (*dcql.words, "run", self.recipe, "--pool", "{pool}", "--out", "{out}", "--threads", "2")
        pools = (str(self.pool), str(self.few)) if raw else ("bench", "few")
        return both(rule, name, words, pools, dcql.home, bound)

    def after_run(self) -> Dcql:
        """Return a copy of the store in which the recipe ran on both pools, with all that it left there."""
        dcql = self.added.copied(self.work / f"{self.recipe}.warm")
        for name in ("bench", "few"):
            dcql.once(self.work, "run", self.recipe, "--pool", name, "--out", "{out}")
        return dcql

    def programs_alone(self, warm: Dcql) -> Dcql:
        """Return a copy of the store with the programs of another, and nothing else of it."""
        dcql = self.added.copied(self.work / f"{self.recipe}.cold")
        shutil.copytree(warm.home / "programs", dcql.home / "programs", dirs_exist_ok=True)
        return dcql


def clip_rows(pool: Path, few: Path, words: tuple[str, ...], work: Path) -> list[Row]:
    """Return the rows of clip_score."""
    rule = f"clip_score, {pool_rows(pool):,} samples"
    stores = Stores(words, "clip_score_l14_30", pool, few, work)
    warm = stores.after_run()
    warm.once(work, "run", stores.recipe, "--pool", str(pool))
    return [
        by_hand(rule, "DataComp's way", "clip_per_row", pool, few),
        stores.row(rule, "dcql, raw pool", warm, "clip_score, raw", raw=True),
        stores.row(rule, "dcql, added pool", warm, "clip_score, added"),
    ]


def basic_rows(pool: Path, few: Path, words: tuple[str, ...], work: Path) -> list[Row]:
    """Return the rows of basic_filter."""
    rule = f"basic_filter, {pool_rows(pool):,} samples"
    stores = Stores(words, "basic_filter", pool, few, work)
    warm = stores.after_run()
    return [
        by_hand(rule, "DataComp's way", "basic_per_row", pool, few),
        stores.row(rule, "dcql, nothing stored", stores.programs_alone(warm), "basic_filter, cold"),
        stores.row(rule, "dcql, lang stored", warm, "basic_filter, warm"),
    ]


def text_rows(texts: int, few: Path, words: tuple[str, ...], work: Path) -> list[Row]:
    """Return the rows of text_based."""
    from wordnet30 import unpack

    pool = captioned(work / "captioned", texts)
    rule = f"text_based, {texts:,} samples"
    stores = Stores(words, "text_based", pool, few, work)
    warm = stores.after_run()
    (work / "wordnet").mkdir()
    more = ("--wordnet", str(unpack(work / "wordnet")), "--entities", str(SETS / "imagenet21k.txt"))
    return [
        by_hand(rule, "DataComp's way", "text_per_row", pool, few, *more),
        by_hand(rule, "the same, with a set for its list", "text_per_row", pool, few, *more, "--in-set"),
        stores.row(rule, "dcql, nothing stored", stores.programs_alone(warm)),
        stores.row(rule, "dcql, features stored", warm),
    ]


def captioned(folder: Path, rows: int) -> Path:
    """Write a pool of two files with captions of the demo pool, in turn."""
    write_pool(folder, rows, 2, 0, tuple(SCHEMA.names))
    texts = captions()
    place = 0
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file)
        chosen = [texts[(place + row) % len(texts)] for row in range(table.num_rows)]
        place += table.num_rows
        column = table.schema.get_field_index("text")
        pq.write_table(table.set_column(column, "text", pa.array(chosen)), file, row_group_size=table.num_rows)
    return folder


def table(rows: list[Row], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and how many times less CPU than DataComp's way, start-up left out."""
    head = ("rule", "contender", "CPU s", "start-up", "without it", "(least to most)", "times less", "was to be")
    cells = []
    first: dict[str, float] = {}
    for row in rows:
        whole = [run.cpu for run in outcomes[row.whole.name]]
        start = middle(outcomes[row.start.name])
        net = statistics.median(whole) - start
        yardstick = first.setdefault(row.rule, net)
        spread = f"{min(whole) - start:.2f} to {max(whole) - start:.2f}"
        wanted = f"{BOUNDS[row.bound]:g}" if row.bound else ""
        # What is less than the runs differ by is no divisor.
        less = f"{yardstick / net:.1f}" if net >= NOISE else ""
        figures = (f"{statistics.median(whole):.2f}", f"{start:.2f}", f"{net:.2f}", spread, less)
        cells.append((row.rule, row.name, *figures, wanted))
    return markdown(head, cells, texts=2)


def differing(rows: list[Row], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Return the rules whose contenders wrote different bytes."""
    rules = {row.rule: [outcomes[one.whole.name] for one in rows if one.rule == row.rule] for row in rows}
    return [rule for rule, runs in rules.items() if len(written(runs)) != 1]


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return the table of the three rules."""
    words = find_dcql(given.dcql)
    few = work / "few"
    write_pool(few, FEW, 2, 1, tuple(SCHEMA.names))
    rows = [
        *clip_rows(given.clip.absolute(), few, words, work),
        *basic_rows(given.basic.absolute(), few, words, work),
        *text_rows(given.texts, few, words, work),
    ]
    turns = in_turns(commands((one for row in rows for one in (row.whole, row.start)), work), given.repeats)
    wrong = differing(rows, turns.runs)
    same = (
        f"**The outputs differ:** {', '.join(wrong)}." if wrong else "The contenders of each rule wrote the same bytes."
    )
    return Report([f"{turns.how.capitalize()}.", "", *table(rows, turns.runs), "", same], agree=not wrong)


def main() -> int:
    reading = parser("Time DataComp's way of three baselines against dcql.", repeats=3, dcql=True)
    reading.add_argument("--clip", type=Path, required=True, metavar="POOL", help="the pool for clip_score")
    reading.add_argument("--basic", type=Path, required=True, metavar="POOL", help="the pool for basic_filter")
    reading.add_argument("--texts", type=int, default=8_000, help="samples for text_based, of which the list is slow")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
