"""Locking a recipe again: over the pool of the lock that is there, and with the values that its PARAMs were given."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from dcql.catalog.pool import Pool
from dcql.compiler import Compiled, compile
from dcql.locks.lock import Lock
from dcql.records.recorded import settings_for
from dcql.syntax.canonical import recipe_digest


def compile_anew(recipe: str | Path, pool: Pool, settings: Mapping[str, str], old: Lock | None) -> Compiled:
    """Compile a recipe for a pool, whatever the store holds. Raises RecipeError.

    A lock of this very recipe says what PARAMs were given; `settings` go before it. Where the recipe is another one,
    its PARAMs may be too, and only `settings` are taken.
    """
    compiled = compile(recipe, pool.schema, settings)
    given = settings_given(compiled, old)
    return compile(recipe, pool.schema, {**given, **settings}) if given else compiled


def settings_given(compiled: Compiled, old: Lock | None) -> dict[str, str]:
    """Return the `--set` values that a lock of this very recipe was made with, none for another recipe."""
    if old is None or old.key.recipe != recipe_digest(compiled.recipe):
        return {}
    return settings_for(old.key.parameters, dict(compiled.plan.parameters))


def command(verb: str, recipe: str | Path) -> str:
    """Return a command for a recipe as it may be pasted into a shell: `dcql lock recipes/mine.dcql`."""
    return f"dcql {verb} {shlex.quote(str(recipe))}"
