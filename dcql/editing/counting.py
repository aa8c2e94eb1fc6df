"""What a predicate keeps of a pool, counted in a process of its own: `python -m dcql.editing.counting`.

The process reads one question as JSON on standard input and writes one answer. It is held to limits, asks no model for
what is not stored, and can be ended at any time: an editor's server stays what it is.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from dcql.compiler import compile, run_compiled
from dcql.demo_pool import open_or_make
from dcql.editing.predicates import Question
from dcql.errors import DcqlError
from dcql.limits import Limits, hold
from dcql.source import Source

SECONDS = 20.0
MEMORY = 2 << 30
# Above what the process holds itself to: for one that hangs where it cannot look.
_GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Of `samples` samples a predicate keeps `kept`; `fault` says why that is not known, and is empty where it is."""

    kept: int = 0
    samples: int = 0
    fault: str = ""


def rate(question: Question, pool: str, path: Path | None, limits: Limits) -> Rate:
    """Count what a question asks on a pool; `path` is the file of the recipe that it came from."""
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing

    try:
        with hold(limits):
            opened = open_or_make(pool)

            def count(recipe: str) -> int:
                compiled = compile(Source("predicate", recipe), opened.schema, path=path)
                given = Resources(threads=1, memory=limits.memory)
                return run_compiled(compiled, opened, given, computing=Computing(compute=False)).subset.distinct

            samples = opened.rows if question.base is None else count(question.base)
            return Rate(count(question.recipe), samples)
    except DcqlError as error:
        return Rate(fault=error.diagnostics[0].message)


async def rate_elsewhere(question: Question, pool: str, path: Path | None) -> Rate:
    """Count in a process of its own, which ends with the task that waits for it. Raises OSError where none starts."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dcql.editing.counting"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    asked = {"question": asdict(question), "pool": pool, "path": str(path) if path is not None else None}
    try:
        answer, _ = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), SECONDS + _GRACE)
        return Rate(**json.loads(answer))
    except (TimeoutError, ValueError, TypeError, OSError):
        return Rate(fault="it took too long, or too much memory")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> None:
    """Answer the question on standard input."""
    asked = json.load(sys.stdin)
    path = Path(asked["path"]) if asked["path"] is not None else None
    found = rate(Question(**asked["question"]), asked["pool"], path, Limits(time=SECONDS, memory=MEMORY))
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
