"""DataComp's clip_score the way that its code goes about it: the threshold by a sort, uids as Python integers.

    python benchmarks/by_hand/clip_per_row.py POOL OUT [--fraction 0.3] [--imports torch,nltk,gcld3]

A yardstick, written anew from its description: all scores in one pandas frame, sorted from the largest; then each file
once more, in processes that are spawned, where a uid becomes two numbers by Python; one sort of pairs at the end.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from basic_per_row import import_all
from numpy.typing import NDArray

SCORE = "clip_l14_similarity_score"


def threshold(files: list[Path], fraction: float) -> float:
    """Return the score that the n-th sample has, n being the fraction of all, from the largest down."""
    scores = pd.concat([pd.read_parquet(file, columns=[SCORE]) for file in files])[SCORE].to_numpy()
    descending = -np.sort(-scores)
    return float(descending[int(len(descending) * fraction)])


def kept(path: Path, least: float) -> NDArray[np.void]:
    """Return the uids of a file that pass, in any order."""
    frame = pd.read_parquet(path, columns=["uid", SCORE])
    passing = frame[frame[SCORE] >= np.float32(least)]
    return np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in passing.uid], "u8,u8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fraction", type=float, default=0.3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--imports", default="", help="packages to import in every process, with commas")
    given = parser.parse_args()
    names = tuple(filter(None, given.imports.split(",")))
    import_all(names)
    files = sorted(given.pool.glob("*.parquet"))
    least = threshold(files, given.fraction)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, spawn, import_all, (names,)) as processes:
        found = np.concatenate(list(processes.map(partial(kept, least=least), files)))
    found.sort()
    np.save(given.out, found)


if __name__ == "__main__":
    main()
