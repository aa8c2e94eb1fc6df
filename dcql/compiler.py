"""The compiler: one straight function, and the names of the things between its phases."""

from collections.abc import Mapping
from pathlib import Path

from dcql.catalog.inputs import load
from dcql.catalog.library import library
from dcql.catalog.types import DATACOMP, Schema
from dcql.plan.nodes import Plan
from dcql.plan.resolve import Catalog, resolve
from dcql.source import Source
from dcql.syntax.parser import parse


def check(
    source: Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None, path: Path | None = None
) -> Plan:
    """Check a recipe: everything short of running it.

    `path` is the recipe's file, None for a recipe that is text only. Raises RecipeError with every fault found.
    """
    recipe = parse(source)
    catalog = Catalog(schema, library(), load(recipe, path))
    return resolve(recipe, catalog, settings or {})
