"""A run in a process of its own: another seed for Python's hashes, another place, another time zone and language.

It compiles the recipe anew. The process is `python -m dcql.verify.process`; it reads what to run as JSON and writes the
run's manifest, or the diagnostic that stopped it.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from dcql.catalog import store
from dcql.compiler import Run, compile, run_compiled
from dcql.demo_pool import open_or_make
from dcql.engine.features.report import Computing
from dcql.engine.run import BrokenPromiseError, Progress
from dcql.errors import DcqlError, Diagnostic, RunError
from dcql.inspect.manifest import manifest
from dcql.plain_data import differences
from dcql.records.recorded import manifest_differences
from dcql.scratch import scratch
from dcql.source import Source
from dcql.verify.perturb import Attempt, Tried

# Recipe and raw directory are named by their paths, and those that the process is given are absolute.
_APART = frozenset({"pool.name", "recipe.name"})
_PLACES = {
    1: {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C"},
    2: {"TZ": "America/Los_Angeles", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
}


def new_process(number: int) -> Attempt:
    """Return the attempt that runs in the n-th of two processes."""

    def attempt(run: Run, progress: Progress | None, computing: Computing) -> Tried:
        with scratch() as folder:
            (folder / "tmp").mkdir()
            answer = _asked(_request(run, computing), folder, _environment(number, folder))
        if "fault" in answer:
            raise RunError(Diagnostic(**answer["fault"]))
        return Tried(str(answer["hash"]), _first_difference(run, answer))

    return attempt


def _first_difference(run: Run, answer: dict[str, Any]) -> str | None:
    """Compare a run with the manifest of another one: statistics and subset, then counts and features."""
    if (found := next(manifest_differences(answer, run), None)) is not None:
        return found
    ours = json.loads(json.dumps(manifest(run.compiled.source, run.compiled.program, run.pool, run.result)))
    return next(differences(ours, answer, apart=_APART), None)


def _environment(number: int, folder: Path) -> dict[str, str]:
    # Another seed than this process has, if it was given one.
    seed = number if os.environ.get("PYTHONHASHSEED") != str(number) else number + 2
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    named = {"PYTHONHASHSEED": str(seed), "TMPDIR": str(folder / "tmp"), "DCQL_HOME": str(store.home())}
    return {**os.environ, **_PLACES[number], **named, "PYTHONPATH": path}


def _request(run: Run, computing: Computing) -> dict[str, Any]:
    compiled, pool = run.compiled, run.pool
    source = pool.source if "://" in pool.source else str(Path(pool.source).absolute())
    return {
        "path": str(compiled.path.absolute()) if compiled.path is not None else None,
        "name": compiled.source.name,
        "text": compiled.source.text,
        "settings": dict(compiled.settings),
        "pool": pool.name if pool.added else source,
        "computing": {**asdict(computing), "max_failures": str(computing.max_failures)},
    }


def _asked(request: dict[str, Any], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "dcql.verify.process"]
    content = json.dumps(request).encode()
    done = subprocess.run(command, input=content, capture_output=True, cwd=folder, env=environment)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        _ended(done)
    if not isinstance(answer, dict):
        _ended(done)
    return answer


def _ended(done: "subprocess.CompletedProcess[bytes]") -> NoReturn:
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    ended = said[-1] if said else f"its exit code was {done.returncode}"
    if done.returncode < 0:
        ended = f"it was ended by {signal.Signals(-done.returncode).name}"
    raise RunError(
        Diagnostic(
            "E1452",
            "the process of a condition ended before it answered",
            None,
            ended,
            ("run it again where nothing else takes the memory",),
        )
    )


def _serve() -> None:
    request = json.load(sys.stdin)
    given = request["computing"]
    computing = Computing(**{**given, "max_failures": Fraction(given["max_failures"])})
    recipe = Path(request["path"]) if request["path"] is not None else Source(request["name"], request["text"])
    try:
        pool = open_or_make(request["pool"])
        compiled = compile(recipe, pool.schema, request["settings"])
        try:
            result = run_compiled(compiled, pool, computing=computing).result
        except BrokenPromiseError as error:
            result = error.result
        answer = manifest(compiled.source, compiled.program, pool, result)
    except DcqlError as error:
        first = error.diagnostics[0]
        answer = {"fault": {"code": first.code, "message": first.message, "label": first.label, "helps": first.helps}}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _serve()
