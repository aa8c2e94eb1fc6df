"""Time reading one array of an .npz file into memory: dcql against numpy.load.

    python benchmarks/embeddings.py [--rows 200000] [--repeats 7] [--write FILE]

The file has DataComp's five arrays, 6 KB a row, and lies in the page cache. What is read is `l14_img`, all of it, as
float16 and as float32: numpy.load returns the array, then converts it; dcql copies it by stretches into one buffer, as
a model that looks at batches does, and also into one new array, which is mostly the time that the system takes to give
out memory.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import BenchmarkError
from spine import replace_between

from dcql.engine.embeddings import Embeddings

KEY, STRETCH = "l14_img", 8192
WIDTHS = {
    "b32_img": (512, "f2"),
    "b32_txt": (512, "f2"),
    "l14_img": (768, "f2"),
    "l14_txt": (768, "f2"),
    "dedup": (256, "f4"),
}
BEGIN, END = "<!-- begin: printed by embeddings.py -->", "<!-- end: printed by embeddings.py -->"


def write(path: Path, rows: int) -> None:
    """Write an .npz of DataComp's form; the values of all rows are those of a few."""
    rng = np.random.default_rng(0)
    some = {key: rng.standard_normal((1024, width), dtype=np.float32) / 28 for key, (width, _) in WIDTHS.items()}
    np.savez(path, **{key: np.resize(some[key], (rows, width)).astype(dtype) for key, (width, dtype) in WIDTHS.items()})


def contenders(path: str) -> dict[str, Callable[[], Any]]:
    """Return the ways of reading by name."""
    half, single = np.empty((STRETCH, 768), np.float16), np.empty((STRETCH, 768), np.float32)

    def stretches(out: Any) -> None:
        embeddings = Embeddings.open(path, KEY)
        for start in range(0, embeddings.shape[0], STRETCH):
            embeddings.read(start, start + STRETCH, out)

    def whole(dtype: type) -> Any:
        embeddings = Embeddings.open(path, KEY)
        return embeddings.read(out=np.empty(embeddings.shape, dtype))

    def loaded() -> Any:
        with np.load(path) as archive:
            return archive[KEY]

    return {
        "numpy.load, float16": loaded,
        "dcql, float16, by stretches": lambda: stretches(half),
        "dcql, float16, one array": lambda: whole(np.float16),
        "numpy.load, float32": lambda: loaded().astype(np.float32),
        "dcql, float32, by stretches": lambda: stretches(single),
        "dcql, float32, one array": lambda: whole(np.float32),
    }


def compare(path: Path, rows: int, repeats: int) -> str:
    """Return the report; raise BenchmarkError where the ways of reading give different values."""
    ways = contenders(str(path))
    wanted = ways["numpy.load, float32"]()
    for name in ("dcql, float16, one array", "dcql, float32, one array"):
        if not np.array_equal(ways[name](), wanted):
            raise BenchmarkError(f"{name} read other values than numpy.load")
    load = os.getloadavg()[0]
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    size = rows * 768 * 2
    lines = [
        f"`{KEY}` of {rows:,} rows, {size / 1e6:,.0f} MB of float16 in the file; medians of {repeats} runs in turns, "
        f"{os.cpu_count()} cores, load {load:.1f} at the start.",
        "",
        "| | MB of the file a second | to numpy.load |",
        "|---|--:|--:|",
    ]
    for name, times in taken.items():
        base = statistics.median(taken[f"numpy.load, {name.split(', ')[1]}"])
        middle = statistics.median(times)
        lines.append(f"| {name} | {size / middle / 1e6:,.0f} | {base / middle:.1f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Time reading embeddings: dcql against numpy.load.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    parser.add_argument("--work", type=Path, help="folder for the temporary file (default: the system's)")
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.rows < 1:
        parser.error("--rows and --repeats must be at least 1")
    try:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            path = Path(folder) / "0a.npz"
            write(path, arguments.rows)
            report = compare(path, arguments.rows, arguments.repeats)
        print(report)
        if arguments.write:
            replace_between(arguments.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"embeddings.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
