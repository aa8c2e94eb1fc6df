"""Say where the CPU seconds of an add or a run go: dcql's own functions with a clock around each.

    python benchmarks/stages.py add POOL [--memory 4]                     # a folder; the store is a temporary one
    python benchmarks/stages.py run RECIPE POOL --home HOME [--memory 4]  # a pool added in HOME, or a folder

The clock counts the CPU seconds of the process, all its threads, while a function runs and no other of the list inside
it. DuckDB runs with one thread, so that its work falls into the function that waits for it. "the rest" is what no
function of the list accounts for, start-up and imports apart: the interpreter, numpy and DuckDB are "start-up".
"""

import argparse
import contextlib
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Label: the functions whose time it is, as module:name or module:class.name.
ADD = {
    "read: parquet to Arrow": ("dcql.engine.intake:_batches",),
    "check texts": ("dcql.engine.intake:_check_text",),
    "uids: parse": ("dcql.engine.intake:parse_uids",),
    "digest of each row": ("dcql.engine.intake:row_digests",),
    "scalars, distributions": (
        "dcql.engine.intake:read_scalars",
        "dcql.engine.distribution:Distribution.add",
        "dcql.engine.distribution:Distribution.save",
    ),
    "lengths of texts: count": ("dcql.engine.intake:_lengths_in",),
    "sidecar, lengths: write": ("dcql.engine.intake:_Columns.add", "dcql.engine.intake:_Columns.__exit__"),
    "runs: sort, write": ("dcql.engine.intake:_Runs._flush", "dcql.engine.intake:_Runs.add"),
    "rank: cut the runs": ("dcql.engine.ranking:_splitters", "dcql.engine.ranking:_cuts"),
    "rank: read the pieces": ("dcql.engine.ranking:_read",),
    "rank: sort": ("dcql.engine.ranking:sort_order",),
    "rank: fingerprint": ("dcql.engine.fingerprint:PoolTree.update", "dcql.engine.fingerprint:PoolTree.fingerprint"),
    "rank: positions, ranks": ("dcql.engine.ranking:_write_positions", "dcql.engine.ranking:_write_ranks"),
    "rank: the rest, uids.npy": ("dcql.engine.add:rank",),
}
RUN = {
    "open the pool": ("dcql.compiler:open_or_make",),
    "compile, or find the program": ("dcql.compiler:compile_once",),
    "open the session": ("dcql.engine.duck:session",),
    "statistics": ("dcql.engine.statistics:Statistics.compute",),
    "last scan: DuckDB": ("dcql.engine.duck:Session.batches", "dcql.engine.duck:Session.marks"),
    "last scan: count the funnel": ("dcql.engine.run:_Output._count",),
    "last scan: ranks": ("dcql.engine.ranks:InOrder.take",),
    "last scan: marks": ("dcql.engine.marked:Bytes.add", "dcql.engine.marked:Bits.add"),
    "last scan: the rest": ("dcql.engine.run:_Output.of_added",),
    "raw: parse uids": ("dcql.engine.run:parse_items", "dcql.engine.uids:Gathered.add"),
    "raw: the rest of the scan": ("dcql.engine.run:_Output.of_raw",),
    "raw: sort": ("dcql.engine.uids:Gathered.subset",),
    "uids: read": ("dcql.engine.marked:Marked.pieces",),
    "hash": ("dcql.subset:_Hashing.update", "dcql.subset:_Hashing.of"),
    "write": ("dcql.subset:Subset.save",),
}


class Clock:
    """CPU seconds by label; a label within another stops the outer one."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._open: list[str] = []
        self._last = time.process_time()

    def _turn(self) -> None:
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] = self.spent.get(self._open[-1], 0.0) + now - self._last
        self._last = now

    @contextlib.contextmanager
    def counting(self, label: str) -> Iterator[None]:
        self._turn()
        self._open.append(label)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()


def wrapped(clock: Clock, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that counts its own time, and that of each step of what it yields."""

    def steps(iterator: Iterator[Any]) -> Iterator[Any]:
        while True:
            with clock.counting(label):
                try:
                    value = next(iterator)
                except StopIteration:
                    return
            yield value

    def counted(*args: Any, **kwargs: Any) -> Any:
        with clock.counting(label):
            result = function(*args, **kwargs)
        return steps(result) if isinstance(result, Iterator) and hasattr(result, "send") else result

    return counted


def put_clocks(clock: Clock, stages: dict[str, tuple[str, ...]]) -> None:
    """Put clocks around the functions of the stages."""
    for label, functions in stages.items():
        for function in functions:
            module, _, path = function.partition(":")
            owner: Any = importlib.import_module(module)
            *classes, name = path.split(".")
            for one in classes:
                owner = getattr(owner, one)
            setattr(owner, name, wrapped(clock, label, getattr(owner, name)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Say where the CPU seconds of an add or a run go.")
    parser.add_argument("what", choices=("add", "run"))
    parser.add_argument("arguments", nargs="+", help="add: POOL; run: RECIPE POOL")
    parser.add_argument("--home", type=Path, help="dcql's store (default: a temporary one)")
    parser.add_argument("--memory", type=float, default=4.0, help="GB")
    arguments = parser.parse_args()
    memory = int(arguments.memory * 10**9)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DCQL_HOME"] = str(arguments.home or Path(folder) / "home")
        clock = Clock()
        # What they import comes with the clocks, and is start-up.
        if arguments.what == "add":
            from dcql.engine.add import add

            stages = ADD
            put_clocks(clock, stages)
            (pool,) = arguments.arguments
            started = time.process_time()
            add("stages", pool, memory=memory)
            rows = 0
        else:
            from dcql.compiler import run
            from dcql.engine.duck import Resources

            stages = RUN
            put_clocks(clock, stages)
            recipe, pool = arguments.arguments
            if arguments.home is not None:
                run(recipe, pool, resources=Resources(1, memory)).hash  # noqa: B018
                clock.spent.clear()
            started = time.process_time()
            done = run(recipe, pool, resources=Resources(1, memory))
            done.subset.save(Path(folder) / "subset.npy")
            print(done.hash)
            rows = done.result.samples
        total = time.process_time() - started
        if arguments.what == "add":
            from dcql.catalog.pool import open_pool

            rows = open_pool("stages").rows
    print(f"{rows:,} samples; start-up {started:.2f} CPU s, then {total:.2f} in all")
    print()
    print("| stage | CPU s | ns a sample |")
    print("|---|--:|--:|")
    for label in stages:
        spent = clock.spent.get(label, 0.0)
        if spent:
            print(f"| {label} | {spent:.2f} | {spent / rows * 1e9:.0f} |")
    rest = total - sum(clock.spent.values())
    print(f"| the rest | {rest:.2f} | {rest / rows * 1e9:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
