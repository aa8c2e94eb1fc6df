"""Write a synthetic pool with DataComp's columns, file by file.

    python benchmarks/pool.py FOLDER --rows 12800000 --files 25 [--seed 0] [--columns uid,clip_l14_similarity_score]

The widths follow the real metadata (about 230 bytes a row, one row group a file, snappy), and so do the scores: fp16
values stored as float32, hence few distinct values and large groups of ties. Everything else is random. The same
arguments give the same rows; the bytes of the files also depend on the release of pyarrow. Memory follows the rows of
one file.
"""

import argparse
import binascii
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from measure import BenchmarkError
from numpy.typing import NDArray

WORDS = 4096
HOSTS = 2048
ONSETS = (
    "b",
    "br",
    "c",
    "ch",
    "d",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "r",
    "s",
    "st",
    "t",
    "v",
    "z",
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "oo")
CODAS = ("", "", "n", "r", "s", "l", "t", "ck", "nd", "m")
# Widths and heights that image hosts resize to; the others of a pool are spread.
COMMON_SIZES = np.array(
    [150, 200, 236, 240, 300, 320, 400, 450, 480, 500, 550, 600, 640, 700, 720, 768, 800, 1000, 1024, 1200]
)

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


def hex_strings(rng: np.random.Generator, rows: int, digits: int) -> pa.Array:
    """Draw `rows` random lowercase hex strings of `digits` digits."""
    text = binascii.hexlify(rng.bytes(rows * digits // 2))
    offsets = np.arange(0, rows * digits + 1, digits, dtype=np.int32)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))


def make_words(rng: np.random.Generator, count: int) -> list[str]:
    """Make `count` distinct words of one to four syllables, the short ones first."""
    words: dict[str, None] = {}
    while len(words) < count:
        syllables = [
            ONSETS[rng.integers(len(ONSETS))] + VOWELS[rng.integers(len(VOWELS))] + CODAS[rng.integers(len(CODAS))]
            for _ in range(rng.integers(1, 5))
        ]
        words["".join(syllables)] = None
    return sorted(words, key=len)


def zipf(rng: np.random.Generator, size: int, count: int) -> NDArray[np.int32]:
    """Draw `size` indices below `count`, the small ones often, close to Zipf's law."""
    return ((count + 1.0) ** rng.random(size) - 1.0).astype(np.int32)


def captions(rng: np.random.Generator, rows: int, words: pa.Array) -> pa.Array:
    """Draw captions of 1 to 60 words, about 13 on average."""
    lengths = np.clip(rng.lognormal(2.4, 0.65, rows), 1, 60).astype(np.int64)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    chosen = words.take(pa.array(zipf(rng, int(offsets[-1]), len(words))))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), chosen), " ")


def urls(rng: np.random.Generator, rows: int, words: pa.Array, hosts: pa.Array) -> pa.Array:
    """Draw image urls of about 80 characters."""
    return pc.binary_join_element_wise(
        hosts.take(pa.array(zipf(rng, rows, len(hosts)))),
        words.take(pa.array(zipf(rng, rows, len(words)))),
        pc.binary_join_element_wise(
            hex_strings(rng, rows, 40), words.take(pa.array(zipf(rng, rows, len(words)))), ".jpg", ""
        ),
        "/",
    )


def scores(rng: np.random.Generator, rows: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw correlated CLIP B/32 and L/14 scores: float32, each an fp16 value."""
    shared, own = rng.standard_normal(rows), rng.standard_normal(rows)
    l14 = 0.19 + 0.055 * shared
    b32 = 0.23 + 0.05 * (0.8 * shared + 0.6 * own)
    return b32.astype(np.float16).astype(np.float32), l14.astype(np.float16).astype(np.float32)


def sizes(rng: np.random.Generator, rows: int) -> NDArray[np.int64]:
    """Draw image sides in pixels, half of them common sizes."""
    spread = np.clip(rng.lognormal(6.2, 0.6, rows), 32, 12000).astype(np.int64)
    return np.where(rng.random(rows) < 0.5, rng.choice(COMMON_SIZES, rows), spread)


def face_boxes(rng: np.random.Generator, rows: int) -> pa.Array:
    """Draw lists of boxes [x0, y0, x1, y1] relative to the image; 30 % of the samples have one to four."""
    faces = np.where(rng.random(rows) < 0.3, np.minimum(rng.geometric(0.7, rows), 4), 0)
    total = int(faces.sum())
    corner = rng.random((total, 2)) * 0.7
    boxes = np.concatenate((corner, corner + 0.05 + 0.25 * rng.random((total, 2))), axis=1)
    inner = pa.ListArray.from_arrays(pa.array(np.arange(0, 4 * total + 1, 4, dtype=np.int32)), pa.array(boxes.ravel()))
    return pa.ListArray.from_arrays(pa.array(np.concatenate(([0], np.cumsum(faces))).astype(np.int32)), inner)


def make_shard(
    rng: np.random.Generator, rows: int, words: pa.Array, hosts: pa.Array, columns: tuple[str, ...]
) -> pa.Table:
    """Draw the table of one shard; a column that is not asked for is not drawn."""
    b32, l14 = scores(rng, rows)
    draw: dict[str, Callable[[], pa.Array]] = {
        "uid": lambda: hex_strings(rng, rows, 32),
        "url": lambda: urls(rng, rows, words, hosts),
        "text": lambda: captions(rng, rows, words),
        "original_width": lambda: pa.array(sizes(rng, rows)),
        "original_height": lambda: pa.array(sizes(rng, rows)),
        "clip_b32_similarity_score": lambda: pa.array(b32),
        "clip_l14_similarity_score": lambda: pa.array(l14),
        "face_bboxes": lambda: face_boxes(rng, rows),
        "sha256": lambda: hex_strings(rng, rows, 64),
    }
    schema = pa.schema([field for field in SCHEMA if field.name in columns])
    return pa.Table.from_arrays([draw[name]() for name in schema.names], schema=schema)


def write_pool(folder: Path, rows: int, files: int, seed: int, columns: tuple[str, ...]) -> int:
    """Write the pool, of these columns of SCHEMA, and return its size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 0])
    words = pa.array(make_words(rng, WORDS))
    names = make_words(rng, HOSTS)
    hosts = pa.array([f"https://{('www', 'img', 'cdn', 'i')[i % 4]}.{name}.com/media" for i, name in enumerate(names)])
    written = 0
    for index in range(files):
        shard_rows = rows * (index + 1) // files - rows * index // files
        rng = np.random.default_rng([seed, 1 + index])
        path = folder / f"{rng.bytes(16).hex()}.parquet"
        # The default of pyarrow is one row group of up to 1,048,576 rows; a shard is one row group whatever its size.
        shard = make_shard(rng, shard_rows, words, hosts, columns)
        pq.write_table(shard, path, row_group_size=max(shard_rows, 1))
        written += path.stat().st_size
        print(f"\r{index + 1}/{files} files", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return written


def pool_rows(folder: Path) -> int:
    """Count the samples of a pool from the footers; raise BenchmarkError when the folder holds no parquet file."""
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise BenchmarkError(f"{folder} holds no parquet file; write a pool with benchmarks/pool.py")
    return sum(pq.ParquetFile(file).metadata.num_rows for file in files)


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a synthetic pool with DataComp's columns.")
    parser.add_argument("folder", type=Path, help="folder to write to, outside the repository; must be new or empty")
    parser.add_argument("--rows", type=int, default=12_800_000)
    parser.add_argument("--files", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--columns",
        metavar="A,B,..",
        default=",".join(SCHEMA.names),
        help="the columns to write, all of them by default; uid is always there",
    )
    arguments = parser.parse_args()
    columns = ("uid", *arguments.columns.split(","))
    if unknown := sorted(set(columns) - set(SCHEMA.names)):
        parser.error(f"no column {unknown[0]!r}; there are {', '.join(SCHEMA.names)}")
    if arguments.rows < 1 or arguments.files < 1 or arguments.seed < 0:
        parser.error("--rows and --files must be at least 1, --seed at least 0")
    if arguments.folder.exists() and (not arguments.folder.is_dir() or any(arguments.folder.iterdir())):
        parser.error(f"{arguments.folder} is not an empty folder; name a new one")
    written = write_pool(arguments.folder, arguments.rows, arguments.files, arguments.seed, columns)
    print(f"{arguments.rows:,} rows in {arguments.files} files, {written / arguments.rows:.0f} bytes a row")
    return 0


if __name__ == "__main__":
    sys.exit(main())
