"""Time what a researcher does with a recipe beside running it, on an added pool, each a fresh process.

    python benchmarks/interactive.py --home HOME [--pool POOL] [--repeats 3] [--beside CMD] [--write FILE]

HOME is a store that has POOL, an added pool of benchmarks/pool.py; it is read through links, and nothing is written to
it. `lang` is stored with made-up values (stored_features.py). `--beside` names another dcql, such as an earlier one,
that takes its turns on the same store. CPU seconds, user and system, are the figure to read: each command's are told
beside those of `dcql run` of the same recipe, which finds its program stored, as it does from the second run on.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from measure import Contender, Dcql, Outcome, commands, find_dcql, in_turns
from report import SPENT, Report, markdown, middle, parser, run, spent
from warm import linked, samples

HERE = Path(__file__).parent
CAPTIONS = "python_words(text) > words AND code_points(text) > 5"
RECIPES = {
    "captions": f"clip_l14 >= q(1 - keep) AND {CAPTIONS} AND basic_size(200)",
    "english": "clip_l14 >= q(1 - keep) AND english_caption AND basic_size(200) AND code_points(text) > words",
}
# Two clauses of each differ.
EDITED = {"words DEFAULT 2": "words DEFAULT 3", "basic_size(200)": "basic_size(300)"}
SWEEP = "keep=0.1..0.5:0.05"


def recipes(work: Path) -> dict[str, tuple[Path, Path]]:
    """Write each recipe and its edited form; return their files."""
    found = {}
    for name, clauses in RECIPES.items():
        text = f"PARAM keep DEFAULT 0.3;\nPARAM words DEFAULT 2;\nSELECT uid FROM pool WHERE {clauses};\n"
        edited = text
        for old, new in EDITED.items():
            edited = edited.replace(old, new)
        found[name] = work / f"{name}.dcql", work / f"{name}_edited.dcql"
        for file, written in zip(found[name], (text, edited), strict=True):
            file.write_text(written, encoding="utf-8")
    return found


def contenders(dcql: Dcql, files: dict[str, tuple[Path, Path]], pool: str, uid: str, work: Path) -> list[Contender]:
    """Return, for each recipe, a run, then all the other commands."""
    found: list[Contender] = []
    for name, (recipe, edited) in files.items():
        asked = {
            f"run {name}": ("run", str(recipe)),
            f"count {name} --alone": ("count", str(recipe), "--alone"),
            f"sweep {name}, nine values": ("sweep", str(recipe), "--set", SWEEP),
            f"why UID {name}": ("why", uid, str(recipe)),
            f"diff {name} edited, with causes": ("diff", str(recipe), str(edited)),
            f"show {name}": ("show", str(recipe)),
            f"show {name} --dropped": ("show", str(recipe), "--dropped"),
        }
        given = ("--pool", pool, "--threads", "2", "--no-compute", "--format", "json")
        found += [dcql.contender(f"dcql {title}", *words, *given) for title, words in asked.items()]
        dcql.once(work, "run", str(recipe), *given)
    return found


def table(outcomes: dict[str, list[Outcome]], beside: str) -> list[str]:
    """Lay out medians, and each command's ratio to the run before it; beside what the other dcql takes."""
    rows, once = [], 1.0
    for name, runs in outcomes.items():
        if name.startswith(beside):
            continue
        once = middle(runs) if name.startswith("dcql run") else once
        other = outcomes.get(f"{beside}{name}")
        more = [] if other is None else [f"{middle(other):.2f}", f"{middle(other) / middle(runs):.1f}"]
        rows.append((name, *spent(runs), f"{middle(runs) / once:.2f}", *more))
    head = ("command", *SPENT, "to its run", *(("earlier CPU s", "times less") if len(rows[0]) > 6 else ()))
    return markdown(head, rows)


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians of every command, and of the same by another dcql where one is named."""
    store, folder = linked(given.home.absolute(), given.pool, work)
    fill = [sys.executable, str(HERE / "stored_features.py"), given.pool, str(folder)]
    subprocess.run(fill, env={**os.environ, "DCQL_HOME": str(store)}, stdout=subprocess.DEVNULL, check=True)
    (uids,) = (store / "pools" / given.pool).glob("versions/*/uids.npy")
    high, low = np.load(uids, mmap_mode="r")[12_345].item()
    files = recipes(work)
    made = contenders(Dcql(find_dcql(given.dcql), store), files, given.pool, f"{high:016x}{low:016x}", work)
    beside = "earlier: "
    if given.beside is not None:
        other = Dcql(find_dcql(given.beside), store)
        for one in contenders(other, files, given.pool, f"{high:016x}{low:016x}", work):
            made.append(Contender(f"{beside}{one.name}", one.words, by_hand=False, home=store))
    turns = in_turns(commands(made, work), given.repeats)
    heading = f"{samples(given.home, given.pool):,} samples, an added pool, 2 threads, `lang` stored; {turns.how}."
    return Report([heading, "", *table(turns.runs, beside)])


def main() -> int:
    reading = parser("Time sweep, diff, why, show and count against one run.", repeats=3, dcql=True)
    reading.add_argument("--home", type=Path, required=True, help="a store with the pool; --work lies on its disk")
    reading.add_argument("--pool", default="bench", help="the pool's name in the store")
    reading.add_argument("--beside", metavar="CMD", help="another dcql to compare with")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
