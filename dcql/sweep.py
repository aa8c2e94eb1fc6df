"""One recipe with several values of its PARAMs, over one pool in one run."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.catalog.types import Schema
from dcql.compiler import MAX_CALLS
from dcql.errors import RecipeError
from dcql.source import Source
from dcql.variants import run_variants

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress
    from dcql.engine.statistics import Found
    from dcql.inspect.nesting import Nesting
    from dcql.plan import nodes


@dataclass(frozen=True)
class Variant:
    """What a recipe keeps with one choice of values.

    `settings` are the values that were chosen, as text; `parameters` those of all PARAMs. `distinct` counts the samples
    kept, `total` their copies. `promised` says whether every EXPECT holds, None without one.
    """

    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    distinct: int
    total: int
    hash: str
    statistics: "tuple[Found, ...]"
    promised: bool | None


@dataclass(frozen=True)
class Sweep:
    """The variants of a recipe on a pool of `samples`, and how their subsets lie to each other."""

    samples: int
    variants: tuple[Variant, ...]
    nesting: "Nesting"


def plans(
    source: Source, path: Path | None, schema: Schema, choices: Sequence[Mapping[str, str]]
) -> "list[nodes.Plan]":
    """Resolve a recipe with each choice of values, reading it and what it names once.

    Raises RecipeError with every fault of the first choice that has any.
    """
    from dcql.catalog.inputs import load
    from dcql.catalog.library import library
    from dcql.plan.resolve import Catalog, resolve
    from dcql.syntax.parser import parse

    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_CALLS))
    recipe = parse(source)
    catalog = Catalog(schema, library(), load(recipe, path))
    found: list[nodes.Plan] = []
    for choice in choices:
        try:
            found.append(resolve(recipe, catalog, choice))
        except RecipeError as error:
            raise _of_choice(error, choice) from error
    return found


def sweep(
    resolved: "Sequence[nodes.Plan]",
    choices: Sequence[Mapping[str, str]],
    pool: Pool,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    computing: "Computing | None" = None,
) -> Sweep:
    """Run a recipe's plans, as `plans` gives them for `choices`, over a pool. Raises RunError for a run that failed."""
    from dcql.engine.run import holds
    from dcql.inspect.nesting import nesting

    found = run_variants(resolved, pool, resources, progress, computing)
    compared = nesting(found.kept)
    variants: list[Variant] = []
    for number, (plan, choice, hash_) in enumerate(zip(resolved, choices, found.hashes(), strict=True)):
        distinct, copies = compared.overlaps[number][number], found.copies[number]
        promised = all(holds(promise, distinct, pool.rows) for promise in plan.promises) if plan.promises else None
        total = distinct if copies is None else int(copies.sum(dtype="u8"))
        variants.append(
            Variant(choice, dict(plan.parameters), distinct, total, hash_, found.statistics[number], promised)
        )
    return Sweep(pool.rows, tuple(variants), compared)


def _of_choice(error: RecipeError, choice: Mapping[str, str]) -> RecipeError:
    """Return an error that says of which values it is."""
    told = "this is with " + ", ".join(f"{name} = {value}" for name, value in choice.items())
    return RecipeError(*(replace(each, helps=(*each.helps, told)) for each in error.diagnostics))
