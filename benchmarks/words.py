"""Time DataComp's text-based rule: dcql's any_synset beside the loop that DataComp runs, in one process.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 nice python benchmarks/words.py [--repeats 3]

First on captions of the demo pool, where a word of ImageNet-21k ends a caption: the loop looks synsets up anew for each
word, through nltk 3.8.1, and searches a list of 21,843 numbers. Then how dcql's cost grows: with the number of words
while the distinct ones stay the same, and the reverse. Those captions hold no word of ImageNet-21k, so that every word
is looked at; each run has a new model that remembers nothing. CPU seconds of the process, medians of one run.
"""

import argparse
import functools
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measure import BenchmarkError, Spent, clocked, in_turns
from report import Report, markdown, middle, parser, run, spent
from shipped import SETS, captions

from dcql.engine.udfs import words

sys.path.append(str(Path(__file__).parent.parent / "tests"))

BATCH = 8_192
WORDS = 8  # of a caption
LOOKED_UP_BY_NLTK = 2_000  # captions; the loop is slow


def imagenet21k() -> list[int]:
    return [int(line) for line in (SETS / "imagenet21k.txt").read_text(encoding="ascii").splitlines()]


def fresh() -> words.AnySynset:
    """Return a model that remembers no word."""
    return words.load_any_synset(weights=None, assets={"synsets": np.array(imagenet21k())}, options={})


def by_dcql(model: words.AnySynset, texts: list[str]) -> list[bool]:
    column = pa.array(texts, pa.string())
    parts = [model(column.slice(start, BATCH)).values for start in range(0, len(column), BATCH)]
    return [held for part in parts for held in part.to_pylist()]


def by_loop(reader: Any, entities: list[int], texts: list[str]) -> list[bool]:
    """Look at each caption as DataComp does."""

    def holds(caption: str) -> bool:
        for word in caption.split():
            synsets = reader.synsets(word)
            if len(synsets) > 0 and synsets[0].offset() in entities:
                return True
        return False

    return [holds(caption) for caption in texts]


def beside_nltk(repeats: int) -> list[str]:
    """Return a table: the loop and dcql on the same captions."""
    try:
        from nltk import __version__ as version
        from wordnet30 import reader, unpack
    except ImportError as error:
        return [f"nltk was not measured: {error}."]
    texts = random.Random(0).sample(captions(), LOOKED_UP_BY_NLTK)
    entities = imagenet21k()
    with tempfile.TemporaryDirectory() as folder:
        opened = reader(unpack(Path(folder)))
        if by_loop(opened, entities, texts) != by_dcql(fresh(), texts):
            raise BenchmarkError("nltk and dcql differ")
        knowing = fresh()
        by_dcql(knowing, texts)

        def unknowing() -> Spent:
            model = fresh()  # to make one is not counted
            return clocked(lambda: by_dcql(model, texts))[1]

        ways = {
            "DataComp's loop": lambda: clocked(lambda: by_loop(opened, entities, texts))[1],
            "dcql, no word known": unknowing,
            "dcql, every word known": lambda: clocked(lambda: by_dcql(knowing, texts))[1],
        }
        turns = in_turns(ways, repeats)
    rates = {name: len(texts) / middle(runs) for name, runs in turns.runs.items()}
    rows = [(name, f"{rate:,.0f}", f"{rate / rates[next(iter(ways))]:,.1f}") for name, rate in rates.items()]
    heading = f"{len(texts):,} captions of the demo pool; nltk {version} with its synsets in memory."
    return [heading, "", *markdown(("contender", "captions / CPU s", "ratio to the loop"), rows)]


def captions_of(total: int, distinct: int) -> list[str]:
    """Return captions of `total` words in all, of which `distinct` are distinct, each of them as often."""
    spelt = [f"{'nk' * (number % 3)}word{number}{('s', 'ing', '')[number % 3]}" for number in range(distinct)]
    drawn = [spelt[at % distinct] for at in range(total)]
    random.Random(0).shuffle(drawn)
    return [" ".join(drawn[at : at + WORDS]) for at in range(0, total, WORDS)]


def growth(sizes: list[tuple[int, int]], repeats: int) -> list[str]:
    """Return a table: dcql on (words, distinct words); of the two, one grows from size to size."""

    def once(size: tuple[int, int]) -> Spent:
        texts, model = captions_of(*size), fresh()
        return clocked(lambda: by_dcql(model, texts))[1]

    turns = in_turns(
        {"{:,} words, {:,} distinct".format(*size): functools.partial(once, size) for size in sizes}, repeats
    )
    taken = dict(zip(sizes, turns.runs.values(), strict=True))
    rows = []
    for smaller, (size, runs) in zip([None, *sizes], taken.items(), strict=False):
        further = ""
        if smaller:
            further = f"{(middle(runs) - middle(taken[smaller])) / (sum(size) - sum(smaller)) * 1e9:,.0f}"
        rows.append((f"{size[0]:,}", f"{size[1]:,}", *spent(runs)[:2], further))
    return markdown(("words", "distinct", "CPU s", "(least to most)", "ns for each further one"), rows, texts=0)


def measure(given: argparse.Namespace, _: object) -> Report:
    """Return the three tables."""
    load = os.getloadavg()[0]
    more = [(size, 50_000) for size in (500_000, 1_000_000, 2_000_000, 4_000_000)]
    distinct = [(2_000_000, size) for size in (12_500, 50_000, 200_000, 400_000)]
    lines = [f"One core; medians of {given.repeats} runs, load {load:.1f} at the start.", ""]
    lines += [*beside_nltk(given.repeats), "", "More words, the distinct ones stay:", "", *growth(more, given.repeats)]
    lines += ["", "More distinct words, their sum stays:", "", *growth(distinct, given.repeats)]
    return Report(lines)


def main() -> int:
    return run(parser("Time the text-based rule beside DataComp's loop.", repeats=3), measure)


if __name__ == "__main__":
    sys.exit(main())
