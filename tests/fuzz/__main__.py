"""Fuzz the readers, guided by coverage, with atheris: libFuzzer for Python.

    python -m fuzz [NAME ..] [--minutes 30] [--jobs 2] [--out ../build/fuzz]     fuzz, then say what was reached
    python -m fuzz [NAME ..] --keep      take into seeds/ what a run found that reaches more, if it is small

Each reader has its share of the time, in a process of its own that starts from seeds/ and crashes/. A crash is written
to OUT/NAME/crashes, one input a place: reduce it, mend the reader, and keep the input in crashes/NAME/.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MAX_INPUT = 1 << 16
# What a reader may map beyond what is mapped when it starts.
ADDRESSES = 3 << 30
# Of the wall clock, which goes on while a process is stopped; `judging` looks at the processor's.
HANGS = 240
# What other tests have, to begin with.
RECIPES = ("golden", "conformance", "errors", "syntax", "../recipes")
# Shares of the time of readers that take longer for an input than others do.
SHARES = {"recipe": 8, "submission": 3, "pool": 2, "pool_added": 2, "table": 2, "set_file": 2, "eval_set": 2}
# How much each reader's kept seeds may be, and one of them.
KEPT, KEPT_ONE = 12_000, 3_000


def main() -> None:
    """Fuzz the readers that are named, all without names."""
    options = _options()
    if options.worker == "fuzz":
        _fuzz(options.names[0], Path(options.out), options.seconds)
    elif options.worker == "cover":
        _cover(options.names[0], Path(options.out))
    elif options.keep:
        for name in options.names or _names():
            _keep(name, Path(options.out))
    else:
        _all(options.names or _names(), Path(options.out), options.minutes * 60, options.jobs)


def _options() -> Any:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", type=float, default=30, help="for all readers together")
    parser.add_argument("--jobs", type=int, default=1, help="readers at a time")
    parser.add_argument("--out", default=str(HERE.parent.parent / "build" / "fuzz"))
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--worker", choices=["fuzz", "cover"], help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60, help=argparse.SUPPRESS)
    return parser.parse_args()


def _names() -> list[str]:
    return sorted(path.name for path in (HERE / "seeds").iterdir())


def _all(names: list[str], out: Path, seconds: float, jobs: int) -> None:
    share = seconds / sum(SHARES.get(name, 1) for name in names)
    longest = sorted(names, key=lambda name: -SHARES.get(name, 1))
    with ThreadPoolExecutor(jobs) as threads:
        rows = list(threads.map(lambda name: _reader(name, out, share * SHARES.get(name, 1)), longest))
    print(f"{'reader':<14} {'inputs':>9} {'seconds':>8} {'kept':>5} {'crashes':>7}  lines reached")
    for row in rows:
        print(
            f"{row['name']:<14} {row['inputs']:>9,} {row['seconds']:>8.0f} {row['corpus']:>5} {row['crashes']:>7}"
            f"  {row['reached']} of {row['lines']} ({row['reached'] / max(1, row['lines']):.0%})"
        )
    inputs, crashes = (sum(row[what] for row in rows) for what in ("inputs", "crashes"))
    print(f"{inputs:,} inputs, {crashes} crashes; inputs that crash lie in {out}/NAME/crashes")
    sys.exit(crashes > 0)


def _reader(name: str, out: Path, seconds: float) -> dict[str, Any]:
    """Fuzz one reader until its time is over, however often its process ends; return what is to be told of it."""
    place = out / name
    for folder in ("corpus", "crashes"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    ends, inputs = time.monotonic() + seconds, 0
    while (left := ends - time.monotonic()) > 5:
        log = _worker("fuzz", name, out, "--seconds", str(left))
        done = re.findall(r"^#(\d+)", log, re.MULTILINE)
        inputs += int(done[-1]) if done else 0
        if not done:
            print(f"{name}: no input was read:\n{log[-2000:]}", file=sys.stderr)
            break
    told = json.loads(_worker("cover", name, out).splitlines()[-1])
    crashes = [path for path in (place / "crashes").iterdir() if path.suffix != ".txt"]
    corpus = len(list((place / "corpus").iterdir()))
    return {"name": name, "inputs": inputs, "seconds": seconds, "corpus": corpus, "crashes": len(crashes), **told}


def _worker(what: str, name: str, out: Path, *more: str) -> str:
    command = [sys.executable, "-m", "fuzz", name, "--worker", what, "--out", str(out), *more]
    # One thread a reader: others would only wait for one another.
    given = {"env": {**os.environ, "OMP_NUM_THREADS": "1"}, "cwd": HERE.parent, "check": False}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **given)
    log = done.stdout.decode("utf-8", "replace")
    (out / name / f"{what}.log").write_text(log, encoding="utf-8")
    return log


# --- in a process of its own ------------------------------------------------------------------------------------------


def _fuzz(name: str, out: Path, seconds: float) -> None:
    import atheris

    # The parser's engine takes the same steps for every token; what matters is what is made of them.
    with atheris.instrument_imports(include=["dcql"], exclude=["dcql.syntax._standalone"]):
        from fuzz.targets import TARGETS

        for module in TARGETS[name].covers:
            __import__(module)
    from fuzz.judging import Crash, judge

    target, crashes, corpus = TARGETS[name], out / name / "crashes", out / name / "corpus"

    def test(data: bytes) -> None:
        crash = judge(target, data)
        if isinstance(crash, Crash):
            title = re.sub(r"\W+", "-", f"{crash.kind} {crash.where}")[:120]
            known = crashes / title
            # Of the inputs that crash at one place the smallest is kept.
            if not known.exists() or known.stat().st_size > len(data):
                known.write_bytes(data)
                known.with_suffix(".txt").write_text(crash.detail, encoding="utf-8", errors="replace")

    for path in _inputs(name):  # what is imported and made on first use is no part of the limit
        judge(target, path.read_bytes())
    words = out / name / "words.dict"
    words.write_text(_dictionary(name), encoding="ascii")
    mapped = int(re.findall(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESSES, mapped + ADDRESSES))
    if name == "recipe":
        for path in (path for folder in RECIPES for path in (HERE.parent / folder).rglob("*.dcql")):
            (corpus / f"{path.parent.name}-{path.stem}").write_bytes(path.read_bytes())
    folders = (corpus, HERE / "seeds" / name, HERE / "crashes" / name)
    arguments = [
        sys.argv[0],
        *(str(folder) for folder in folders if folder.is_dir()),
        f"-max_total_time={max(1, int(seconds))}",
        f"-timeout={HANGS}",
        f"-max_len={MAX_INPUT}",
        f"-dict={words}",
        f"-artifact_prefix={crashes}/",
        "-rss_limit_mb=0",
        "-report_slow_units=1000000",
    ]
    atheris.Setup(arguments, test)
    atheris.Fuzz()


def _inputs(name: str) -> list[Path]:
    folders = (HERE / "seeds" / name, HERE / "crashes" / name)
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]


def _dictionary(name: str) -> str:
    """Return the words of a reader's seeds as a dictionary of libFuzzer."""
    from fuzz.mutations import WORDS

    found = dict.fromkeys(word for word in WORDS if len(word) < 64)
    for path in _inputs(name):
        found |= dict.fromkeys(re.findall(rb"[A-Za-z_][A-Za-z_0-9]{1,30}", path.read_bytes()))
    lines = ("".join(f"\\x{byte:02x}" for byte in word) for word in list(found)[:800])
    return "".join(f'"{line}"\n' for line in lines)


def _cover(name: str, out: Path) -> None:
    """Print as JSON how many lines of a reader's modules its inputs reach, and how many there are."""
    import coverage

    # It starts before they are imported, so that what modules say at first is counted too.
    measure = coverage.Coverage(include=["*/dcql/*", "*/runtime/*"], data_file=None, messages=False)
    measure.start()
    from fuzz.judging import judge
    from fuzz.targets import TARGETS

    for path in [*_inputs(name), *sorted((out / name / "corpus").iterdir())]:
        judge(TARGETS[name], path.read_bytes())
    measure.stop()
    lines = reached = 0
    for module in TARGETS[name].covers:
        _, statements, _, missing, _ = measure.analysis2(sys.modules[module])
        lines, reached = lines + len(statements), reached + len(statements) - len(missing)
    print(json.dumps({"lines": lines, "reached": reached}))


def _keep(name: str, out: Path) -> None:
    """Add to a reader's seeds the smallest inputs of the corpus that step where nothing before them does."""
    from fuzz.targets import TARGETS

    seeds, corpus = HERE / "seeds" / name, out / name / "corpus"
    seen: set[Step] = set()
    for path in _inputs(name):
        seen |= _steps(TARGETS[name], path.read_bytes())
    room = KEPT - sum(path.stat().st_size for path in seeds.glob("found-*"))
    for path in sorted(corpus.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        size = path.stat().st_size
        if size > min(room, KEPT_ONE):
            break
        steps = _steps(TARGETS[name], path.read_bytes())
        if not steps <= seen:
            seen |= steps
            room -= size
            (seeds / f"found-{path.name[:12]}").write_bytes(path.read_bytes())


Step = tuple[str, int, int]  # from one line of a file to another


def _steps(target: Any, data: bytes) -> set[Step]:
    """Return the steps between lines that a reader's modules take for an input."""
    from fuzz.judging import judge

    files = {import_module(module).__file__ for module in target.covers}
    found: set[Step] = set()
    before: dict[int, int] = {}

    def trace(frame: Any, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in files:
            return None
        if event == "line":
            found.add((frame.f_code.co_filename, before.get(id(frame), 0), frame.f_lineno))
            before[id(frame)] = frame.f_lineno
        elif event == "call":
            before.pop(id(frame), None)
        return trace

    sys.settrace(trace)
    try:
        judge(target, data)
    finally:
        sys.settrace(None)
    return found


if __name__ == "__main__":
    main()
