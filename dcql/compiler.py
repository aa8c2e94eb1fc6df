"""The compiler: one straight function from text to program, and one from there to a subset."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.inputs import Inputs, load
from dcql.catalog.library import library
from dcql.catalog.pool import Pool, open_pool
from dcql.catalog.types import DATACOMP, Schema
from dcql.errors import Diagnostic, RecipeError, RunError, did_you_mean
from dcql.plan import nodes
from dcql.plan.passes import optimize
from dcql.plan.resolve import Catalog, resolve
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.parser import parse, read

# Lowering and running import sqlglot, DuckDB and pyarrow, which take longer to import than a recipe takes to check.
if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.run import Progress, Result
    from dcql.engine.statistics import Found
    from dcql.lower.program import Program
    from dcql.subset import Subset

MAX_CALLS = 20_000


@dataclass(frozen=True)
class Compiled:
    """A recipe after every phase but the last: what was written, what it means, and what is executed."""

    source: Source
    recipe: ast.Recipe
    inputs: Inputs
    plan: nodes.Plan
    program: "Program"


@dataclass(frozen=True)
class Run:
    """A recipe that was run on a pool."""

    compiled: Compiled
    pool: Pool
    result: "Result"

    @property
    def subset(self) -> "Subset":
        """The subset."""
        return self.result.subset

    @property
    def hash(self) -> str:
        """The subset's hash, "dcql1:" and 64 hex digits."""
        return self.result.subset.hash


def check(
    source: Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None, path: Path | None = None
) -> nodes.Plan:
    """Check a recipe: everything short of lowering it.

    `path` is the recipe's file, None for a recipe that is text only; `settings` are values for its PARAMs, as text.
    Raises RecipeError with every fault found.
    """
    # A level of nesting takes several calls in each phase. The phases bound how deep a recipe may nest.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_CALLS))
    recipe = parse(source)
    return resolve(recipe, Catalog(schema, library(), load(recipe, path)), settings or {})


def compile(
    recipe: str | Path | Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None
) -> Compiled:
    """Compile a recipe: a path, the name of one that ships, or a Source of its text.

    Raises RecipeError with every fault found, and RunError where the recipe needs a model that cannot be run.
    """
    from dcql.lower.lower import lower

    source, path = find_recipe(recipe) if not isinstance(recipe, Source) else (recipe, None)
    parsed = parse(source)
    inputs = load(parsed, path)
    plan = resolve(parsed, Catalog(schema, library(), inputs), settings or {})
    _refuse_models(plan)
    return Compiled(source, parsed, inputs, plan, lower(optimize(plan)))


def run(
    recipe: str | Path | Source,
    pool: str | Path | Pool,
    settings: Mapping[str, str] | None = None,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
) -> Run:
    """Compile a recipe and run it on a pool: an added pool's name, or a folder or URL of parquet files.

    Raises RecipeError for a wrong recipe and RunError for a run that failed.
    """
    opened = pool if isinstance(pool, Pool) else open_pool(pool)
    return run_compiled(compile(recipe, opened.schema, settings), opened, resources, progress)


def run_compiled(
    compiled: Compiled,
    pool: Pool,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    frozen: "Mapping[str, Found] | None" = None,
) -> Run:
    """Run a recipe that was compiled for a pool's schema; `frozen` gives statistics that are not computed again.

    Raises RunError for a run that failed.
    """
    from dcql.engine.duck import Resources
    from dcql.engine.run import run as run_program

    return Run(compiled, pool, run_program(compiled.program, pool, resources or Resources(), progress, frozen))


def find_recipe(named: str | Path) -> tuple[Source, Path]:
    """Return the text and the file of a recipe: a path, or the name of one that ships, such as `clip30`.

    Raises RecipeError where there is none.
    """
    path = Path(named)
    if path.exists() or path.suffix == ".dcql":
        return read(path), path
    shipped = shipped_recipes()
    if str(named) in shipped:
        path = shipped[str(named)]
        # The same name on every machine, wherever dcql is installed.
        return Source(f"recipes/{path.relative_to(_shipped_folder()).as_posix()}", read(path).text), path
    near = did_you_mean(str(named), shipped)
    helps = (f"a similar recipe ships: `{near}`",) if near else (f"these ship: {', '.join(f'`{n}`' for n in shipped)}",)
    raise RecipeError(
        Diagnostic("E0208", f"no recipe `{named}`", label="neither a file nor a recipe that ships", helps=helps)
    )


def shipped_recipes() -> dict[str, Path]:
    """Return the recipes that ship, by name: the path below recipes/ and its last part where that is unique."""
    root = _shipped_folder()
    paths = {path.relative_to(root).with_suffix("").as_posix(): path for path in sorted(root.rglob("*.dcql"))}
    last = [name.rsplit("/", 1)[-1] for name in paths]
    short = {name.rsplit("/", 1)[-1]: path for name, path in paths.items() if last.count(name.rsplit("/", 1)[-1]) == 1}
    return {**short, **paths}


def _shipped_folder() -> Path:
    return Path(str(files("dcql.recipes")))


def _refuse_models(plan: nodes.Plan) -> None:
    """Raise RunError for the names in a plan that need a model."""
    diagnostics: dict[str, Diagnostic] = {}
    for clause, name in _model_names(plan):
        diagnostics.setdefault(
            name,
            Diagnostic(
                "E0601",
                f"`{name}` needs a model",
                _where(name, clause.span) if clause is not None else None,
                "known and typed, but this version cannot compute it",
                ("`dcql check` checks the recipe; to run it, leave the clause out",),
            ),
        )
    if diagnostics:
        raise RunError(*sorted(diagnostics.values(), key=lambda found: found.span.start if found.span else -1))


def _model_names(plan: nodes.Plan) -> list[tuple[nodes.Clause | None, str]]:
    found: list[tuple[nodes.Clause | None, str]] = []
    for relation in (*(stage.relation for stage in plan.stages), plan.query):
        for node in nodes.walk(relation):
            inside = nodes.walk(node.expr) if isinstance(node, nodes.Clause) else iter((node,))
            clause = node if isinstance(node, nodes.Clause) else None
            for part in inside:
                if isinstance(part, nodes.Feature):
                    found.append((clause, part.name))
                elif isinstance(part, nodes.InSet) and isinstance(part.set, nodes.ModelSet):
                    found.append((clause, part.set.name))
    return found


def _where(name: str, span: Span | None) -> Span | None:
    """Return the place of a name inside a clause, or the clause where a DEFINE hides it."""
    if span is None or name not in span.text:
        return span
    start = span.start + span.text.index(name)
    return Span(span.source, start, start + len(name))
