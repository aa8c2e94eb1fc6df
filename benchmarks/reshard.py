"""Time `dcql reshard`: against reading all bytes once and writing the kept ones, and against DataComp's way.

    python benchmarks/reshard.py FOLDER [--repeats 3] [--dcql CMD] [--write benchmarks/README.md]

FOLDER is what benchmarks/tars.py wrote. Each run is a fresh process, in turns. CPU seconds (user and system, with
waited-for children) are the figure to read. What the resharders write is compared, file by file of every tar.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from measure import BenchmarkError, spend
from spine import BY_HAND, MEBIBYTE, find_dcql, replace_between

BEGIN, END = "<!-- begin: printed by reshard.py -->", "<!-- end: printed by reshard.py -->"
COPY, FLOOR, WRITER = "read and write bytes", "kept bytes, digested", "tarfile + TarWriter"


class Run(NamedTuple):
    """What a run used: seconds of CPU and wall time, peak resident bytes."""

    cpu: float
    wall: float
    peak: int


def contenders(pool: Path, dcql: list[str], kept: int, written: Path) -> dict[str, tuple[str, ...]]:
    """Return the commands by name; `{out}` stands for the folder to write, `written` are shards of the same run."""
    shards, run = str(pool / "shards"), pool / "run"
    ours = (*dcql, "reshard", str(run), "--shards", shards, "--out", "{out}")
    script = (sys.executable, str(BY_HAND / "copy_bytes.py"), shards, "{out}", "--bytes", str(kept))
    writer = (sys.executable, str(BY_HAND / "tar_writer.py"), shards, str(run / "subset.npy"), "{out}")
    floor = (sys.executable, str(BY_HAND / "kept_bytes.py"), str(written), "{out}")
    return {
        COPY: script,
        FLOOR: floor,
        "dcql reshard": (*ours, "--workers", "1"),
        "dcql reshard, 2 workers": (*ours, "--workers", "2"),
        "dcql reshard --no-copy": (*ours, "--workers", "1", "--no-copy"),
        WRITER: writer,
    }


def once(words: tuple[str, ...], out: Path) -> Run:
    """Run a command into an empty place."""
    shutil.rmtree(out, ignore_errors=True)
    return Run(*spend([word.replace("{out}", str(out)) for word in words], out.parent / "log", out.parent / "home"))


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


def compare(pool: Path, dcql: list[str], repeats: int, work: Path) -> str:
    """Return the report. Raises BenchmarkError where the resharders do not write the same files."""
    out = work / "out"
    written = work / "written"
    once(contenders(pool, dcql, 0, written)["dcql reshard"], written)
    kept = sum(path.stat().st_size for path in written.glob("*.tar"))
    stated = json.loads((written / "shards.json").read_text())
    ours = contents(written)
    commands = contenders(pool, dcql, kept, written)
    once(commands[WRITER], out)
    if contents(out) != ours:
        raise BenchmarkError("dcql and tarfile + TarWriter wrote other files")
    load = os.getloadavg()[0]
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for repeat in range(repeats):
        for name, words in commands.items():
            runs[name].append(once(words, out))
            print(f"{repeat + 1}/{repeats} {name}: {runs[name][-1].cpu:.2f} CPU s", file=sys.stderr)
            if name.startswith("dcql") and json.loads((out / "shards.json").read_text())["digest"] != stated["digest"]:
                raise BenchmarkError(f"{name} gave another digest")
    cpu = {name: statistics.median(run.cpu for run in done) for name, done in runs.items()}
    size = sum(path.stat().st_size for path in (pool / "shards").glob("*.tar"))
    samples = json.loads((pool / "run" / "manifest.json").read_text())["pool"]["samples"]
    lines = [
        f"{samples:,} samples in {size / 1e9:.2f} GB of tars, {stated['samples']:,} kept in {kept / 1e9:.2f} GB; "
        f"medians of {repeats} runs in turns, {os.cpu_count()} cores, load {load:.1f} at the start.",
        "",
        "| contender | CPU s | (least to most) | wall s | peak MiB | CPU to bytes | TarWriter to it |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, done in runs.items():
        least, most = min(run.cpu for run in done), max(run.cpu for run in done)
        wall = statistics.median(run.wall for run in done)
        peak = statistics.median(run.peak for run in done) / MEBIBYTE
        lines.append(
            f"| {name} | {cpu[name]:.2f} | {least:.2f} to {most:.2f} | {wall:.2f} | {peak:.0f} "
            f"| {cpu[name] / cpu[COPY]:.2f} | {cpu[WRITER] / cpu[name]:.1f} |"
        )
    lines += ["", f"All resharders wrote the same files; the digest is {stated['digest'][:26]}.. in every run of dcql."]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path, help="folder written by tars.py")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    parser.add_argument("--work", type=Path, help="folder for what is written (default: the system's)")
    arguments = parser.parse_args()
    dcql = find_dcql(arguments.dcql)
    if arguments.repeats < 1 or dcql is None:
        return 1
    try:
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            report = compare(arguments.pool.absolute(), dcql, arguments.repeats, Path(folder))
        print(report)
        if arguments.write:
            replace_between(arguments.write, report, BEGIN, END)
    except BenchmarkError as error:
        print(f"reshard.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
