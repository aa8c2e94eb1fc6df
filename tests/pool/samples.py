"""Made-up pools: DataComp's columns, with everything that normalisation has to deal with."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        ("uid", pa.string()),
        ("url", pa.string()),
        ("text", pa.string()),
        ("original_width", pa.int64()),
        ("original_height", pa.int64()),
        ("clip_b32_similarity_score", pa.float32()),
        ("clip_l14_similarity_score", pa.float32()),
        ("face_bboxes", pa.list_(pa.list_(pa.float64()))),
        ("sha256", pa.string()),
    ]
)


def uid(number: int) -> str:
    """Return a uid as good as random."""
    return hashlib.md5(str(number).encode()).hexdigest()


def samples(rows: int, seed: int = 0, first: int = 0) -> pa.Table:
    """Return `rows` samples with NULLs, NaN, -0.0, infinities, ties and text of several scripts."""
    rng = np.random.default_rng(seed)
    odd = [None, math.nan, -0.0, 0.0, math.inf, 1e-45]
    scores = [
        [odd[rng.integers(6)] if rng.random() < 0.1 else float(np.float16(rng.normal(0.2, 0.06))) for _ in range(rows)]
        for _ in range(2)
    ]
    captions = ["a dog", "", "naïve café", "日本語の字幕", "🦊 fox", None]
    return pa.table(
        {
            "uid": [uid(first + row) for row in range(rows)],
            "url": [f"https://example.org/{first + row}.jpg" for row in range(rows)],
            "text": [captions[rng.integers(6)] for _ in range(rows)],
            "original_width": [None if rng.random() < 0.05 else int(rng.integers(1, 5000)) for _ in range(rows)],
            "original_height": [int(rng.integers(1, 5000)) for _ in range(rows)],
            "clip_b32_similarity_score": scores[0],
            "clip_l14_similarity_score": scores[1],
            "face_bboxes": [[rng.random(4).tolist()] * int(rng.integers(0, 3)) for _ in range(rows)],
            "sha256": [hashlib.sha256(str(first + row).encode()).hexdigest() for row in range(rows)],
        },
        schema=SCHEMA,
    )


def write(table: pa.Table, path: Path, group: int | None = None) -> Path:
    """Write a table as parquet and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return path


def change(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    """Return the table with one value changed."""
    values = table[column].to_pylist()
    values[row] = value
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def overwrite(path: Path) -> None:
    """Overwrite every byte of a parquet file but its footer: it opens, and nothing of it can be read."""
    content = bytearray(path.read_bytes())
    footer = 8 + int.from_bytes(content[-8:-4], "little")
    content[8:-footer] = bytes(len(content) - 8 - footer)
    path.write_bytes(content)
