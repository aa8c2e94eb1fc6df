"""DuckDB does everything but the file: threshold, filter, parse and sort.

Tried, CPU seconds of filter, parse, sort and fetch on 12.8M samples, against 1.7 to 1.9 here: uid::UUID 2.0;
unhex(uid) 2.35; the text sorted as it is 1.9, and still to be parsed; two UBIGINT of 16 digits each 2.6; the halves
split in SQL 1.8. The threshold as a subquery, one statement in all, costs the same.
"""

import duckdb
import numpy as np
from common import DUCKDB_THRESHOLD, SUBSET_DTYPE, read_task

KEPT = """
SELECT CAST('0x' || uid AS UHUGEINT) AS uid FROM pool WHERE clip_l14_similarity_score >= CAST(? AS FLOAT) ORDER BY uid
"""


def main() -> None:
    task = read_task(__doc__)
    connection = duckdb.connect()
    # Lossless: a UHUGEINT travels as its 16 bytes, low half first.
    connection.execute(f"SET threads = {task.threads}; SET arrow_lossless_conversion = true")
    connection.read_parquet(str(task.pool / "*.parquet")).create_view("pool")
    ((threshold,),) = connection.sql(DUCKDB_THRESHOLD, params=[task.fraction]).fetchall()
    kept = connection.sql(KEPT, params=[threshold]).to_arrow_table()["uid"]
    chunks = [
        np.frombuffer(chunk.buffers()[1], "<u8")[: 2 * len(chunk)].reshape(-1, 2)[:, ::-1] for chunk in kept.chunks
    ]
    np.save(task.out, np.ascontiguousarray(np.concatenate(chunks)).view(SUBSET_DTYPE)[:, 0])


if __name__ == "__main__":
    main()
