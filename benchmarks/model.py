"""What a pool of a size should cost to add and to run on: bytes, CPU seconds, memory, traffic, time and money.

    python benchmarks/model.py [--rows 12800000000] [--write docs/scaling.md]

The costs of a sample were measured on 12.8M of them, one thread, on a core of a 2-core EPYC (Zen 3): `STAGES` is what
benchmarks/stages.py printed. Everything else is arithmetic, with the assumptions below; nothing here was run at
12.8B. Prices are round figures for machines by the hour, of no provider in particular.
"""

import argparse
import sys
from dataclasses import dataclass

from report import Report, markdown, parser, positive, run

# Nanoseconds of CPU for a sample, DataComp's columns (225 bytes of parquet a sample).
STAGES = {
    "read, check": 742 + 46,
    "digest of each row": 1243,
    "scalars, distributions, sidecar": 109 + 45,
    "lengths of texts": 99 + 5,
    "parse and sort uids, write runs": 18 + 106 + 44,
    "rank": 24 + 84 + 8 + 107 + 26 + 1,
}
RANKING = "rank"
SCAN = 6  # clip30 on an added pool: DuckDB, one column
MARKS = 1 + 1 + 5 + 2  # the funnel, ranks, bits, and what lies between: one process
UIDS = 4  # reading uids.npy once
KEPT = 17 + 10  # for each kept sample: hash, write
START = 0.45  # seconds: the interpreter, numpy, DuckDB
FILE = 0.0003  # seconds for each file that a scan opens
OPEN = 0.00002  # seconds for each place of a file that ranking reads a piece from; estimated, not measured

POOL = 239  # bytes of metadata a sample, as in DataComp
FILE_ROWS = 512_000
KEPT_SHARE = 0.3
RANKS_WIDEN = 2**32


@dataclass(frozen=True)
class Place:
    """Machines: how many, and of each the cores, GB of memory, GB/s of disk and of network, and $ an hour."""

    name: str
    nodes: int
    cores: int
    memory: int
    disk: float
    network: float
    price: float


PLACES = (
    Place("one box: 96 cores, 768 GB, NVMe", 1, 96, 768, 6.0, 5.0, 6.0),
    Place("64 nodes of 16 cores, 64 GB", 64, 16, 64, 1.0, 1.2, 0.8),
)
OBJECT_STORE = 0.023  # $ a GB and month


def stored(rows: int) -> dict[str, float]:
    """Return the bytes of the store by part."""
    rank = 4 if rows < RANKS_WIDEN else 8
    return {
        "sidecars": 24.0 * rows,  # two FLOATs and two INTs
        "lengths of texts": 12.0 * rows,
        "sorted runs of uids": 20.06 * rows,
        "digests of rows": 32.0 * rows,
        "ranks": float(rank * rows),
        "uids.npy": 16.0 * rows,
    }


def add_seconds(rows: int, piece_memory: float) -> tuple[float, float]:
    """Return CPU seconds that spread over files, and those of the one process that ranks."""
    files = -(-rows // FILE_ROWS)
    pieces = max(1.0, rows / (piece_memory / 1024))
    spread = sum(ns for name, ns in STAGES.items() if name != RANKING) * 1e-9 * rows
    return spread, STAGES[RANKING] * 1e-9 * rows + 3 * OPEN * files * pieces


def run_seconds(rows: int) -> tuple[float, float]:
    """Return CPU seconds of clip30 that spread over files, and those of the one process that marks and writes."""
    files = -(-rows // FILE_ROWS)
    spread = SCAN * 1e-9 * rows + FILE * files
    return spread, START + (MARKS + UIDS + KEPT * KEPT_SHARE) * 1e-9 * rows


def plan(rows: int) -> list[str]:
    """Return the plan for so many samples."""
    kinds = stored(rows)
    kept = KEPT_SHARE * rows
    sizes = [
        ("metadata", _bytes(POOL * rows)),
        *((f"store: {name}", _bytes(size)) for name, size in kinds.items()),
        ("store, all", _bytes(sum(kinds.values()))),
        ("a subset of 30 %", _bytes(16 * kept)),
        ("marks of a run: bits, with copies bytes", f"{_bytes(rows / 8)}, {_bytes(rows)}"),
        ("marks.bin, held while ranking, with its order", _bytes(rows / 256 * 40)),
    ]
    columns = [list(_on(place, rows, kinds).items()) for place in PLACES]
    costs = [(cells[0][0], *(value for _, value in cells)) for cells in zip(*columns, strict=True)]
    return [
        f"{rows:,} samples in {-(-rows // FILE_ROWS):,} files of {FILE_ROWS:,}.",
        "",
        *markdown(("bytes", ""), sizes),
        "",
        *markdown(("", *(place.name for place in PLACES)), costs),
    ]


def _on(place: Place, rows: int, kinds: dict[str, float]) -> dict[str, str]:
    gb = 1e9
    cores = place.nodes * place.cores
    spread, alone = add_seconds(rows, 0.5 * place.memory * gb)
    # Read the metadata and write the store; ranking reads uids and digests again, and writes positions twice.
    traffic = POOL * rows + sum(kinds.values()) + (48 + 2 * 8) * rows
    reading = traffic / gb / (place.disk * place.nodes)
    ranking_traffic = (48 + 2 * 8 + 16) * rows / gb / (place.disk if place.nodes == 1 else place.network)
    added = max(spread / cores, reading) + max(alone, ranking_traffic)
    run_spread, run_alone = run_seconds(rows)
    scan = (4 + kinds["ranks"] / rows) * rows / gb / (place.disk * place.nodes)
    uids = (16 + 16 * KEPT_SHARE) * rows / gb / (place.disk if place.nodes == 1 else place.network)
    ran = max(run_spread / cores, scan) + max(run_alone, uids)
    money = place.nodes * place.price / 3600
    moved = 0.0 if place.nodes == 1 else (48 + 8) * rows
    bits = 0.0 if place.nodes == 1 else rows / 8
    return {
        "add: CPU, of files and of the ranking": f"{_hours(spread)}, {_hours(alone)}",
        "add: by the clock": _hours(added),
        "add: over the network to one place": _bytes(moved),
        "add: money": f"${added * money:,.0f}",
        "clip30: CPU, of files and at the end": f"{_hours(run_spread)}, {_hours(run_alone)}",
        "clip30: by the clock": _hours(ran),
        "clip30: over the network to one place": _bytes(bits),
        "clip30: money": f"${ran * money:,.2f}",
        "store, a month": f"${sum(kinds.values()) / gb * OBJECT_STORE:,.0f}",
    }


def _bytes(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:,.3g} {unit}"
    return f"{size:,.0f} B"


def _hours(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:,.1f} min" if seconds >= 120 else f"{seconds:,.0f} s"


def measure(given: argparse.Namespace, _: object) -> Report:
    """Return the plan; nothing is measured."""
    return Report(plan(given.rows))


def main() -> int:
    reading = parser("What a pool of a size should cost.")
    reading.add_argument("--rows", type=positive, default=12_800_000_000)
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
