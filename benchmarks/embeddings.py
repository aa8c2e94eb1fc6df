"""Time reading one array of an .npz file into memory: dcql against numpy.load.

    python benchmarks/embeddings.py [--rows 200000] [--repeats 7] [--write FILE]

The file has DataComp's five arrays, 6 KB a row, and lies in the page cache. What is read is `l14_img`, all of it, as
float16 and as float32: numpy.load returns the array, then converts it; dcql copies it by stretches into one buffer, as
a model that looks at batches does, and also into one new array, which is mostly the time that the system takes to give
out memory.
"""

import argparse
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import BenchmarkError, Spent, clocked, in_turns
from report import Report, markdown, middle, parser, positive, run

from dcql.engine.embeddings import Embeddings

KEY, STRETCH = "l14_img", 8192
WIDTHS = {
    "b32_img": (512, "f2"),
    "b32_txt": (512, "f2"),
    "l14_img": (768, "f2"),
    "l14_txt": (768, "f2"),
    "dedup": (256, "f4"),
}


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


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians; raise BenchmarkError where the ways of reading give different values."""
    path = work / "0a.npz"
    write(path, given.rows)
    ways = contenders(str(path))
    wanted = ways["numpy.load, float32"]()
    for name in ("dcql, float16, one array", "dcql, float32, one array"):
        if not np.array_equal(ways[name](), wanted):
            raise BenchmarkError(f"{name} read other values than numpy.load")

    def timed(name: str) -> Spent:
        return clocked(ways[name])[1]

    turns = in_turns({name: functools.partial(timed, name) for name in ways}, given.repeats)
    size = given.rows * 768 * 2
    rows = []
    for name, runs in turns.runs.items():
        base = middle(turns.runs[f"numpy.load, {name.split(', ')[1]}"], "wall")
        taken = middle(runs, "wall")
        rows.append((name, f"{size / taken / 1e6:,.0f}", f"{base / taken:.1f}"))
    heading = f"`{KEY}` of {given.rows:,} rows, {size / 1e6:,.0f} MB of float16 in the file; {turns.how}."
    return Report([heading, "", *markdown(("", "MB of the file a second", "to numpy.load"), rows)])


def main() -> int:
    reading = parser("Time reading embeddings: dcql against numpy.load.", repeats=7)
    reading.add_argument("--rows", type=positive, default=200_000)
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
