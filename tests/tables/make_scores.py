"""Makes docs/scores.parquet, the table that docs/language.md joins: `python tests/tables/make_scores.py`.

It has a row for each sample of the demo pool whose uid begins with 0 to 3: `variety`, the share of a caption's
characters that are different ones (NaN for a caption without any), and `votes`, what a hash of the uid says.
"""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dcql.catalog.pool import Pool
from dcql.demo_pool import open_or_make

FILE = Path(__file__).parents[2] / "docs" / "scores.parquet"


def scores(pool: Pool) -> Any:
    """Return the table, in the order of the pool."""
    whole = pa.concat_tables([pq.read_table(file.path, columns=["uid", "text"]) for file in pool.files])
    rows = [row for row in whole.to_pylist() if row["uid"][0] in "0123"]
    variety = [len(set(row["text"])) / len(row["text"]) if row["text"] else float("nan") for row in rows]
    votes = [hashlib.sha256(row["uid"].encode()).digest()[0] % 6 for row in rows]
    return pa.table(
        {
            "uid": [row["uid"] for row in rows],
            "variety": pa.array(variety, pa.float32()),
            "votes": pa.array(votes, pa.int8()),
        }
    )


if __name__ == "__main__":
    pq.write_table(scores(open_or_make("demo")), FILE, compression="zstd")
