"""One recipe in CI: every step is taken, and what one finds keeps no other from its turn unless it needs it."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dcql.catalog.pool import Pool
from dcql.ci.changed import SUFFIX, Repository
from dcql.compiler import Compiled, Run, run_compiled
from dcql.engine.duck import Resources
from dcql.engine.features.report import Computing
from dcql.engine.run import Progress
from dcql.errors import DcqlError, Diagnostic, LockError, RecipeError
from dcql.git import git
from dcql.inspect.funnel import Funnel, counts_to_json, funnel
from dcql.lints import lint
from dcql.locks.lock import Lock
from dcql.locks.lock_file import read_any_lock, read_lock
from dcql.records.locking import lock_file, lock_of, stale
from dcql.records.relocking import command, compile_anew
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.parser import parse

if TYPE_CHECKING:
    from dcql.compare.comparing import Compared
    from dcql.compare.operands import Operand

STEPS = ("format", "check", "lock", "perturb", "diff")


@dataclass(frozen=True)
class How:
    """How recipes are examined: what opens pools, what runs may use, and which steps are left out.

    `pool` is the pool of all of them, None for that of each lock. `progress` is entered for each run.
    """

    open_pool: Callable[[str | None], Pool]
    pool: str | None = None
    perturb: bool = True
    resources: Resources = field(default_factory=Resources)
    computing: Computing = field(default_factory=Computing)
    progress: Callable[[], "AbstractContextManager[Progress]"] | None = None

    @contextmanager
    def telling(self) -> Iterator[Progress | None]:
        """Enter `progress`, where there is one."""
        if self.progress is None:
            yield None
            return
        with self.progress() as tell:
            yield tell


@dataclass(frozen=True)
class Base:
    """The commit that recipes are compared with, and the name that it was given."""

    commit: str
    name: str


@dataclass(frozen=True)
class Step:
    """What came of a step: `faults` where it failed, `note` where it was left out or there is something to say."""

    name: str
    faults: tuple[Diagnostic, ...] = ()
    note: str = ""
    left_out: bool = False

    @property
    def outcome(self) -> str:
        """One of `ok`, `failed`, `left out`."""
        return "failed" if self.faults else "left out" if self.left_out else "ok"


@dataclass(frozen=True)
class Examined:
    """A recipe, by its path as it is shown, and what came of each step; `run` and `compared` as far as they came."""

    name: str
    steps: tuple[Step, ...]
    run: Run | None = None
    compared: "Compared | None" = None

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(not step.faults for step in self.steps)

    @property
    def faults(self) -> tuple[Diagnostic, ...]:
        """All faults, once each, in the order of the steps."""
        return tuple(dict.fromkeys(fault for step in self.steps for fault in step.faults))

    @property
    def funnel(self) -> Funnel | None:
        """What became of the pool's samples, if it ran."""
        return funnel(self.run.compiled.program, self.run.result) if self.run is not None else None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        told = self.funnel
        found = self.compared.difference if self.compared is not None else None
        return {
            "recipe": self.name,
            "ok": self.ok,
            "steps": [
                {
                    "name": step.name,
                    "outcome": step.outcome,
                    "note": step.note or None,
                    "errors": [fault.to_json() for fault in step.faults],
                }
                for step in self.steps
            ],
            "hash": self.run.hash if self.run is not None else None,
            "pool": self.run.pool.name if self.run is not None else None,
            "funnel": counts_to_json(told) if told is not None else None,
            "base": self.compared.a.name if self.compared is not None else None,
            "removed": len(found.only_a) if found is not None else None,
            "added": len(found.only_b) if found is not None else None,
        }


def examine(repository: Repository, path: str, base: Base | None, how: How) -> Examined:
    """Take all steps for the recipe at a path of the repository."""
    file = Path(os.path.relpath(repository.top / path))
    steps: dict[str, Step] = {}
    run = compared = None

    def attempt(name: str, step: Callable[[], Any]) -> Any:
        """Take a step; a step that was told already keeps what was told."""
        try:
            found = step()
        except DcqlError as error:
            steps[name] = Step(name, error.diagnostics)
            return None
        steps.setdefault(name, Step(name))
        return found

    attempt("format", lambda: _formatted(file))
    opened = lock = compiled = None
    if not steps["format"].faults or all(fault.code == "E1491" for fault in steps["format"].faults):
        lock = _lock_there(file)
        opened = attempt("check", lambda: how.open_pool(how.pool or (lock.pool_name if lock is not None else None)))
        if opened is not None:
            compiled = attempt("check", lambda: compile_anew(file, opened, {}, lock))
    if opened is not None and compiled is not None:
        if lints := lint(compiled.source, opened.schema, compiled.settings, file, opened):
            told = ", ".join(sorted({one.code for one in lints}))
            steps["check"] = Step("check", note=f"{told}: `{command('check', file)}` says where")
        run = attempt("lock", lambda: _ran(compiled, opened, how))
    if run is not None:
        attempt("lock", lambda: _held(run, file))
        if how.perturb:
            attempt("perturb", lambda: _perturbed(run, how))
        if base is not None:
            compared, note = _compared(repository, path, base, file, how)
            steps["diff"] = Step("diff", note=note, left_out=compared is None)
    reason = {"perturb": "not asked for" if run is not None else "", "diff": "no base" if run is not None else ""}
    needed = "a step before it failed"
    every = (steps.get(name) or Step(name, note=reason.get(name) or needed, left_out=True) for name in STEPS)
    return Examined(str(file), tuple(every), run, compared)


# --- steps ------------------------------------------------------------------------------------------------------------


def _formatted(file: Path) -> None:
    from dcql.syntax.formatter import formatted
    from dcql.syntax.texts import read

    if file.is_symlink():
        helps = ("let the repository hold the recipe itself",)
        raise RecipeError(Diagnostic("E1584", f"`{file}` is a symbolic link", None, f"to `{os.readlink(file)}`", helps))
    if formatted(read(file)).encode("utf-8") != file.read_bytes():
        helps = (f"`{command('fmt', file)}` formats it, and with `--diff` shows how",)
        raise RecipeError(Diagnostic("E1491", f"`{file}` is not formatted", None, "", helps))


def _lock_there(file: Path) -> Lock | None:
    try:
        return read_any_lock(lock_file(file))
    except LockError:
        return None


def _ran(compiled: Compiled, pool: Pool, how: How) -> Run:
    with how.telling() as tell:
        return run_compiled(compiled, pool, how.resources, tell, computing=how.computing)


def _held(run: Run, file: Path) -> None:
    """Refuse a lock that is not there, or that locking the recipe again would change."""
    path = lock_file(file)
    found = lock_of(run)
    stale(read_lock(path), found, path, command("lock", file))


def _perturbed(run: Run, how: How) -> None:
    from dcql.verify import conditions_for, perturb, refuse

    with how.telling() as tell:
        outcomes = list(perturb(run, conditions_for(run, how.computing), tell, how.computing))
    try:
        refuse(outcomes)
    except LockError as error:
        own = [spec.model.name for spec in run.compiled.program.every_feature if spec.model.code is not None]
        if not own:
            raise
        first = error.diagnostics[0]
        helps = (
            f"look at {', '.join(f'`{name}`' for name in sorted(set(own)))}: a model gives each sample one answer, "
            "whatever else it is asked, when, and in which process",
            f"`{command('verify --perturb --own-code', run.compiled.source.name)}` tries it again",
        )
        message = first.message.partition(": ")[2]
        raise LockError(replace(first, code="E1585", message=message, helps=helps)) from None


def _compared(repository: Repository, path: str, base: Base, file: Path, how: How) -> "tuple[Compared | None, str]":
    """Compare a recipe with what it was at the base; None, with the reason, where that is not possible."""
    from dcql.compare.comparing import Comparing
    from dcql.compare.operands import find_operand

    name = f"{base.name}:{path}"
    if not repository.has(base.commit, path):
        return None, f"new: `{base.name}` has no such recipe"
    try:
        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory(prefix="dcql-ci-")))
            lock = _lock_there(file)
            a = replace(find_operand(f"{base.commit}:{path}", opened), name=name)
            a = _as_locked(a, _lock_at(repository, base.commit, path, folder))
            b = _as_locked(find_operand(str(file), opened), lock)
            pool = how.pool or (lock.pool_name if lock is not None else None)
            more: Mapping[str, Any] = {"progress": how.progress} if how.progress is not None else {}
            comparing = Comparing(how.open_pool, (pool, pool), True, how.resources, computing=how.computing, **more)
            return comparing.compare(a, b), ""
    except DcqlError as error:
        return None, f"{name} cannot be compared: {error.diagnostics[0].message}"


def _lock_at(repository: Repository, commit: str, path: str, folder: Path) -> Lock | None:
    """Return the lock that a recipe had at a commit, if it can be read."""
    asked = git("cat-file", "blob", f"{commit}:{path.removesuffix(SUFFIX)}.lock", folder=str(repository.top))
    if asked is None or asked.returncode:
        return None
    place = folder / "recipe.dcql"
    lock_file(place).write_bytes(asked.stdout)
    return _lock_there(place)


def _as_locked(operand: "Operand", lock: Lock | None) -> "Operand":
    """Give a recipe the values of PARAMs that its own lock has."""
    written = operand.written
    assert written is not None
    if lock is None or lock.key.recipe != recipe_digest(parse(written.source)):
        return operand
    return replace(operand, written=replace(written, parameters=lock.key.parameters))
