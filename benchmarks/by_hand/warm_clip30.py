"""The recipe clip30 over a store of dcql's, by hand: the same reads, the .npy and the hash, and nothing else.

    DCQL_HOME=STORE python benchmarks/by_hand/warm_clip30.py POOL OUT.npy

It trusts all that it reads, looks at no file of the pool itself, counts no funnel and writes no manifest.
Tried, CPU seconds of reading the column of 12.8M samples: pyarrow as here 0.030; by row groups 0.030; with threads or
a buffer before 0.033; DuckDB 0.035, and twice as long to import. Whole process, against 0.33: DuckDB compares 0.40.
"""

import sys

import numpy as np
import pyarrow.parquet as pq
from stored import Stored

SCORE = "clip_l14_similarity_score"


def main() -> None:
    name, out = sys.argv[1:]
    pool = Stored(name)
    threshold = pool.threshold(SCORE, -(-pool.rows * 7 // 10))
    kept = np.zeros(pool.rows, np.bool_)
    for work in pool.works:
        file = pq.ParquetFile(pool.sidecar(work), memory_map=True, pre_buffer=False)
        scores = file.read([SCORE], use_threads=False).column(0)
        passes = [np.frombuffer(chunk.buffers()[1], np.float32, len(chunk)) >= threshold for chunk in scores.chunks]
        pool.mark(work, passes[0] if len(passes) == 1 else np.concatenate(passes), kept)
    print(pool.write(kept, out))


if __name__ == "__main__":
    main()
