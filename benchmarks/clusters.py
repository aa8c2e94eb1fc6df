"""Time the nearest of 1,000, 10,000 and 100,000 centroids: dcql against matrix multiplication and DataComp's einsum.

    python benchmarks/clusters.py [--centroids 1000 10000 100000] [--repeats 5] [--threads 2] [--write FILE]

Vectors are float16 with 768 values, as CLIP L/14's. The contenders take turns in one process, so that a busy machine
slows all of them; `multiply` is what no method on such scores can beat, and gives no answer.
"""

import argparse
import functools
import os
import subprocess
import sys
from typing import Any

from measure import BenchmarkError, Spent, clocked, in_turns
from report import Report, markdown, middle, parser, positive, run

WIDTH = 768
DATACOMP = 1024  # DataComp's batch
# Rows in work by number of centroids: a second or two each.
ROWS = {1_000: 32_768, 10_000: 8_192, 100_000: 2_048}


def row(centroids: int, repeats: int) -> list[str]:
    """Return the table's row for one number of centroids, after the number."""
    import numpy as np

    from dcql.engine.udfs.search import BATCH
    from dcql.engine.udfs.vectors import load_nearest

    rng = np.random.default_rng(centroids)

    def unit(rows: int) -> Any:
        vectors = rng.standard_normal((rows, WIDTH), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    rows = ROWS.get(centroids, max(2048, 2**25 // centroids))
    matrix, vectors = unit(centroids), unit(rows).astype(np.float16)
    model = load_nearest(weights=None, assets={"centroids": matrix}, options={"device": "cpu"})

    space = np.empty((min(BATCH, rows), centroids), np.float32)  # new memory for each batch would slow it

    def multiply() -> None:
        for start in range(0, rows, BATCH):
            part = vectors[start : start + BATCH].astype(np.float32)
            np.matmul(part, matrix.T, out=space[: len(part)])

    def einsum() -> Any:
        parts = (vectors[start : start + DATACOMP].astype(np.float32) for start in range(0, rows, DATACOMP))
        return np.concatenate([np.einsum("nd,kd->nk", part, matrix, optimize=True).argmax(1) for part in parts])

    def dcql() -> Any:
        return np.asarray(model(vectors).values)

    ways = {"multiply": multiply, "einsum + argmax": einsum, "dcql": dcql}
    answers = {name: way() for name, way in ways.items()}

    def timed(name: str) -> Spent:
        return clocked(ways[name])[1]

    turns = in_turns({name: functools.partial(timed, name) for name in ways}, repeats)
    speed = {name: rows / middle(runs, "wall") for name, runs in turns.runs.items()}
    differ = int((answers["dcql"] != answers["einsum + argmax"]).sum())
    return [
        *(f"{each:,.0f}" for each in speed.values()),
        f"{speed['dcql'] / speed['multiply']:.2f}",
        f"{middle(turns.runs['multiply']) / middle(turns.runs['dcql']):.2f}",
        f"{speed['dcql'] / speed['einsum + argmax']:.2f}",
        f"{differ} of {rows:,}",
    ]


def in_a_process(centroids: int, repeats: int, threads: int) -> list[str]:
    """Measure in a fresh process with a number of threads; raise BenchmarkError where it fails."""
    environment = dict(os.environ) | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    # They choose a slow kernel where they are set for the sake of older releases.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    words = [sys.executable, __file__, "--one", "--centroids", str(centroids), "--repeats", str(repeats)]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise BenchmarkError(f"measuring {centroids} centroids ended with {done.returncode}")
    return done.stdout.strip().split(" | ")


def measure(given: argparse.Namespace, _: object) -> Report:
    """Return the table, or with --one the cells of a row."""
    if given.one:
        return Report([" | ".join(row(given.centroids[0], given.repeats))])
    heading = (
        f"Samples a second, {WIDTH} values, {given.threads} threads; medians of {given.repeats} runs in turns, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start."
    )
    ratios = ("dcql to multiply", "the same in CPU s", "dcql to einsum", "other answers")
    head = ("centroids", "multiply", "einsum + argmax", "dcql", *ratios)
    rows = [(f"{one:,}", *in_a_process(one, given.repeats, given.threads)) for one in given.centroids]
    return Report([heading, "", *markdown(head, rows, texts=0)])


def several(text: str) -> int:
    """Read a number of centroids."""
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError("it must be at least 2")
    return number


def main() -> int:
    reading = parser("Time the nearest centroid: dcql against matrix multiplication.", repeats=5)
    reading.add_argument("--centroids", type=several, nargs="+", default=list(ROWS))
    reading.add_argument("--threads", type=positive, default=2)
    reading.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
