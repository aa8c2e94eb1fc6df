"""Time `dcql reshard`: against reading all bytes once and writing the kept ones, and against DataComp's way.

    python benchmarks/reshard.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is what benchmarks/tars.py wrote. Each run is a fresh process, in turns. CPU seconds (user and system, with
waited-for children) are the figure to read. What the resharders write is compared, file by file of every tar.
"""

import argparse
import functools
import hashlib
import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

from measure import BenchmarkError, Spent, find_dcql, in_turns, script, spend
from report import SPENT, Report, markdown, middle, parser, run, spent

COPY, FLOOR, OURS, WRITER = "read and write bytes", "kept bytes, digested", "dcql reshard", "tarfile + TarWriter"


def contenders(pool: Path, dcql: tuple[str, ...], kept: int, shards: Path) -> dict[str, tuple[str, ...]]:
    """Return the commands by name; `{out}` stands for the folder to write, `shards` are those of the same run."""
    tars, folder = str(pool / "shards"), pool / "run"
    ours = (*dcql, "reshard", str(folder), "--shards", tars, "--out", "{out}")
    return {
        COPY: script("copy_bytes", tars, "{out}", "--bytes", str(kept)),
        FLOOR: script("kept_bytes", str(shards), "{out}"),
        OURS: (*ours, "--workers", "1"),
        f"{OURS}, 2 workers": (*ours, "--workers", "2"),
        f"{OURS} --no-copy": (*ours, "--workers", "1", "--no-copy"),
        WRITER: script("tar_writer", tars, str(folder / "subset.npy"), "{out}"),
    }


def once(words: tuple[str, ...], out: Path) -> Spent:
    """Run a command into an empty place."""
    shutil.rmtree(out, ignore_errors=True)
    return spend([word.replace("{out}", str(out)) for word in words], out.parent / "log", out.parent / "home")


def contents(folder: Path) -> str:
    """Return a digest of the files in the tars of a folder, whatever their order and headers."""
    held: list[bytes] = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                held.append(hashlib.sha256(member.name.encode() + b"\0" + content.read()).digest())
    return hashlib.sha256(b"".join(sorted(held))).hexdigest()


def stated(shards: Path) -> Any:
    """Return what dcql says of the shards that it wrote."""
    return json.loads((shards / "shards.json").read_text())


def measure(given: argparse.Namespace, work: Path) -> Report:
    """Return medians. Raises BenchmarkError where the resharders do not write the same files."""
    pool, dcql = given.pool.absolute(), find_dcql(given.dcql)
    out, shards = work / "out", work / "written"
    once(contenders(pool, dcql, 0, shards)[OURS], shards)
    kept = sum(path.stat().st_size for path in shards.glob("*.tar"))
    commands = contenders(pool, dcql, kept, shards)
    once(commands[WRITER], out)
    if contents(out) != contents(shards):
        raise BenchmarkError("dcql and tarfile + TarWriter wrote other files")

    def checked(name: str) -> Spent:
        taken = once(commands[name], out)
        if name.startswith(OURS) and stated(out)["digest"] != stated(shards)["digest"]:
            raise BenchmarkError(f"{name} gave another digest")
        return taken

    turns = in_turns({name: functools.partial(checked, name) for name in commands}, given.repeats)
    cpu = {name: middle(runs) for name, runs in turns.runs.items()}
    rows = [
        (name, *spent(runs), f"{cpu[name] / cpu[COPY]:.2f}", f"{cpu[WRITER] / cpu[name]:.1f}")
        for name, runs in turns.runs.items()
    ]
    size = sum(path.stat().st_size for path in (pool / "shards").glob("*.tar"))
    samples = json.loads((pool / "run" / "manifest.json").read_text())["pool"]["samples"]
    taken, digest = stated(shards)["samples"], stated(shards)["digest"][:26]
    lines = [
        f"{samples:,} samples in {size / 1e9:.2f} GB of tars, {taken:,} kept in {kept / 1e9:.2f} GB; {turns.how}.",
        "",
        *markdown(("contender", *SPENT, "CPU to bytes", "TarWriter to it"), rows),
        "",
        f"All resharders wrote the same files; the digest is {digest}.. in every run of dcql.",
    ]
    return Report(lines)


def main() -> int:
    reading = parser("Time dcql reshard: against reading and writing bytes, and DataComp's way.", repeats=3, dcql=True)
    reading.add_argument("pool", type=Path, help="folder written by tars.py")
    return run(reading, measure)


if __name__ == "__main__":
    sys.exit(main())
