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
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measure import BenchmarkError, spend
from spine import replace_between

RECIPE = "clip_score_l14_30"
NEEDED = ("uid", "clip_l14_similarity_score")
WORDS = "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND python_words(caption) > 2;\n"
BEGIN, END = "<!-- begin: printed by remote.py -->", "<!-- end: printed by remote.py -->"


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


def put(address: str, pool: Path) -> tuple[int, int]:
    """Put a pool into the bucket; return the bytes of its files, and those of the columns that the recipe needs."""
    import boto3

    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket="bucket")
    every = needed = 0
    for path in sorted(pool.glob("*.parquet")):
        client.upload_file(str(path), "bucket", f"pool/{path.name}")
        metadata = pq.read_metadata(path)
        every += path.stat().st_size
        for group in range(metadata.num_row_groups):
            described = metadata.row_group(group)
            chunks = (described.column(place) for place in range(described.num_columns))
            needed += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in NEEDED)
    return every, needed


@dataclass(frozen=True)
class Row:
    """A line of the table: the bytes are relative to `needed`."""

    name: str
    requests: int
    bytes: int
    needed: int
    cpu: float
    wall: float

    def __str__(self) -> str:
        share = f"{self.bytes / self.needed:.2f}" if self.bytes else "0"
        figures = f"{self.requests} | {self.bytes / 1e6:.1f} | {share} | {self.cpu:.2f} | {self.wall:.2f}"
        return f"| {self.name} | {figures} |"


def measure(pool: Path, delay: float, repeats: int, threads: int, dcql: list[str], work: Path) -> str:
    """Run everything; return the table. Raises BenchmarkError where a run fails or two subsets differ."""
    counting, address = serve()
    os.environ |= {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1"}
    every, needed = put(address, pool)
    counting.delay = delay
    by_hand = Path(__file__).parent / "by_hand" / "duckdb_s3fs.py"
    (work / "words.dcql").write_text(WORDS)
    counting.taken()

    def run(name: str, words: list[str], home: Path, against: int) -> Row:
        cpu, wall, _ = spend(words, work / "log", home)
        requests, read = counting.taken()
        return Row(name, requests, read, against, cpu, wall)

    def dcql_run(recipe: str, place: str) -> list[str]:
        out = work / "out"
        shutil.rmtree(out, ignore_errors=True)
        return [*dcql, "run", recipe, "--pool", place, "--out", str(out), "--threads", str(threads)]

    rounds: list[list[Row]] = []
    for number in range(repeats):
        home = work / f"home{number}"
        script = [sys.executable, str(by_hand), "s3://bucket/pool", str(work / "by_hand.npy"), "0.3", str(threads)]
        rows = [run("DuckDB and s3fs as they come", script, home, needed)]
        rows.append(run("dcql, the same pool on disk", dcql_run(RECIPE, str(pool)), home, needed))
        rows.append(run("dcql, raw, empty cache", dcql_run(RECIPE, "s3://bucket/pool"), home, needed))
        if (work / "out" / "subset.npy").read_bytes() != (work / "by_hand.npy").read_bytes():
            raise BenchmarkError("dcql and the script wrote different subsets")
        rows.append(run("dcql, raw, again", dcql_run(RECIPE, "s3://bucket/pool"), home, needed))
        shutil.rmtree(home / "cache")
        rows.append(run("dcql pool add", [*dcql, "pool", "add", "small", "s3://bucket/pool"], home, every))
        rows.append(run("dcql, added", dcql_run(RECIPE, "small"), home, needed))
        shutil.rmtree(home / "cache")
        text = str(work / "words.dcql")
        rows.append(run("dcql, added, captions, empty cache", dcql_run(text, "small"), home, _text(pool)))
        rows.append(run("dcql, added, captions, again", dcql_run(text, "small"), home, _text(pool)))
        rounds.append(rows)
        shutil.rmtree(home)
    lines = [
        f"{every / 1e6:.0f} MB in {len(list(pool.glob('*.parquet')))} files, of which {RECIPE} needs "
        f"{needed / 1e6:.1f} MB; every request waits {delay * 1000:.0f} ms; {threads} threads; medians of {repeats} "
        "rounds.",
        "",
        "| what | requests | MB asked for | of those needed | CPU s | wall s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for same in zip(*rounds, strict=True):
        first = same[0]
        cpu, wall = (statistics.median(getattr(row, name) for row in same) for name in ("cpu", "wall"))
        lines.append(str(Row(first.name, first.requests, first.bytes, first.needed, cpu, wall)))
    return "\n".join(lines)


def _text(pool: Path) -> int:
    """Return the bytes of the captions."""
    total = 0
    for path in pool.glob("*.parquet"):
        metadata = pq.read_metadata(path)
        for group in range(metadata.num_row_groups):
            described = metadata.row_group(group)
            chunks = (described.column(place) for place in range(described.num_columns))
            wanted = ("text", "clip_l14_similarity_score")
            total += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in wanted)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description="Count and time what is read of a pool on S3.")
    parser.add_argument("pool", type=Path, help="folder written by pool.py")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that every request waits")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dcql", default="dcql", help="the command, where it is not `dcql`")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        try:
            table = measure(
                options.pool, options.delay, options.repeats, options.threads, options.dcql.split(), Path(work)
            )
            print(table)
            if options.write:
                replace_between(options.write, table, BEGIN, END)
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
