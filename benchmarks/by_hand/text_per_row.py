"""DataComp's text_based the way that its code goes about it: each word of each caption asked of WordNet, through nltk.

    python benchmarks/by_hand/text_per_row.py POOL OUT --wordnet FOLDER --entities FILE [--in-set]

A yardstick, written anew from its description: the language of every caption by a call of fastText, then its words by
`synsets`, and the offset of the first one looked for in a list of 21,843 numbers. With --in-set they are a set, which
DataComp's are not: what is left is nltk.
"""

import argparse
import multiprocessing
import warnings
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from basic_per_row import english
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from numpy.typing import NDArray


def named(text: str, wordnet: Any, entities: Collection[int]) -> bool:
    """Return whether the first synset of some word is among the entities."""
    for word in text.split():
        synsets = wordnet.synsets(word)
        if len(synsets) > 0 and synsets[0].offset() in entities:
            return True
    return False


def kept(path: Path, folder: Path, entities: Collection[int]) -> NDArray[np.void]:
    """Return the uids of a file that pass, in any order."""
    frame = pd.read_parquet(path, columns=["uid", "text"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses the languages other than English
        wordnet = WordNetCorpusReader(str(folder), None)
    holds = english(frame) & frame.text.apply(lambda text: named(text, wordnet, entities))
    return np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in frame.uid[holds]], "u8,u8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--wordnet", type=Path, required=True, help="WordNet 3.0, as nltk reads it")
    parser.add_argument("--entities", type=Path, required=True, help="lines of numbers")
    parser.add_argument("--in-set", action="store_true", help="look in a set, not in a list")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    listed = [int(line) for line in given.entities.read_text(encoding="ascii").splitlines()]
    entities: Collection[int] = set(listed) if given.in_set else listed
    files = sorted(given.pool.glob("*.parquet"))
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, spawn) as processes:
        found = np.concatenate(list(processes.map(partial(kept, folder=given.wordnet, entities=entities), files)))
    found.sort()
    np.save(given.out, found)


if __name__ == "__main__":
    main()
