"""Locks of runs: what a run is locked to, and whether it holds."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

from dcql.catalog.functions import FUNCTIONS, Effect, Function, Kind
from dcql.catalog.inputs import Inputs
from dcql.catalog.library import library
from dcql.catalog.pool import Pool
from dcql.catalog.recipes import find_recipe
from dcql.catalog.types import Type
from dcql.compiler import Compiled, Run, compile, run_compiled
from dcql.digest import sha256_of
from dcql.engine.duck import VERSION, Resources
from dcql.engine.features.report import Computing, FeaturesReport
from dcql.engine.run import Progress, Result
from dcql.engine.statistics import Found
from dcql.errors import Diagnostic, LockError
from dcql.locks.changes import Changes, changes, input_changes
from dcql.locks.lock import (
    MAX_GROUPS,
    Key,
    Lock,
    LockedClause,
    LockedFeature,
    LockedGroup,
    LockedMargin,
    LockedSet,
    LockedStatistic,
    in_order,
    read_scalar,
    scalar_text,
)
from dcql.lower.program import Demand, GroupedThreshold, Program, Scan
from dcql.lower.tails import Cut, Draw, Firsts, GroupedCut
from dcql.plan import nodes
from dcql.source import Source
from dcql.subset import Subset
from dcql.syntax import ast, canonical
from dcql.syntax.canonical import recipe_digest

MAX_LINES = 40


def lock_file(recipe: Path) -> Path:
    """Return where the lock of a recipe's file lies: beside it."""
    return recipe.with_suffix(".lock")


def own_lock_file(named: str | Path, recipe: Path) -> Path:
    """Return where the lock of a recipe is written: beside its file, and here for one that was named and ships."""
    own = Path(named).exists() or Path(named).suffix == ".dcql"
    return lock_file(recipe) if own else Path(f"{recipe.stem}.lock")


def find_lock(named: str | Path) -> tuple[Path, Path]:
    """Return a recipe's file and its lock, which need not exist; the user's own lock goes before one that ships.

    Raises RecipeError where there is no such recipe.
    """
    _, recipe = find_recipe(named)
    own = own_lock_file(named, recipe)
    return recipe, own if own.exists() else lock_file(recipe)


# --- what decides -----------------------------------------------------------------------------------------------------


def key_of(compiled: Compiled, pool: Pool, report: FeaturesReport | None = None) -> Key:
    """Return everything that decides the subset; `report` tells what models made, once the recipe has run.

    Raises LockError for a raw pool, which has no fingerprint.
    """
    fingerprint = refuse_raw(pool)
    imports = dict(_imports(compiled.recipe, compiled.inputs))
    recipes = (compiled.recipe, *imports.values())
    return Key(
        recipe=recipe_digest(compiled.recipe),
        imports={name: recipe_digest(recipe) for name, recipe in imports.items()},
        library=library_digests(recipes),
        functions={name: function_digest(FUNCTIONS[name]) for name in _functions(compiled.plan)},
        sets=tuple(sorted({(named.name, named.sha256) for _, named in compiled.program.sets})),
        parameters=dict(compiled.plan.parameters),
        pool=fingerprint,
        engine=VERSION if compiled.program.effect == Effect.VERSION.name.lower() else "",
        features=tuple((row.name, row.id, row.content) for row in _features(report)),
        assets=dict(report.assets) if report is not None else {},
        tables=tuple(sorted({(t.name, *t.identity) for t in (read.table for read in compiled.program.tables)})),
    )


def _features(report: FeaturesReport | None) -> tuple[LockedFeature, ...]:
    if report is None:
        return ()
    return tuple(
        LockedFeature(
            use.spec.name,
            use.id,
            report.digests[use.spec.name],
            use.asked,
            use.failed,
            use.spec.model.name,
            use.weights,
        )
        for use in report.uses
    )


def _margins(report: FeaturesReport | None) -> tuple[LockedMargin, ...]:
    found = report.margins if report is not None else ()
    return tuple(LockedMargin(m.text, m.feature, m.step.hex(), m.near, m.asked) for m in found)


def refuse_raw(pool: Pool) -> str:
    """Return a pool's fingerprint. Raises LockError for a raw pool, which has none."""
    if pool.fingerprint is None:
        raise LockError(
            Diagnostic(
                "E0804",
                f"`{pool.name}` has no fingerprint",
                label="a lock pins the pool, and a raw directory may change under the same name",
                helps=(f"add it first: `dcql pool add NAME {pool.source}`, then `--pool NAME`",),
            )
        )
    return pool.fingerprint


def library_digests(recipes: tuple[ast.Recipe, ...]) -> dict[str, str]:
    """Return the digest of each definition of the library that recipes reach, by name.

    A definition that they do not reach decides nothing, so the library may grow without making a lock stale.
    """
    defined = {definition.name: definition for file in library() for definition in file.definitions}
    reached: dict[str, str] = {}
    waiting = [names for recipe in recipes for names in canonical.names(recipe) - _own_names(recipe)]
    while waiting:
        name = waiting.pop()
        if name in defined and name not in reached:
            reached[name] = recipe_digest(defined[name])
            definition = defined[name]
            parameters = definition.parameters or () if isinstance(definition, ast.Define) else ()
            waiting += canonical.names(definition) - set(parameters)
    return dict(sorted(reached.items()))


def function_digest(function: Function) -> str:
    """Return the digest of what a function's row says of its meaning: all but the words of its summary."""

    def text(kind: Type | Kind) -> str:
        return kind.name

    return sha256_of(
        {
            "name": function.name,
            "parameters": [text(kind) for kind in function.parameters],
            "result": text(function.result),
            "effect": function.effect.name,
            "variadic": function.variadic,
            "skips_nulls": function.skips_nulls,
        }
    )


def _own_names(recipe: ast.Recipe) -> frozenset[str]:
    return frozenset(statement.name for statement in recipe.definitions)


def _imports(recipe: ast.Recipe, inputs: Inputs, prefix: str = "") -> Iterator[tuple[str, ast.Recipe]]:
    for statement in recipe.definitions:
        if isinstance(statement, ast.Import):
            imported = inputs.recipes[statement.span]
            yield prefix + statement.name, imported
            yield from _imports(imported, inputs, f"{prefix}{statement.name}.")


def _functions(plan: nodes.Plan) -> list[str]:
    relations = (*(stage.relation for stage in plan.stages), plan.query)
    return sorted({node.name for rel in relations for node in nodes.walk(rel) if isinstance(node, nodes.Call)})


# --- what was decided -------------------------------------------------------------------------------------------------


def lock_of(run: Run) -> Lock:
    """Return the lock of a run. Raises LockError for a run over a raw pool."""
    compiled, result = run.compiled, run.result
    sets = {(named.name, named.sha256): named for _, named in compiled.program.sets}
    return Lock(
        key=key_of(compiled, run.pool, result.features),
        subset=result.subset.hash,
        distinct=result.subset.distinct,
        total=result.subset.total,
        statistics=statistics_of(compiled.program, result),
        clauses=tuple(_clauses(result)),
        sets=tuple(LockedSet(name, digest, _count(named)) for (name, digest), named in sorted(sets.items())),
        pool_name=run.pool.name,
        samples=run.pool.rows,
        duckdb=VERSION,
        program=compiled.program.digest,
        features=_features(result.features),
        margins=_margins(result.features),
    )


def statistics_of(program: Program, result: Result) -> tuple[LockedStatistic, ...]:
    """Return a run's statistics as a lock records them."""
    rows: list[LockedStatistic] = []
    for number, (stage, found) in enumerate(zip(program.stages, result.stages, strict=True), start=1):
        by_name: dict[str, list[Found]] = {}
        for one in found:
            by_name.setdefault(one.name, []).append(one)
        for statistic in stage.statistics:
            match statistic:
                case Demand():
                    continue
                case Scan():
                    rows += [_single("threshold", number, by_name[t.name][0]) for t in statistic.thresholds]
                case GroupedThreshold():
                    rows.append(_grouped(statistic, number, by_name.get(statistic.name, [])))
                case Cut() | Draw():
                    rows.append(_single("cut", number, by_name[statistic.name][0]))
                case GroupedCut():
                    rows.append(_grouped_cut(number, by_name[statistic.name][0]))
                case Firsts():
                    rows.append(_single("first", number, by_name[statistic.name][0]))
    return in_order(rows)


def _single(kind: str, stage: int, found: Found) -> LockedStatistic:
    return LockedStatistic(
        kind=kind,
        name=found.name,
        stage=stage,
        text=found.text,
        population=found.population,
        type=found.type.value,
        value=scalar_text(found.value),
        n=found.n,
        nulls=found.nulls,
        k=found.k,
        ties=found.ties,
        at=tuple(scalar_text(part) for part in found.at),
    )


def _grouped(statistic: GroupedThreshold, stage: int, found: list[Found]) -> LockedStatistic:
    """Record the groups of a BY by one digest, and one by one where they are few; n and nulls are of all groups."""
    groups = sorted(
        (
            LockedGroup(
                ", ".join(scalar_text(part) for part in one.group),
                scalar_text(one.value),
                one.n,
                one.nulls,
                one.k,
                one.ties,
            )
            for one in found
        ),
        key=lambda group: group.keys,
    )
    return LockedStatistic(
        kind="threshold",
        name=statistic.name,
        stage=stage,
        text=statistic.text,
        population=statistic.population,
        type=statistic.type.value,
        value="NULL",
        n=sum(group.n for group in groups),
        nulls=sum(group.nulls for group in groups),
        k=0,
        ties=0,
        groups=len(groups),
        digest=sha256_of([asdict(group) for group in groups]),
        by=tuple(groups) if len(groups) <= MAX_GROUPS else (),
    )


def _grouped_cut(stage: int, found: Found) -> LockedStatistic:
    """Record the cuts of a LIMIT .. BY by one digest, and one by one where its groups are few."""
    assert found.groups is not None
    (checksum,) = found.at
    told = found.groups.told if found.groups.count <= MAX_GROUPS else ()
    groups = [
        LockedGroup(", ".join(map(scalar_text, one.group)), scalar_text(one.value), one.n, 0, one.k, 0) for one in told
    ]
    return replace(
        _single("cut", stage, found),
        at=(),
        groups=found.groups.count,
        digest=f"md5xor:{checksum}",
        by=tuple(sorted(groups, key=lambda group: group.keys)),
    )


def _clauses(result: Result) -> Iterator[LockedClause]:
    for block in result.funnel:
        texts = (f"FROM {block.block.source}", *block.block.clauses)
        told = list(zip(texts, block.counts, strict=True))
        # The WHERE before it has the samples that its copies are made of.
        for text, count in told[1:] if block.block.of_copies else told:
            yield LockedClause(block.block.name, text, count)


def _count(named: nodes.NamedSet) -> int:
    return Subset.load(named.path).distinct if named.is_subset else named.count


# --- holding a run to its lock ----------------------------------------------------------------------------------------


def run_locked(
    recipe: str | Path | Source,
    pool: Pool,
    lock: Lock,
    settings: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    progress: Progress | None = None,
    *,
    frozen: bool = False,
    name: str = "the lock",
    computing: Computing | None = None,
) -> Run:
    """Run a recipe that is held to a lock: `dcql run --locked`, and with `frozen` `dcql run --frozen`.

    What decides the subset is compared before anything runs, the rest at the end. With `frozen` thresholds without BY
    and the cuts of LIMIT are taken from the lock instead of computed. Raises LockError where the lock does not hold.
    """
    compiled = compile(recipe, pool.schema, settings)
    check_inputs(compiled, pool, lock, name)
    given = frozen_statistics(compiled.program, lock, name) if frozen else None
    run = run_compiled(compiled, pool, resources, progress, given, computing)
    check_lock(run, lock, name)
    return run


def check_inputs(compiled: Compiled, pool: Pool, lock: Lock, name: str = "the lock") -> None:
    """Compare what decides the subset with a lock, before a run. Raises LockError where it differs."""
    key, promised = key_of(compiled, pool), lock.key.before_running
    if key != promised:
        _refuse_inputs(input_changes(promised, key, lock.pool_name, pool.name), lock, key, name)


def check_lock(run: Run, lock: Lock, name: str = "the lock") -> Changes:
    """Compare a run with a lock; return what differs and only describes the subset.

    Raises LockError: E0805 for another pool, E0801 where something else that decides the subset changed, and E0803
    where nothing did, and the subset or a statistic is another one.
    """
    found = lock_of(run)
    differences = changes(lock, found)
    if differences.inputs:
        _refuse_inputs(differences.inputs, lock, found.key, name)
    refuse_two_values(lock, found, name)
    return differences


def refuse_two_values(lock: Lock, found: Lock, name: str) -> None:
    """Raise LockError (E0803) where two locks have one key and another subset or other statistics."""
    differences = changes(lock, found)
    if not differences.inputs and differences.results:
        _refuse_results(differences, name)


def stale(lock: Lock, found: Lock, path: Path, command: str = "dcql lock") -> None:
    """Refuse the lock in a file where `command` would change it. Raises LockError with all that changes."""
    name = str(path)
    refuse_two_values(lock, found, name)
    differences = changes(lock, found)
    if differences.lines:
        only = () if differences.inputs else ("only what describes the subset differs; the subset is the same",)
        _refuse_stale(name, differences.lines, only, command)
    # A checkout may have turned the ends of lines.
    if path.read_bytes().replace(b"\r\n", b"\n") != found.text().encode("utf-8"):
        lines = ("layout: the file is not as `dcql lock` writes it",)
        _refuse_stale(name, lines, ("what it says is the same",), command)


def frozen_statistics(program: Program, lock: Lock, name: str = "the lock") -> dict[str, Found]:
    """Return the statistics that a frozen run takes from its lock, by name: thresholds without BY, and cuts.

    Raises LockError where the lock was made by another version of dcql, whose statistics are not these.
    """
    if program.digest != lock.program:
        _refuse_stale(name, ("program: made by a version of dcql that asks for other statistics",), ())
    return {
        row.name: Found(
            row.name,
            row.text,
            row.population,
            Type(row.type),
            _number(row.value),
            row.n,
            row.nulls,
            row.k,
            row.ties,
            at=tuple(read_scalar(part) for part in row.at),
        )
        for row in lock.statistics
        if row.kind in ("threshold", "cut") and row.groups is None
    }


def _number(text: str) -> int | float | None:
    value = read_scalar(text)
    assert value is None or isinstance(value, int | float)
    return value


def _refuse_inputs(lines: tuple[str, ...], lock: Lock, key: Key, name: str) -> NoReturn:
    if key.pool != lock.key.pool:
        raise LockError(
            Diagnostic(
                "E0805",
                f"{name} was made over another pool",
                label=_lines(lines),
                helps=(f"run it over `{lock.pool_name}`, or lock it anew over this one: `dcql lock`",),
            )
        )
    _refuse_stale(name, lines, ())


def _refuse_stale(name: str, lines: tuple[str, ...], more: tuple[str, ...], command: str = "dcql lock") -> NoReturn:
    helps = (*more, f"look at what changed, then write the lock anew: `{command}`")
    raise LockError(Diagnostic("E0801", f"{name} would change", label=_lines(lines), helps=helps))


def _refuse_results(differences: Changes, name: str) -> NoReturn:
    first, *rest = differences.results
    label = f"first: {first}" + (f"\n{_lines(tuple(rest))}" if rest else "")
    raise LockError(
        Diagnostic(
            "E0803",
            f"one key, two values: nothing that decides the subset changed, and {name} records another result",
            label=label,
            helps=(
                "`dcql verify --perturb` runs it under other conditions and says which one matters",
                "`dcql pool rm` and `dcql pool add` read every file again: a new fingerprint says that files changed",
            ),
        )
    )


def _lines(lines: tuple[str, ...]) -> str:
    shown = list(lines[:MAX_LINES])
    if len(lines) > MAX_LINES:
        shown.append(f"and {len(lines) - MAX_LINES} more")
    return "\n".join(shown)
