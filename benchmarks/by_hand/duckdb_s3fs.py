"""DuckDB over s3fs as both come: what a script that names a bucket reads. Otherwise duckdb_arrow.py.

python duckdb_s3fs.py s3://BUCKET/FOLDER OUT.npy FRACTION THREADS
"""

import sys

import duckdb
import fsspec
import numpy as np
from common import DUCKDB_THRESHOLD, hex_to_uids, sort_uids


def main() -> None:
    place, out, fraction, threads = sys.argv[1:]
    connection = duckdb.connect()
    connection.register_filesystem(fsspec.filesystem("s3"))
    connection.execute(f"SET threads = {threads}; SET preserve_insertion_order = false")
    connection.read_parquet(f"{place}/*.parquet").create_view("pool")
    ((threshold,),) = connection.sql(DUCKDB_THRESHOLD, params=[float(fraction)]).fetchall()
    kept = f"SELECT uid FROM pool WHERE clip_l14_similarity_score >= CAST({threshold!r} AS FLOAT)"
    batches = connection.sql(kept).to_arrow_reader(131_072)
    uids = hex_to_uids(memoryview(batch.column(0).buffers()[2])[: 32 * batch.num_rows] for batch in batches)
    np.save(out, sort_uids(uids))


if __name__ == "__main__":
    main()
