"""Time DataComp's text-based rule: dcql's any_synset beside the loop that DataComp runs, in one process.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 nice python benchmarks/words.py [--repeats 3]

First on captions of the demo pool, where a word of ImageNet-21k ends a caption: the loop looks synsets up anew for each
word, through nltk 3.8.1, and searches a list of 21,843 numbers. Then how dcql's cost grows: with the number of words
while the distinct ones stay the same, and the reverse. Those captions hold no word of ImageNet-21k, so that every word
is looked at; each run has a new model that remembers nothing. CPU seconds of the process, medians of one run.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dcql.demo
import dcql.stdlib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measure import BenchmarkError

from dcql.engine.udfs import words

sys.path.append(str(Path(__file__).parent.parent / "tests"))

BATCH = 8_192
WORDS = 8  # of a caption
LOOKED_UP_BY_NLTK = 2_000  # captions; the loop is slow


def imagenet21k() -> list[int]:
    path = Path(str(dcql.stdlib.__file__)).parent / "sets" / "imagenet21k.txt"
    return [int(line) for line in path.read_text(encoding="ascii").splitlines()]


def fresh() -> words.AnySynset:
    """Return a model that remembers no word."""
    return words.load_any_synset(weights=None, assets={"synsets": np.array(imagenet21k())}, options={})


def by_dcql(model: words.AnySynset, captions: list[str]) -> list[bool]:
    column = pa.array(captions, pa.string())
    parts = [model(column.slice(start, BATCH)).values for start in range(0, len(column), BATCH)]
    return [held for part in parts for held in part.to_pylist()]


def by_loop(reader: Any, entities: list[int], captions: list[str]) -> list[bool]:
    """Look at each caption as DataComp does."""

    def holds(caption: str) -> bool:
        for word in caption.split():
            synsets = reader.synsets(word)
            if len(synsets) > 0 and synsets[0].offset() in entities:
                return True
        return False

    return [holds(caption) for caption in captions]


def seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def beside_nltk(repeats: int) -> list[str]:
    """Return a table: the loop and dcql on the same captions."""
    try:
        from nltk import __version__ as version
        from wordnet30 import reader, unpack
    except ImportError as error:
        return [f"nltk was not measured: {error}."]
    texts = pq.read_table(Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet")["text"].to_pylist()
    captions = random.Random(0).sample(texts, LOOKED_UP_BY_NLTK)
    entities = imagenet21k()
    with tempfile.TemporaryDirectory() as folder:
        opened = reader(unpack(Path(folder)))
        if by_loop(opened, entities, captions) != by_dcql(fresh(), captions):
            raise BenchmarkError("nltk and dcql differ")
        loop, first, again = [], [], []
        for _ in range(repeats):
            model = fresh()
            loop.append(seconds(lambda: by_loop(opened, entities, captions)))
            first.append(seconds(lambda model=model: by_dcql(model, captions)))  # type: ignore[misc]
            again.append(seconds(lambda model=model: by_dcql(model, captions)))  # type: ignore[misc]
    lines = [f"{len(captions):,} captions of the demo pool; nltk {version} with its synsets in memory.", ""]
    lines += ["| contender | captions / CPU s | ratio to the loop |", "|---|--:|--:|"]
    for name, runs in (("DataComp's loop", loop), ("dcql, no word known", first), ("dcql, every word known", again)):
        rate, slow = (len(captions) / statistics.median(one) for one in (runs, loop))
        lines.append(f"| {name} | {rate:,.0f} | {rate / slow:,.1f} |")
    return lines


def captions_of(total: int, distinct: int) -> list[str]:
    """Return captions of `total` words in all, of which `distinct` are distinct, each of them as often."""
    spelt = [f"{'nk' * (number % 3)}word{number}{('s', 'ing', '')[number % 3]}" for number in range(distinct)]
    drawn = [spelt[at % distinct] for at in range(total)]
    random.Random(0).shuffle(drawn)
    return [" ".join(drawn[at : at + WORDS]) for at in range(0, total, WORDS)]


def growth(sizes: list[tuple[int, int]], repeats: int) -> list[str]:
    """Return a table: dcql on (words, distinct words); of the two, one grows from size to size."""
    lines = ["| words | distinct | CPU s | (least to most) | ns for each further one |", "|--:|--:|--:|--:|--:|"]
    taken: dict[tuple[int, int], list[float]] = {size: [] for size in sizes}
    for _ in range(repeats):
        for size in sizes:
            captions, model = captions_of(*size), fresh()
            taken[size].append(seconds(lambda captions=captions, model=model: by_dcql(model, captions)))  # type: ignore[misc]
    medians = {size: statistics.median(runs) for size, runs in taken.items()}
    before = [None, *sizes]
    for smaller, (total, distinct) in zip(before, sizes, strict=False):
        runs, median, further = taken[total, distinct], medians[total, distinct], ""
        if smaller:
            more = sum((total, distinct)) - sum(smaller)
            further = f"{(median - medians[smaller]) / more * 1e9:,.0f}"
        spread = f"{min(runs):.2f} to {max(runs):.2f}"
        lines.append(f"| {total:,} | {distinct:,} | {median:.2f} | {spread} | {further} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the text-based rule beside DataComp's loop.")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"One core; medians of {options.repeats} runs, load {os.getloadavg()[0]:.1f} at the start.\n")
    print("\n".join(beside_nltk(options.repeats)), "\n")
    print("More words, the distinct ones stay:\n")
    print("\n".join(growth([(size, 50_000) for size in (500_000, 1_000_000, 2_000_000, 4_000_000)], options.repeats)))
    print("\nMore distinct words, their sum stays:\n")
    sizes = [(2_000_000, distinct) for distinct in (12_500, 50_000, 200_000, 400_000)]
    print("\n".join(growth(sizes, options.repeats)))


if __name__ == "__main__":
    main()
