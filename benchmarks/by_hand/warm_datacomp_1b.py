"""The recipe datacomp_1b over a store of dcql's, by hand: the same reads, the .npy and the hash, and nothing else.

    DCQL_HOME=STORE python benchmarks/by_hand/warm_datacomp_1b.py POOL OUT.npy PLACES.json

PLACES is what benchmarks/stored_features.py prints. Captions are not read: their lengths lie in the store.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from stored import Stored

SCORE = "clip_l14_similarity_score"


def column(path: str | Path, name: str, dictionary: bool = False) -> pa.Array:
    """Read a column of a file as one array."""
    read = pq.ParquetFile(path, memory_map=True, pre_buffer=False, read_dictionary=[name] if dictionary else None)
    return read.read([name], use_threads=False).column(0).combine_chunks()


def numbers(array: pa.Array, dtype: type) -> NDArray[np.generic]:
    """Return an array's values without NULL."""
    return np.frombuffer(array.buffers()[1], dtype, len(array))


def main() -> None:
    name, out, places = sys.argv[1:]
    pool = Stored(name)
    given = json.loads(Path(places).read_text())
    # DataComp's own rule: the (int(n*f)+1)-th largest of all.
    threshold = pool.threshold(SCORE, pool.rows - int(pool.rows * 0.3))
    clusters = np.zeros(max(given["clusters"]) + 1, np.bool_)
    clusters[given["clusters"]] = True
    kept = np.zeros(pool.rows, np.bool_)
    for work in pool.works:
        file = given["files"][work]
        passes = numbers(column(pool.sidecar(work), SCORE), np.float32) >= threshold
        languages = column(file["lang"], "value", dictionary=True)
        english = languages.dictionary.to_pylist().index("en")
        passes &= numbers(languages.indices, np.int32) == english
        found = numbers(column(file["image_cluster"], "value"), np.int64)
        passes &= clusters[np.minimum(found, len(clusters) - 1)]
        for length, most in (("fasttext_words(text)", 1), ("code_points(text)", 5)):
            passes &= numbers(column(pool.lengths(work), length), np.uint32) > most
        pool.mark(work, passes, kept)
    print(pool.write(kept, out))


if __name__ == "__main__":
    main()
