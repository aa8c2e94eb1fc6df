"""Recipes that cover the rules of the language, and how dcql and the oracle are compared on a pool.

Opening a DuckDB session takes longer than a small query, so runs on one pool share one; test_determinism.py does not.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import oracle
import pools
from oracle.evaluate import BUILT_IN_NAMES, FUNCTIONS
from oracle.tail import Bag

import dcql
from dcql.catalog.pool import Pool, open_pool
from dcql.catalog.types import Schema
from dcql.engine import duck
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.engine.run import Result
from dcql.engine.run import run as run_program
from dcql.errors import DcqlError
from dcql.lower.program import Program
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.parser import parse_library

FOLDER = Path(__file__).parent
STDLIB = FOLDER.parent.parent / "stdlib"
RECIPES = {path.stem: path for path in sorted(FOLDER.glob("*.dcql"))}
# What recipes read, by its path beside them: sets, tables and imported recipes.
FILES = {
    path.relative_to(FOLDER).as_posix(): path.read_bytes()
    for part in ("parts", "sets", "tables")
    for path in (FOLDER / part).rglob("*.*")
}
ONE_THREAD = Resources(threads=1)
# Small row groups, so that scans have some to skip.
LAYOUTS = {
    "tiny_files": pools.Layout(files=4, empty_file=True),
    "not_a_number": pools.Layout(row_group=7),
    "exact_cut": pools.Layout(files=3, row_group=16, renamed=True),
    "mixed": pools.Layout(files=3, permutation=5, row_group=500),
}

_open = ExitStack()
_sessions: dict[tuple[tuple[str, ...], tuple[Path, ...]], duck.Session] = {}


@contextmanager
def _shared(files: Any, resources: Resources, folders: tuple[Path, ...] = ()) -> Iterator[duck.Session]:
    key = tuple(files), folders
    if key not in _sessions:
        # Every session looks at the scratch folders of the others, and these stay until the tests end.
        with patch("tempfile.tempdir", str(_folder())):
            _sessions[key] = _open.enter_context(duck.session(files, resources, folders))
    yield _sessions[key]


@contextmanager
def shared_sessions() -> Iterator[None]:
    """Let every run on the same files use one session."""
    with patch("dcql.engine.run.session", _shared):
        yield


@cache
def _folder() -> Path:
    return Path(_open.enter_context(TemporaryDirectory(prefix="dcql-tests-")))


@dataclass(frozen=True)
class Ready:
    """A pool of the tests, and the same on disk as dcql opens it: raw, and added where that is asked for."""

    name: str
    rows: pools.Pool
    raw: Pool
    added: Pool | None

    @property
    def opened(self) -> Iterator[tuple[str, Pool]]:
        """The pool in each form that there is."""
        yield "raw", self.raw
        if self.added is not None:
            yield "added", self.added


def make_ready(name: str, rows: pools.Pool, layout: pools.Layout | None = None, *, is_added: bool = True) -> Ready:
    """Write a pool and open it."""
    folder = _folder() / name
    pools.write(rows, folder, layout=layout)
    with patch.dict(os.environ, {"DCQL_HOME": str(_folder() / "home")}):
        return Ready(name, rows, open_pool(folder), add(name, folder) if is_added else None)


@cache
def adversarial(name: str) -> Ready:
    """Return one of the adversarial pools."""
    return make_ready(name, pools.ADVERSARIAL[name](), LAYOUTS.get(name))


# --- one recipe, two implementations ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What the oracle says of a recipe on a pool; it opens no imported recipe for thresholds and counts."""

    hash: str
    npy: bytes
    thresholds: frozenset[frozenset[tuple[Any, ...]]]
    counts: tuple[tuple[int, ...], ...]
    has_imports: bool


@cache
def expected(text: str, name: str) -> Answer | str:
    """Return the oracle's answer on an adversarial pool, or its code where it refuses."""
    return asked(text, adversarial(name).rows, FILES)


def asked(text: str, rows: pools.Pool, files: Mapping[str, bytes] | None = None) -> Answer | str:
    """Ask the oracle once for the subset, the thresholds and the counts."""
    try:
        program = oracle.program(text, rows, None, files)
        bag: Bag = program.run()
        cuts = [threshold.groups() for threshold in program.thresholds]
    except oracle.OracleError as error:
        return error.code
    thresholds = frozenset(
        frozenset((group, found.value, found.n, found.nulls, found.k) for group, found in cut.items())
        for cut in cuts
        if cut  # without a sample there is no group
    )
    counts = (*(tuple(block.counts) for block in program.blocks), *map(tuple, program.draws))
    return Answer(oracle.dcql1(bag), oracle.npy_bytes(bag), thresholds, counts, bool(program.recipe.imports))


@cache
def _library() -> dict[str, str]:
    """Return the library's DEFINEs by name, but for those that the oracle has of its own."""
    texts = [(path.name, path.read_text(encoding="utf-8")) for path in sorted(STDLIB.glob("*.dcql"))]
    defines = [one for name, text in texts for one in parse_library(Source(name, text)).definitions]
    found = {one.name: one.span.text for one in defines if isinstance(one, ast.Define)}
    return {name: text for name, text in found.items() if name not in {*BUILT_IN_NAMES, *FUNCTIONS}}


def with_library(text: str) -> str:
    """Put before a recipe those DEFINEs of the library that it uses: the oracle has no library."""
    used: dict[str, str] = {}
    while True:
        words = set(re.findall(r"\w+", " ".join([text, *used.values()])))
        more = {name: define for name, define in _library().items() if name in words and name not in used}
        if not more:
            return "".join(f"{define};\n" for define in used.values()) + text
        used |= more


@cache
def compiled(path: Path, schema: Schema) -> Program:
    """Compile a recipe of this folder: once, for the adversarial pools have the same columns."""
    return dcql.compile(path, schema).program


def npy_of(result: Result) -> bytes:
    """Return the subset as the file that it is saved as."""
    uids = result.subset.uids if result.subset.copies is None else np.repeat(result.subset.uids, result.subset.copies)
    out = io.BytesIO()
    np.save(out, uids)
    return out.getvalue()


def ran(text: str, pool: Pool) -> Result:
    """Compile a recipe's text and run it on a pool; no program is kept or taken from the store."""
    program = dcql.compile(Source("recipe.dcql", text), pool.schema).program
    with shared_sessions():
        return run_program(program, pool, ONE_THREAD)


def differences(path: Path, ready: Ready, answer: Answer | str) -> list[str]:
    """Run a recipe on each form of a pool; return in what it differs from the oracle's answer."""
    try:
        program = compiled(path, ready.raw.schema)
    except DcqlError as error:
        return [] if isinstance(answer, str) else [f"refused: {error}"]
    found: list[str] = []
    for form, pool in ready.opened:
        try:
            with shared_sessions():
                result = run_program(program, pool, ONE_THREAD)
        except DcqlError as error:
            if not isinstance(answer, str):
                found.append(f"{form}: refused: {error}")
            continue
        if isinstance(answer, str):
            found.append(f"{form}: {result.subset.distinct} kept, the oracle refuses: {answer}")
            continue
        found += [f"{form}: {difference}" for difference in compared(result, answer)]
    return found


def compared(result: Result, answer: Answer) -> Iterator[str]:
    """Yield in what a result differs from the oracle's: the file, the hash, thresholds, counts."""
    if npy_of(result) != answer.npy:
        yield f"another subset: {result.subset.distinct} samples"
    if result.subset.hash != answer.hash:
        yield f"another hash: {result.subset.hash}, not {answer.hash}"
    thresholds = thresholds_of(result)
    if not (thresholds >= answer.thresholds if answer.has_imports else thresholds == answer.thresholds):
        yield f"other thresholds: {sorted(map(str, thresholds))}, not {sorted(map(str, answer.thresholds))}"
    strange = unexplained_counts(result, answer.counts)
    if strange and not answer.has_imports:
        yield f"other counts: {strange}, none of {answer.counts}"


def thresholds_of(result: Result) -> frozenset[frozenset[tuple[Any, ...]]]:
    """Return group, value, n, nulls and k of every q, a q's groups together."""
    groups: dict[str, set[tuple[Any, ...]]] = {}
    for stage in result.stages:
        for found in stage:
            if found.name.startswith("q"):
                groups.setdefault(found.name, set()).add((found.group, found.value, found.n, found.nulls, found.k))
    return frozenset(frozenset(cut) for cut in groups.values())


def unexplained_counts(result: Result, counts: tuple[tuple[int, ...], ...]) -> list[tuple[int, ...]]:
    """Return the lines of the funnel that no SELECT of the oracle has.

    A SELECT over a SELECT may be one in the funnel, its clauses one after the other.
    """
    left = Counter(counts)
    strange: list[tuple[int, ...]] = []
    for block in result.funnel:
        if block.block.of_copies:
            continue  # the oracle counts the samples of a WHERE
        parts = next(
            (parts for parts in _splits(block.counts) if all(left[p] >= n for p, n in Counter(parts).items())), None
        )
        if parts is None:
            strange.append(block.counts)
        else:
            left -= Counter(parts)
    return strange


def _splits(counts: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Yield the counts whole, then cut into SELECTs, the last count of one the first of the next."""
    yield [counts]
    for at in range(1, len(counts) - 1):
        yield from ([counts[: at + 1], *rest] for rest in _splits(counts[at:]))
