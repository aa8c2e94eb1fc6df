"""Time warm runs of two recipes: dcql beside scripts that do by hand what cannot be left out, each a fresh process.

    python benchmarks/warm.py --home HOME [--pool POOL] [--repeats 9] [--dcql CMD] [--write benchmarks/README.md]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; it is read through links, and nothing is written to
it. datacomp_1b finds its features stored, with made-up values (stored_features.py). CPU seconds, user and system, are
the figure to read: the bounds were 1.15 times the script of clip30, and 2 times that for datacomp_1b.

After numpy is imported, threads of its matrix products look out for work that never comes. dcql lets them sleep, so
each script runs a second time with its threads asleep: what is left is what both do on equal terms.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from measure import BenchmarkError, Contender, Dcql, Outcome, commands, find_dcql, in_turns, script, written
from report import SPENT, Report, markdown, middle, parser, run, spent

HERE = Path(__file__).parent
# What dcql sets for itself.
ASLEEP = ("env", "OPENBLAS_THREAD_TIMEOUT=16")


def linked(home: Path, pool: str, work: Path) -> tuple[Path, Path]:
    """Return a store of its own with the same pool, and the pool's folder: all files in both are linked.

    Features can be added to them, and assets, with nothing written to HOME or to the pool.
    """
    copy, folder = work / "home", work / "pool"
    shutil.copytree(home / "pools" / pool, copy / "pools" / pool, copy_function=os.link)
    (copy / "locks").mkdir()
    (copy / "locks" / pool).touch()
    record = copy / "pools" / pool / "pool.toml"
    text = record.read_text(encoding="utf-8")
    source = tomllib.loads(text)["source"]
    shutil.copytree(source, folder, copy_function=os.link)
    record.unlink()
    record.write_text(text.replace(f'"{source}', f'"{folder}'), encoding="utf-8")
    return copy, folder


def contenders(home: Path, pool: str, words: tuple[str, ...], work: Path) -> list[Contender]:
    """Return the scripts, as they are and with threads asleep, and runs of their recipes; then what starting takes.

    The programs of the recipes are stored.
    """
    store, folder = linked(home, pool, work)
    dcql = Dcql(words, store)
    places = work / "places.json"
    with places.open("w") as file:
        fill = [sys.executable, str(HERE / "stored_features.py"), pool, str(folder)]
        subprocess.run(fill, env={**os.environ, "DCQL_HOME": str(store)}, stdout=file, check=True)
    found: list[Contender] = []
    for recipe, more in (("clip30", ()), ("datacomp_1b", (str(places),))):
        by_hand = script(f"warm_{recipe}", pool, "{out}.npy", *more)
        ours = ("run", recipe, "--pool", pool, "--out", "{out}", "--threads", "2")
        found.append(Contender(f"{recipe}, by hand", by_hand, by_hand=True, home=store))
        found.append(Contender(f"{recipe}, by hand, threads asleep", (*ASLEEP, *by_hand), by_hand=True, home=store))
        found.append(dcql.contender(f"dcql run {recipe}", *ours))
        dcql.once(work, *ours)
    starts = (sys.executable, "-c", "import hashlib, tomllib, pathlib, numpy, pyarrow.parquet")
    found.append(Contender("by hand, Python and imports alone", starts, by_hand=True))
    found.append(dcql.contender("dcql --version", "--version"))
    return found


def table(outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Lay out medians, and ratios to the script of clip30 and to that of the same recipe, as they are and asleep."""
    cpu = {name: middle(runs) for name, runs in outcomes.items()}
    rows = []
    for name, runs in outcomes.items():
        recipe = name.removeprefix("dcql run ")
        scripts = ["clip30, by hand", "clip30, by hand, threads asleep"]
        scripts += [f"{recipe}, by hand", f"{recipe}, by hand, threads asleep"]
        ratios = [f"{cpu[name] / cpu[each]:.2f}" if each in cpu else "" for each in scripts]
        rows.append((name, *spent(runs, digits=3), *ratios))
    told = ("to clip30 by hand", "its threads asleep", "to its own script", "its threads asleep")
    return markdown(("contender", *SPENT, *told), rows)


def samples(home: Path, pool: str) -> int:
    """Return how many samples a pool of a store has."""
    found = re.search(r"^rows = (\d+)$", (home / "pools" / pool / "pool.toml").read_text(), re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"{home} has no pool {pool}")
    return int(found[1])


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians; the outputs of a recipe and of its script are compared."""
    made = contenders(given.home.absolute(), given.pool, find_dcql(given.dcql), work)
    turns = in_turns(commands(made, work), given.repeats)
    # Of each recipe one file.
    same = len(written(turns.runs.values())) == 2
    heading = f"Warm runs on {samples(given.home, given.pool):,} samples, an added pool, 2 threads; {turns.how}."
    told = "dcql and the scripts wrote the same bytes." if same else "**The outputs differ.**"
    return Report([heading, "", *table(turns.runs), "", told], agree=same)


def main() -> int:
    reading = parser("Time a warm run of clip30: dcql against a script.", repeats=9, dcql=True)
    reading.add_argument("--home", type=Path, required=True, help="a store with the pool; --work lies on its disk")
    reading.add_argument("--pool", default="bench", help="the pool's name in the store")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
