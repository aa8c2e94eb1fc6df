"""Time DataComp's way of doing three of its baselines beside dcql's, start-up left out.

    python benchmarks/datacomp.py --clip POOL --basic POOL [--texts 8000] [--repeats 3] [--write benchmarks/README.md]

POOL is a folder of benchmarks/pool.py; for text_based one is made of the demo pool's captions, which hold words that
WordNet knows. DataComp's way is written anew in `by_hand/`, from a description of what its code does. Every contender
runs on its pool and on one of a few samples in two files: what the second run takes is its start-up (imports, models,
processes), and is taken off the first. CPU seconds, user and system and of all processes, are compared.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import dcql.demo
import dcql.stdlib
import pyarrow as pa
import pyarrow.parquet as pq
from measure import BenchmarkError, Contender, Outcome, run_once
from pool import SCHEMA, write_pool
from spine import BY_HAND, find_dcql, in_turns, pool_rows, replace_between

sys.path.append(str(Path(__file__).parent.parent / "tests"))

BEGIN, END = "<!-- begin: printed by datacomp.py -->", "<!-- end: printed by datacomp.py -->"
SETS = Path(str(dcql.stdlib.__file__)).parent / "sets"
FEW = 20  # samples of the pool that start-up is measured on
BOUNDS = {"clip_score, raw": 6.5, "clip_score, added": 15.0, "basic_filter, cold": 2.0, "basic_filter, warm": 20.0}


@dataclass(frozen=True)
class Row:
    """A contender of a rule, on the pool and on the one of a few samples; `bound` names what it was to keep."""

    rule: str
    name: str
    whole: Contender
    start: Contender
    bound: str = ""


def both(rule: str, name: str, words: list[str], pool: str, few: str, home: Path | None, bound: str = "") -> Row:
    """Return a row of a command in which `{pool}` stands for the pool."""
    made = [
        Contender(
            f"{rule}: {name}{suffix}",
            tuple(word.replace("{pool}", place) for word in words),
            by_hand=home is None,
            home=home,
        )
        for place, suffix in ((pool, ""), (few, ", start-up"))
    ]
    return Row(rule, name, made[0], made[1], bound)


def by_hand(rule: str, name: str, script: str, pool: Path, few: Path, *more: str) -> Row:
    """Return a row of DataComp's way."""
    words = [sys.executable, str(BY_HAND / f"{script}.py"), "{pool}", "{out}.npy", *more]
    return both(rule, name, words, str(pool), str(few), None)


class Stores:
    """Stores of dcql's with a pool and its few samples, added or not, and a recipe that ran on them or not."""

    def __init__(self, command: list[str], recipe: str, pool: Path, few: Path, work: Path) -> None:
        self.command, self.recipe, self.pool, self.few, self.work = command, recipe, pool, few, work
        self.added = work / f"{recipe}.home"
        for name, place in (("bench", pool), ("few", few)):
            words = (*command, "pool", "add", name, str(place))
            run_once(Contender("add", words, by_hand=False, home=self.added), work / "add", keep_home=True)

    def row(self, rule: str, name: str, home: Path, bound: str = "", *, raw: bool = False) -> Row:
        """Return a row of `dcql run`, the program of which is in the store."""
        words = [*self.command, "run", self.recipe, "--pool", "{pool}", "--out", "{out}", "--threads", "2"]
        pools = (str(self.pool), str(self.few)) if raw else ("bench", "few")
        return both(rule, name, words, *pools, home, bound)

    def after_run(self) -> Path:
        """Return a copy of the store in which the recipe ran on both pools, with all that it left there."""
        home = Path(shutil.copytree(self.added, self.work / f"{self.recipe}.warm", copy_function=os.link))
        for name in ("bench", "few"):
            words = (*self.command, "run", self.recipe, "--pool", name, "--out", "{out}")
            run_once(Contender("first", words, by_hand=False, home=home), self.work / "first", keep_home=True)
        return home

    def programs_alone(self, warm: Path) -> Path:
        """Return a copy of the store with the programs of another, and nothing else of it."""
        home = Path(shutil.copytree(self.added, self.work / f"{self.recipe}.cold", copy_function=os.link))
        shutil.copytree(warm / "programs", home / "programs", dirs_exist_ok=True)
        return home


def clip_rows(pool: Path, few: Path, command: list[str], work: Path) -> list[Row]:
    """Return the rows of clip_score."""
    rule = f"clip_score, {pool_rows(pool):,} samples"
    stores = Stores(command, "clip_score_l14_30", pool, few, work)
    warm = stores.after_run()
    raw = Contender("raw", (*command, "run", stores.recipe, "--pool", str(pool)), by_hand=False, home=warm)
    run_once(raw, work / "raw", keep_home=True)
    return [
        by_hand(rule, "DataComp's way", "clip_per_row", pool, few),
        stores.row(rule, "dcql, raw pool", warm, "clip_score, raw", raw=True),
        stores.row(rule, "dcql, added pool", warm, "clip_score, added"),
    ]


def basic_rows(pool: Path, few: Path, command: list[str], work: Path) -> list[Row]:
    """Return the rows of basic_filter."""
    rule = f"basic_filter, {pool_rows(pool):,} samples"
    stores = Stores(command, "basic_filter", pool, few, work)
    warm = stores.after_run()
    return [
        by_hand(rule, "DataComp's way", "basic_per_row", pool, few),
        stores.row(rule, "dcql, nothing stored", stores.programs_alone(warm), "basic_filter, cold"),
        stores.row(rule, "dcql, lang stored", warm, "basic_filter, warm"),
    ]


def text_rows(texts: int, few: Path, command: list[str], work: Path) -> list[Row]:
    """Return the rows of text_based."""
    from wordnet30 import unpack

    pool = captioned(work / "captioned", texts)
    rule = f"text_based, {texts:,} samples"
    stores = Stores(command, "text_based", pool, few, work)
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
    texts = pq.read_table(Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet")["text"].to_pylist()
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
    lines = [
        "| rule | contender | CPU s | start-up | without it | (least to most) | times less | was to be |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    first: dict[str, float] = {}
    for row in rows:
        whole = [run.cpu for run in outcomes[row.whole.name]]
        start = statistics.median(run.cpu for run in outcomes[row.start.name])
        net = statistics.median(whole) - start
        yardstick = first.setdefault(row.rule, net)
        wanted = f"{BOUNDS[row.bound]:g}" if row.bound else ""
        lines.append(
            f"| {row.rule} | {row.name} | {statistics.median(whole):.2f} | {start:.2f} | {net:.2f} "
            f"| {min(whole) - start:.2f} to {max(whole) - start:.2f} | {yardstick / net:.1f} | {wanted} |"
        )
    return lines


def check(rows: list[Row], outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Return the rules whose contenders wrote different bytes."""
    wrong = []
    for rule in dict.fromkeys(row.rule for row in rows):
        named = [row.whole.name for row in rows if row.rule == rule]
        if len({(run.digest, run.size) for name in named for run in outcomes[name]}) != 1:
            wrong.append(rule)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Time DataComp's way of three baselines against dcql.")
    parser.add_argument("--clip", type=Path, required=True, metavar="POOL", help="the pool for clip_score")
    parser.add_argument("--basic", type=Path, required=True, metavar="POOL", help="the pool for basic_filter")
    parser.add_argument("--texts", type=int, default=8_000, help="samples for text_based, of which the list is slow")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    given = parser.parse_args()
    command = find_dcql(given.dcql)
    if command is None:
        return 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            few = work / "few"
            write_pool(few, FEW, 2, 1, tuple(SCHEMA.names))
            rows = [
                *clip_rows(given.clip.absolute(), few, command, work),
                *basic_rows(given.basic.absolute(), few, command, work),
                *text_rows(given.texts, few, command, work),
            ]
            load = os.getloadavg()[0]
            runners = [one for row in rows for one in (row.whole, row.start)]
            outcomes = in_turns(runners, given.repeats, work)
        wrong = check(rows, outcomes)
        heading = f"Medians of {given.repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start."
        same = "The contenders of each rule wrote the same bytes."
        if wrong:
            same = f"**The outputs differ:** {', '.join(wrong)}."
        report = "\n".join([heading, "", *table(rows, outcomes), "", same])
        print(report)
        if given.write:
            replace_between(given.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"datacomp.py: {error}", file=sys.stderr)
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
