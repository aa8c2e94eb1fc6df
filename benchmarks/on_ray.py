"""CPU seconds a row of runs on a Ray cluster of this machine, against the same runs here.

    python benchmarks/on_ray.py POOL [--raylets 1 2 4] [--turns 3]

POOL is a folder of parquet files, such as benchmarks/pool.py writes. Each turn does the recipes below here, on all
cores, then on clusters of 1, 2 and 4 raylets among which the cores are divided, one at least for each.

What is counted, after start-up: a cluster is up and its workers have done a small run. From then on, user and system
time of all processes below this one, with their ended children, in three parts:

    run      this process: the driver, or the whole run here
    workers  what executes tasks, between tasks too
    Ray      its own processes (raylets, gcs_server, agents, monitors). They use CPU by the second, not by the row

The measure is run + workers, against the run here. Nothing is kept from one run to another, and every run must give the
same hashes.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RECIPES = {
    "scores": "SELECT uid FROM pool WHERE clip_l14 >= q(0.7) AND clip_b32 >= q(0.3);",
    "captions": (
        "SELECT uid FROM pool WHERE code_points(text) >= 6 AND python_words(text) >= 2"
        " AND least(original_width, original_height) >= 200 AND clip_l14 >= q(0.5);"
    ),
    "sample": "SELECT uid FROM pool WHERE clip_l14 >= q(0.3) SAMPLE 50 PERCENT SEED 7;",
    "sizes": (
        "SELECT uid FROM pool WHERE q(0.4, original_width * original_height) < original_width * original_height"
        " AND original_width < 3 * original_height;"
    ),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds: of this process, of workers, of Ray's own processes."""

    run: float
    workers: float
    ray: float

    @property
    def counted(self) -> float:
        """The measure."""
        return self.run + self.workers

    def since(self, before: "Spent") -> "Spent":
        """Return what was spent since."""
        return Spent(self.run - before.run, self.workers - before.workers, self.ray - before.ray)


def spent() -> Spent:
    """Return the CPU seconds of this process and all below it so far."""
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    worker: dict[int, bool] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                command = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue  # it ended between the calls
            process = int(entry.name)
            parents[process] = int(fields[1])
            used[process] = sum(map(int, fields[11:15]))
            worker[process] = command.startswith(b"ray::")
    own = os.getpid()
    # Children that ended before are in the fields of this process too: those of an earlier cluster cancel out.
    parts = {"run": used[own], "workers": 0, "ray": 0}
    for process, ticks in used.items():
        above = parents[process]
        while above not in (0, own):
            above = parents.get(above, 0)
        if above and process != own:
            parts["workers" if worker[process] else "ray"] += ticks
    return Spent(**{name: ticks / tick for name, ticks in parts.items()})


def main() -> int:
    """Run every contender in turn and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--raylets", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1, help="how often each recipe is run, to make the job longer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DCQL_HOME"] = home
        return _measure(arguments)


def _measure(arguments: argparse.Namespace) -> int:
    from ray.cluster_utils import Cluster as Raylets

    from dcql.catalog.pool import open_pool
    from dcql.compiler import compile_once, run_compiled
    from dcql.engine.cluster.doing import Cluster
    from dcql.engine.cluster.ray_cluster import ray_cluster
    from dcql.engine.cluster.results import Results
    from dcql.engine.duck import Resources
    from dcql.source import Source

    pool = open_pool(arguments.pool)
    compiled = [compile_once(Source(name, text), pool.schema, None) for name, text in RECIPES.items()]
    rows = pool.rows * len(RECIPES) * arguments.repeats
    cores = os.cpu_count() or 1

    def job(cluster: Cluster | None) -> tuple[Spent, float, tuple[str, ...]]:
        before, started = spent(), time.perf_counter()
        hashes = []
        for _ in range(arguments.repeats):
            for one in compiled:
                with tempfile.TemporaryDirectory() as folder:
                    if cluster is not None:
                        cluster.results = Results(Path(folder))
                    hashes.append(run_compiled(one, pool, Resources(), cluster=cluster).hash)
        return spent().since(before), time.perf_counter() - started, tuple(hashes)

    found: dict[str, list[Spent]] = {}
    walls: dict[str, list[float]] = {}
    told: set[tuple[str, ...]] = set()

    def note(name: str, cluster: Cluster | None) -> None:
        cpu, wall, hashes = job(cluster)
        told.add(hashes)
        found.setdefault(name, []).append(cpu)
        walls.setdefault(name, []).append(wall)
        parts = f"run {cpu.run:6.1f}  workers {cpu.workers:6.1f}  Ray {cpu.ray:6.1f}"
        print(f"{name:12} {cpu.counted:7.1f} CPU s ({parts}) {wall:7.1f} s", flush=True)

    for _ in range(arguments.turns):
        note("here", None)
        for count in arguments.raylets:
            raylets = Raylets(initialize_head=True, head_node_args={"num_cpus": max(1, cores // count)})
            for _ in range(count - 1):
                raylets.add_node(num_cpus=max(1, cores // count))
            try:
                with ray_cluster(raylets.address) as cluster, tempfile.TemporaryDirectory() as folder:
                    cluster.results = Results(Path(folder))
                    run_compiled(compiled[0], pool, Resources(), cluster=cluster)
                    note(f"{count} raylets", cluster)
            finally:
                raylets.shutdown()
    if len(told) != 1:
        print("the hashes differ", file=sys.stderr)
        return 1
    here = [one.counted for one in found["here"]]
    print(f"\n{rows:,} rows a job ({pool.rows:,} x {rows // pool.rows}), hashes equal\n")
    for name, each in found.items():
        cpu = statistics.median(one.counted for one in each)
        ratios = sorted(one.counted / other for one, other in zip(each, here, strict=True))
        with_ray = statistics.median((one.counted + one.ray) / other for one, other in zip(each, here, strict=True))
        print(
            f"{name:12} {1e6 * cpu / rows:6.3f} CPU s / 1M rows {cpu:7.1f} CPU s"
            f"  {statistics.median(walls[name]):6.1f} s"
            f"  {statistics.median(ratios):5.3f} of here ({ratios[0]:.3f} to {ratios[-1]:.3f}), {with_ray:.3f} with Ray"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
