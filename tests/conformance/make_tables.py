"""The tables that recipes of this folder join: `python tests/conformance/make_tables.py` writes them anew.

Each holds rows for samples of every adversarial pool, and rows that no pool has a sample for.
"""

import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "tables"
ODD = [float("nan"), -0.0, 0.0, None, float("inf"), float("-inf"), 0.25, -0.25, 2.0**-149]


def scores() -> pa.Table:
    """By uid, in no order: half of all samples, and rows without a uid."""
    import pools

    uids = sorted({uid for make in pools.ADVERSARIAL.values() for uid in make().columns["uid"]})
    r = random.Random(15)
    keys: list[str | None] = [uid for uid in uids if r.random() < 0.5] + [f"{i:032x}" for i in range(2**20, 2**20 + 9)]
    # Some short uids with all their digits, where the pool has them short.
    keys = [key.zfill(32) if key is not None and r.random() < 0.5 else key for key in keys]
    r.shuffle(keys)
    keys[5:5] = [None, None, None]
    rows = len(keys)
    columns: dict[str, Any] = {
        "uid": pa.array(keys, pa.string()),
        "score": pa.array([r.choice(ODD) if r.random() < 0.2 else r.gauss(0, 1) for _ in range(rows)], pa.float64()),
        "quality": pa.array(
            [r.choice(ODD) if r.random() < 0.3 else r.randrange(-40, 40) / 64 for _ in range(rows)], pa.float32()
        ),
        "votes": pa.array([r.choice([None, 0, 1, 2, 3, 2**62, -(2**63)]) for _ in range(rows)], pa.int64()),
        "small": pa.array([r.randrange(0, 7) for _ in range(rows)], pa.uint8()),
        "word": pa.array([r.choice(["", "a", "dog", "日本", "é", None]) for _ in range(rows)], pa.string()),
        "kind": pa.array([r.choice(["x", "y", None]) for _ in range(rows)], pa.string()).dictionary_encode(),
        "fine": pa.array([r.choice([True, False, None]) for _ in range(rows)], pa.bool_()),
        "parts": pa.array([[1, 2]] * rows, pa.list_(pa.int64())),
    }
    return pa.table(columns)


def files() -> pa.Table:
    """By the digest of the image, which several samples share, the empty text among them."""
    import pools

    every = {digest for make in pools.ADVERSARIAL.values() for digest in make().columns["sha256"]}
    r = random.Random(16)
    digests = [digest for digest in sorted(each for each in every if each is not None) if r.random() < 0.6]
    r.shuffle(digests)
    rows = len(digests)
    return pa.table(
        {
            "bytes": pa.array([r.choice([None, 10, 200, 3000]) for _ in range(rows)], pa.int32()),
            "sha256": pa.array([None, *digests, None], pa.string())[1:-1] if rows else pa.array([], pa.string()),
            "score": pa.array([r.randrange(0, 9) / 8 for _ in range(rows)], pa.float32()),
        }
    )


def groups() -> pa.Table:
    """By a whole number, NULL twice among them."""
    return pa.table(
        {
            "grp": pa.array([3, -2, None, 0, 2**63 - 1, -(2**63), None, 7], pa.int64()),
            "weight": pa.array([0.5, 1.0, 9.0, -0.0, 2.0, 3.0, 9.0, 4.0], pa.float64()),
        }
    )


MADE = {"scores.parquet": scores, "files.parquet": files, "groups.parquet": groups}


def main() -> None:
    """Write the tables."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in MADE.items():
        pq.write_table(make(), FOLDER / name, compression="zstd", row_group_size=700)


if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER.parent.parent))
    main()
