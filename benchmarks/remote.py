"""What a recipe reads of a pool on S3, and what that costs: requests, bytes, CPU.

    pip install -e '.[bench,dev]'
    python benchmarks/remote.py POOL [--delay 0.05] [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

POOL is a folder of pool.py. It is put into a bucket of a server on this machine, which counts what it is asked for and
lets every request wait for `--delay` seconds, as a far one would. The recipe is clip_score_l14_30, which needs the uids
and one score. The CPU is that of the process that reads; the server has its own.
"""

import argparse
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measure import BenchmarkError, find_dcql, script, spend
from report import Report, markdown, middle, parser, positive, run

RECIPE = "clip_score_l14_30"
NEEDED = ("uid", "clip_l14_similarity_score")
TEXTS = ("text", "clip_l14_similarity_score")
WORDS = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND python_words(caption) > 2;\n"


@dataclass
class Counting:
    """A WSGI application that counts requests, and the bytes of files that they ask for."""

    application: Callable[..., Iterable[bytes]]
    delay: float = 0.0
    requests: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environment: dict[str, Any], start: Any) -> Iterable[bytes]:
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", environment.get("HTTP_RANGE", ""))
        with self._lock:
            self.requests += 1
            if found is not None:
                self.bytes += int(found[2]) + 1 - int(found[1])
        time.sleep(self.delay)
        return self.application(environment, start)

    def taken(self) -> tuple[int, int]:
        """Return the requests and the bytes since the last call."""
        found = self.requests, self.bytes
        self.requests = self.bytes = 0
        return found


def serve() -> tuple[Counting, str]:
    """Start a server of S3; return what counts, and its address."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    counting = Counting(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, counting, True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return counting, f"http://127.0.0.1:{server.server_address[1]}"


def chunks_of(path: Path, columns: tuple[str, ...]) -> int:
    """Return the bytes that columns have in a parquet file."""
    metadata = pq.read_metadata(path)
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    chunks = (group.column(place) for group in groups for place in range(group.num_columns))
    return sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in columns)


def put(address: str, pool: Path) -> None:
    """Put a pool into the bucket."""
    import boto3

    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket="bucket")
    for path in sorted(pool.glob("*.parquet")):
        client.upload_file(str(path), "bucket", f"pool/{path.name}")


@dataclass(frozen=True)
class Row:
    """A command: the bytes that it asked for, relative to `needed`."""

    name: str
    requests: int
    bytes: int
    needed: int
    cpu: float
    wall: float


def table(rounds: list[list[Row]]) -> list[str]:
    """Lay out what the first round asked for, which all do, and medians."""
    rows = []
    for same in zip(*rounds, strict=True):
        first = same[0]
        share = f"{first.bytes / first.needed:.2f}" if first.bytes else "0"
        seconds = (f"{middle(same, what):.2f}" for what in ("cpu", "wall"))
        rows.append((first.name, str(first.requests), f"{first.bytes / 1e6:.1f}", share, *seconds))
    return markdown(("what", "requests", "MB asked for", "of those needed", "CPU s", "wall s"), rows)


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Run everything; return the table. Raises BenchmarkError where a run fails or two subsets differ."""
    pool, dcql = given.pool, find_dcql(given.dcql)
    files = sorted(pool.glob("*.parquet"))
    every = sum(path.stat().st_size for path in files)
    needed, texts = (sum(chunks_of(path, columns) for path in files) for columns in (NEEDED, TEXTS))
    counting, address = serve()
    os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1"}
    put(address, pool)
    counting.delay = given.delay
    recipe = work / "words.dcql"
    recipe.write_text(WORDS)
    counting.taken()

    def once(name: str, words: tuple[str, ...], home: Path, against: int) -> Row:
        cpu, wall, _ = spend(words, work / "log", home)
        requests, read = counting.taken()
        return Row(name, requests, read, against, cpu, wall)

    def dcql_run(recipe: str, place: str) -> tuple[str, ...]:
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        return (*dcql, "run", recipe, "--pool", place, "--out", str(out), "--threads", str(given.threads))

    rounds: list[list[Row]] = []
    for number in range(given.repeats):
        home = work / f"home{number}"
        by_hand = script("duckdb_s3fs", "s3://bucket/pool", str(work / "by_hand.npy"), "0.3", str(given.threads))
        rows = [once("DuckDB and s3fs as they come", by_hand, home, needed)]
        rows.append(once("dcql, the same pool on disk", dcql_run(RECIPE, str(pool)), home, needed))
        rows.append(once("dcql, raw, empty cache", dcql_run(RECIPE, "s3://bucket/pool"), home, needed))
        if (work / "out" / "subset.npy").read_bytes() != (work / "by_hand.npy").read_bytes():
            raise BenchmarkError("dcql and the script wrote different subsets")
        rows.append(once("dcql, raw, again", dcql_run(RECIPE, "s3://bucket/pool"), home, needed))
        shutil.rmtree(home / "cache")
        rows.append(once("dcql pool add", (*dcql, "pool", "add", "small", "s3://bucket/pool"), home, every))
        rows.append(once("dcql, added", dcql_run(RECIPE, "small"), home, needed))
        shutil.rmtree(home / "cache")
        rows.append(once("dcql, added, captions, empty cache", dcql_run(str(recipe), "small"), home, texts))
        rows.append(once("dcql, added, captions, again", dcql_run(str(recipe), "small"), home, texts))
        rounds.append(rows)
        shutil.rmtree(home)
    heading = (
        f"{every / 1e6:.0f} MB in {len(files)} files, of which {RECIPE} needs {needed / 1e6:.1f} MB; every request "
        f"waits {given.delay * 1000:.0f} ms; {given.threads} threads; medians of {given.repeats} rounds."
    )
    return Report([heading, "", *table(rounds)])


def main() -> int:
    reading = parser("Count and time what is read of a pool on S3.", repeats=3, dcql=True)
    reading.add_argument("pool", type=Path, help="folder written by pool.py")
    reading.add_argument("--delay", type=float, default=0.05, help="seconds that every request waits")
    reading.add_argument("--threads", type=positive, default=2)
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
