"""The compiler: one straight function from text to program, and one from there to a subset."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.catalog.recipes import find_recipe
from dcql.catalog.store import home, keep_program, program_file
from dcql.catalog.types import DATACOMP, Schema
from dcql.dataclass import dataclass
from dcql.demo_pool import open_or_make, unpack_images
from dcql.displayed import Displayed
from dcql.limits import held
from dcql.source import Source

# Each phase is imported when it runs: checking a recipe needs no SQL printer, and running a stored program no parser.
if TYPE_CHECKING:
    from dcql.catalog.inputs import Inputs
    from dcql.engine.cluster.doing import Cluster
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress, Result
    from dcql.engine.statistics import Found
    from dcql.lower.program import Program
    from dcql.plan import nodes
    from dcql.plan.meanings import Meanings
    from dcql.subset import Subset
    from dcql.syntax import ast

MAX_CALLS = 20_000


@dataclass(frozen=True)
class Compiled(Displayed):
    """A recipe that was compiled: what was written, what it means, and what is executed.

    `recipe`, `inputs` and `plan` are made when they are asked for: a stored program runs without them.
    """

    source: Source
    path: Path | None
    schema: Schema
    settings: Mapping[str, str]
    program: "Program"

    @property
    def recipe(self) -> "ast.Recipe":
        """The recipe as it was written."""
        return self._understood[0]

    @property
    def inputs(self) -> "Inputs":
        """The files that it names."""
        return self._understood[1]

    @property
    def plan(self) -> "nodes.Plan":
        """What it means, before any rewrite."""
        return self._understood[2]

    @cached_property
    def _understood(self) -> "tuple[ast.Recipe, Inputs, nodes.Plan]":
        return _understand(self.source, self.path, self.schema, self.settings)


@dataclass(frozen=True)
class Run(Displayed):
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
) -> "nodes.Plan":
    """Check a recipe: everything short of lowering it.

    `path` is the recipe's file, None for a recipe that is text only; `settings` are values for its PARAMs, as text.
    Raises RecipeError with every fault found.
    """
    return _understand(source, path, schema, settings or {})[2]


def check_closely(
    source: Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None, path: Path | None = None
) -> "tuple[ast.Recipe, nodes.Plan, Meanings]":
    """Check a recipe; return it as it was written, its plan, and what each of its expressions and queries means.

    Raises RecipeError with every fault found.
    """
    from dcql.plan.meanings import Meanings

    meanings = Meanings()
    recipe, _, plan = _understand(source, path, schema, settings or {}, meanings)
    return recipe, plan, meanings


def compile(
    recipe: str | Path | Source,
    schema: Schema = DATACOMP,
    settings: Mapping[str, str] | None = None,
    path: Path | None = None,
) -> Compiled:
    """Compile a recipe: a path, the name of one that ships, or a Source of its text, which `path` is the file of.

    Raises RecipeError with every fault found.
    """
    source, path = find_recipe(recipe) if not isinstance(recipe, Source) else (recipe, path)
    return _compile(source, path, schema, settings or {})


def compile_feature(
    feature: str, schema: Schema = DATACOMP, recipe: str | Path | None = None
) -> "Compiled | tuple[str, ...]":
    """Compile the recipe that asks for a feature of every sample: one of the library, or one that `recipe` declares.

    Returns the names of the features that there are where this is none of them. Raises RecipeError for a recipe that is
    wrong.
    """
    from dcql.catalog.inputs import load
    from dcql.catalog.library import library
    from dcql.lower.lower import lower
    from dcql.plan.passes import optimize
    from dcql.plan.resolve import Catalog, resolve
    from dcql.syntax import ast
    from dcql.syntax.parser import parse

    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_CALLS))
    source, path = find_recipe(recipe) if recipe is not None else (Source("feature", "SELECT uid FROM pool"), None)
    written = parse(source)
    declared = [one for part in (*library(), written) for one in part.definitions if isinstance(one, ast.Feature)]
    names = tuple(dict.fromkeys(one.name for one in declared))
    if feature not in names:
        return names
    asks = parse(Source("feature", f"SELECT uid FROM pool WHERE {feature} IS NOT NULL"))
    asking = replace(written, query=asks.query, expects=())
    inputs = load(asking, path)
    plan = resolve(asking, Catalog(schema, library(), inputs, embeddings=True), {})
    compiled = Compiled(source, path, schema, {}, lower(optimize(plan)))
    vars(compiled)["_understood"] = (asking, inputs, plan)
    return compiled


def compile_once(
    recipe: str | Path | Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None
) -> Compiled:
    """Compile a recipe, or take the program that it was compiled to before from the store.

    A recipe that names files is always compiled, for they may have changed, and so is one that is held to a nesting.
    Raises what `compile` raises.
    """
    from dcql.lower import stored

    source, path = find_recipe(recipe) if not isinstance(recipe, Source) else (recipe, None)
    given = dict(settings or {})
    if held().nesting is not None:
        return _compile(source, path, schema, given)
    place = program_file(stored.key(source, schema, given))
    try:
        return Compiled(source, path, schema, given, stored.decode(place.read_text(encoding="utf-8"), source))
    except (OSError, ValueError):
        compiled = _compile(source, path, schema, given)
    if not compiled.inputs:
        keep_program(place, stored.encode(compiled.program))
    return compiled


def _compile(source: Source, path: Path | None, schema: Schema, settings: Mapping[str, str]) -> Compiled:
    from dcql.lower.lower import lower
    from dcql.plan.passes import optimize

    understood = _understand(source, path, schema, settings)
    plan = understood[2]
    compiled = Compiled(source, path, schema, settings, lower(optimize(plan)))
    vars(compiled)["_understood"] = understood
    return compiled


def _understand(
    source: Source,
    path: Path | None,
    schema: Schema,
    settings: Mapping[str, str],
    meanings: "Meanings | None" = None,
) -> "tuple[ast.Recipe, Inputs, nodes.Plan]":
    """Parse a recipe, read what it names, and resolve it."""
    from dcql.catalog.inputs import load
    from dcql.catalog.library import library
    from dcql.plan.resolve import Catalog, resolve
    from dcql.syntax.parser import parse

    # A level of nesting takes several calls in each phase. The phases bound how deep a recipe may nest.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_CALLS))
    recipe = parse(source)
    inputs = load(recipe, path)
    return recipe, inputs, resolve(recipe, Catalog(schema, library(), inputs), settings, meanings)


def run(
    recipe: str | Path | Source,
    pool: str | Path | Pool,
    settings: Mapping[str, str] | None = None,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    computing: "Computing | None" = None,
) -> Run:
    """Compile a recipe and run it on a pool: an added pool's name, or a folder or URL of parquet files.

    "demo" is the demo pool, which is made on first use. Features that are not stored are computed, as `computing` says.

    Raises RecipeError for a wrong recipe and RunError for a run that failed.
    """
    opened = pool if isinstance(pool, Pool) else open_or_make(pool)
    compiled = compile_once(recipe, opened.schema, settings)
    return run_compiled(compiled, opened, resources, progress, computing=computing)


def run_compiled(
    compiled: Compiled,
    pool: Pool,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    frozen: "Mapping[str, Found] | None" = None,
    computing: "Computing | None" = None,
    cluster: "Cluster | None" = None,
) -> Run:
    """Run a recipe that was compiled for a pool's schema; `frozen` gives statistics that are not computed again.

    `computing` says what of features may be computed, `cluster` where to run it, None for this process.

    Raises RunError for a run that failed.
    """
    from dcql.engine.duck import Resources
    from dcql.engine.run import run as run_here

    given = resources or Resources()
    if compiled.program.features:
        from dcql.catalog.models import ImageArgument

        if any(spec.reads(ImageArgument) for spec in compiled.program.features):
            unpack_images(pool)
    early = None
    if compiled.program.promises and compiled.program.features:

        def early(unmet: frozenset[str]) -> None:
            from dcql.engine.promises import refuse_early
            from dcql.plan.passes import optimize

            refuse_early(optimize(compiled.plan), unmet, pool, given)

    if cluster is not None and compiled.program.features:
        from dcql.engine.cluster.features import spread_over
        from dcql.engine.features.report import Computing

        computing = replace(computing or Computing(), spread=spread_over(cluster))
    if cluster is None and (home() / "tasks").is_dir():
        from dcql.engine.cluster.run import left_of  # few runs were begun on a cluster

        cluster = left_of(compiled.program, pool, given)
    run_program = run_here
    if cluster is not None:
        from dcql.engine.cluster.run import run_spread

        run_program = partial(run_spread, cluster)
    result = run_program(compiled.program, pool, given, progress, frozen, computing, early)
    return Run(compiled, pool, result)
