"""CPU seconds a row of runs on a Ray cluster of this machine, against the same runs here.

    python benchmarks/on_ray.py POOL [--raylets 1 2 4] [--turns 3] [--repeats 4]
    python benchmarks/on_ray.py POOL --raylets 1 --figures FILE     # and later 2 and 4: a command each
    python benchmarks/on_ray.py POOL --raylets --figures FILE --write benchmarks/README.md

POOL is a folder of parquet files, such as benchmarks/pool.py writes. Each turn does the recipes below here, on all
cores, then on clusters of 1, 2 and 4 raylets among which the cores are divided, one at least for each. With --figures
what is found for a number of raylets goes to a file, in the place of what that has of it, and the table is of the file.

What is counted, after start-up: a cluster is up and its workers have done a small run. From then on, user and system
time of all processes below this one, with their ended children, in three parts:

    run      this process: the driver, or the whole run here
    workers  what executes tasks, between tasks too, and whatever a raylet started and has ended
    Ray      its own processes (raylets, gcs_server, agents, monitors). They use CPU by the second, not by the row

The measure is run + workers, against the run here. Nothing is kept from one run to another, and every run must give the
same hashes.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from report import replace_between

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


_AGENTS = (b"ray::DashboardAgent\0", b"ray::RuntimeEnvAgent\0")  # begin as workers do, and execute no task


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


@dataclass(frozen=True, slots=True)
class Turn:
    """A job on a cluster of so many cores, and the same job here just before: CPU seconds, and seconds of the clock."""

    cores: int
    rows: int
    here: float
    wall_here: float
    counted: float
    ray: float
    wall: float


def spent() -> Spent:
    """Return the CPU seconds of this process and all below it so far."""
    tick = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    ended: dict[int, int] = {}  # children, by their parent
    command: dict[int, bytes] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                told = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue  # it ended between the calls
            process = int(entry.name)
            parents[process] = int(fields[1])
            used[process] = sum(map(int, fields[11:13]))
            ended[process] = sum(map(int, fields[13:15]))
            command[process] = told
    own = os.getpid()
    # Children that ended before are in the fields of this process too: those of an earlier cluster cancel out.
    parts = {"run": used[own] + ended[own], "workers": 0, "ray": 0}
    for process in used:
        above = parents[process]
        while above not in (0, own):
            above = parents.get(above, 0)
        if above and process != own:
            executes = command[process].startswith(b"ray::") and not command[process].startswith(_AGENTS)
            parts["workers" if executes else "ray"] += used[process]
            # A worker that ended, for one, is no longer there to be counted itself.
            parts["workers" if executes or _is_raylet(command[process]) else "ray"] += ended[process]
    return Spent(**{name: ticks / tick for name, ticks in parts.items()})


def _is_raylet(command: bytes) -> bool:
    return os.path.basename(command.partition(b"\0")[0]) == b"raylet"


def main() -> int:
    """Run every contender in turn and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--raylets", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1, help="how often each recipe is run, to make the job longer")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="keep what is found, beside what FILE has already")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
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
        hashes = []
        with tempfile.TemporaryDirectory() as folder:  # what was kept is removed when nothing is counted
            before, started = spent(), time.perf_counter()
            for number in range(arguments.repeats):
                for name, one in zip(RECIPES, compiled, strict=True):
                    if cluster is not None:
                        cluster.results = Results(Path(folder, f"{name}{number}"))
                    hashes.append(run_compiled(one, pool, Resources(), cluster=cluster).hash)
            return spent().since(before), time.perf_counter() - started, tuple(hashes)

    found: dict[int, list[Turn]] = {count: [] for count in arguments.raylets}
    told: set[tuple[str, ...]] = set()

    def timed(name: str, cluster: Cluster | None) -> tuple[Spent, float]:
        cpu, wall, hashes = job(cluster)
        told.add(hashes)
        parts = f"run {cpu.run:6.1f}  workers {cpu.workers:6.1f}  Ray {cpu.ray:6.1f}"
        print(f"{name:12} {cpu.counted:7.1f} CPU s ({parts}) {wall:7.1f} s", flush=True)
        return cpu, wall

    for _ in range(arguments.turns if arguments.raylets else 0):
        here, wall_here = timed("here", None)
        for count in arguments.raylets:
            each = max(1, cores // count)
            raylets = Raylets(initialize_head=True, head_node_args={"num_cpus": each})
            for _ in range(count - 1):
                raylets.add_node(num_cpus=each)
            try:
                with ray_cluster(raylets.address) as cluster, tempfile.TemporaryDirectory() as folder:
                    cluster.results = Results(Path(folder))
                    run_compiled(compiled[0], pool, Resources(), cluster=cluster)
                    cpu, wall = timed(f"{count} raylets", cluster)
            finally:
                raylets.shutdown()
            found[count].append(Turn(count * each, rows, here.counted, wall_here, cpu.counted, cpu.ray, wall))
    if len(told) > 1:
        print("the hashes differ", file=sys.stderr)
        return 1
    if arguments.figures is not None:
        kept = json.loads(arguments.figures.read_text()) if arguments.figures.exists() else {}
        kept |= {str(count): [asdict(turn) for turn in turns] for count, turns in found.items()}
        arguments.figures.write_text(json.dumps(kept, indent=1))
        found = {int(count): [Turn(**turn) for turn in turns] for count, turns in kept.items()}
    text = table(found)
    print(f"\n{text}")
    if arguments.write is not None:
        replace_between(arguments.write, text, "printed by on_ray.py")
    return 0


def table(found: dict[int, list[Turn]]) -> str:
    """Return the table of all turns, by the number of raylets."""
    lines = [
        "| | rows of a job | turns | here: CPU s, s | CPU s, s | CPU s / 1M rows | of here | with Ray's own |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for count, turns in sorted(found.items()):
        ratios = sorted(turn.counted / turn.here for turn in turns)
        middle = {name: statistics.median(getattr(turn, name) for turn in turns) for name in Turn.__slots__}
        with_ray = statistics.median((turn.counted + turn.ray) / turn.here for turn in turns)
        spread = f" ({ratios[0]:.3f} to {ratios[-1]:.3f})" if len(ratios) > 1 else ""
        lines.append(
            f"| {count} raylet{'s' if count > 1 else ''}, {turns[0].cores} cores"
            f" | {turns[0].rows / 1e6:.1f}M | {len(turns)} | {middle['here']:.1f}, {middle['wall_here']:.0f}"
            f" | {middle['counted']:.1f}, {middle['wall']:.0f} | {1e6 * middle['counted'] / turns[0].rows:.3f}"
            f" | **{statistics.median(ratios):.3f}**{spread} | {with_ray:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
