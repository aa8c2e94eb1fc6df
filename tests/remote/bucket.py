"""A pool in a bucket, and what of it a recipe has to read."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from oracle import dcql1, select
from pool.samples import samples, write
from pools import TYPES, Pool

ROWS = 4_000
CLIP = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7);"
WORDS = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND python_words(caption) > 1;"


@dataclass(frozen=True)
class Bucket:
    """A pool of files in a folder and, the same, in a bucket."""

    folder: Path
    name: str
    address: str  # of the server

    @property
    def url(self) -> str:
        """The URL of the pool."""
        return f"s3://{self.name}/pool"

    def put(self, name: str, content: bytes) -> None:
        """Write a file of the pool, in the bucket alone."""
        boto3.client("s3", endpoint_url=self.address).put_object(Bucket=self.name, Key=f"pool/{name}", Body=content)

    def remove(self, name: str) -> None:
        """Remove a file of the pool, in the bucket alone."""
        boto3.client("s3", endpoint_url=self.address).delete_object(Bucket=self.name, Key=f"pool/{name}")

    def content(self, name: str) -> bytes:
        """Return a file of the pool, as the folder has it."""
        return (self.folder / name).read_bytes()

    def expected(self, recipe: str) -> str:
        """Return the hash of a recipe's subset, by the second implementation."""
        tables = [pq.read_table(path) for path in sorted(self.folder.glob("*.parquet"))]
        whole = pa.concat_tables(tables)
        columns = {name: whole.column(name).to_pylist() for name in whole.column_names}
        return dcql1(select(recipe, Pool(columns, {name: TYPES[name] for name in columns})))

    def bytes_of(self, columns: Iterable[str]) -> int:
        """Return what the column chunks of these columns take in all files."""
        wanted, total = set(columns), 0
        for path in self.folder.glob("*.parquet"):
            metadata = pq.read_metadata(path)
            for group in range(metadata.num_row_groups):
                described = metadata.row_group(group)
                chunks = (described.column(place) for place in range(described.num_columns))
                total += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in wanted)
        return total


def make(address: str, folder: Path, files: int = 3, rows: int = ROWS, group: int | None = None) -> Bucket:
    """Write a pool to a folder and to a new bucket of the server at an address."""
    bucket = Bucket(folder, f"b{uuid.uuid4().hex[:12]}", address)
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket=bucket.name)
    for number in range(files):
        path = write(samples(rows, seed=number, first=number * rows), folder / f"{number}.parquet", group)
        bucket.put(path.name, path.read_bytes())
    return bucket
