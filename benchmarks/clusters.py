"""Time the nearest of 1,000, 10,000 and 100,000 centroids: dcql against matrix multiplication and DataComp's einsum.

    python benchmarks/clusters.py [--centroids 1000 10000 100000] [--repeats 5] [--threads 2] [--write FILE]

Vectors are float16 with 768 values, as CLIP L/14's. The contenders take turns in one process, so that a busy machine
slows all of them; `multiply` is what no method on such scores can beat, and gives no answer.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import BenchmarkError
from spine import replace_between

WIDTH = 768
DATACOMP = 1024  # DataComp's batch
BEGIN, END = "<!-- begin: printed by clusters.py -->", "<!-- end: printed by clusters.py -->"
# Rows in work by number of centroids: a second or two each.
ROWS = {1_000: 32_768, 10_000: 8_192, 100_000: 2_048}


def measure(centroids: int, repeats: int) -> str:
    """Return a table's lines for one number of centroids."""
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

    contenders: dict[str, Callable[[], Any]] = {"multiply": multiply, "einsum + argmax": einsum, "dcql": dcql}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    answers = {name: run() for name, run in contenders.items()}
    for _ in range(repeats):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    speed = {name: rows / statistics.median(times) for name, times in taken.items()}
    differ = int((answers["dcql"] != answers["einsum + argmax"]).sum())
    return (
        f"| {centroids:,} | {speed['multiply']:,.0f} | {speed['einsum + argmax']:,.0f} | {speed['dcql']:,.0f} "
        f"| {speed['dcql'] / speed['multiply']:.2f} | {speed['dcql'] / speed['einsum + argmax']:.2f} "
        f"| {differ} of {rows:,} |"
    )


def in_a_process(centroids: int, repeats: int, threads: int) -> str:
    """Measure in a fresh process with a number of threads; raise BenchmarkError where it fails."""
    environment = dict(os.environ) | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    # They choose a slow kernel where they are set for the sake of older releases.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    words = [sys.executable, __file__, "--one", "--centroids", str(centroids), "--repeats", str(repeats)]
    run = subprocess.run(words, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise BenchmarkError(f"measuring {centroids} centroids ended with {run.returncode}:\n{run.stderr}")
    return run.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description="Time the nearest centroid: dcql against matrix multiplication.")
    parser.add_argument("--centroids", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.repeats < 1 or arguments.threads < 1 or min(arguments.centroids) < 2:
        parser.error("--repeats and --threads must be at least 1, --centroids at least 2")
    if arguments.one:
        print(measure(arguments.centroids[0], arguments.repeats))
        return 0
    lines = [
        f"Samples a second, {WIDTH} values, {arguments.threads} threads; medians of {arguments.repeats} runs in turns, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.",
        "",
        "| centroids | multiply | einsum + argmax | dcql | dcql to multiply | dcql to einsum | other answers |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    try:
        for centroids in arguments.centroids:
            lines.append(in_a_process(centroids, arguments.repeats, arguments.threads))
            print(lines[-1], file=sys.stderr)
        report = "\n".join(lines)
        print(report)
        if arguments.write:
            replace_between(arguments.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"clusters.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
