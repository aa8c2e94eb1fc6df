"""The diagnostics of a text: its errors, or its lints where it has none."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dcql.catalog.types import DATACOMP, Schema
from dcql.compiler import check, check_closely
from dcql.errors import Diagnostic, RecipeError
from dcql.lints.allow import allows, unneeded
from dcql.lints.conditions import conditions
from dcql.lints.dropped_nulls import dropped_nulls
from dcql.lints.idle_tails import idle_tails
from dcql.lints.lost_copies import lost_copies
from dcql.lints.measure import Measured
from dcql.lints.recipe import Linted
from dcql.lints.strict_threshold import strict_threshold
from dcql.lints.survivors import survivors
from dcql.lints.tie_classes import tie_classes
from dcql.lints.unused_names import unused_names
from dcql.source import Source, Span

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool

Lint = Callable[[Linted, Measured | None], Iterator[Diagnostic]]

LINTS: tuple[Lint, ...] = (
    strict_threshold,
    survivors,
    conditions,
    unused_names,
    tie_classes,
    lost_copies,
    idle_tails,
    dropped_nulls,
)
# What is found without a pool, so that a comment that allows it is needed with every pool or with none.
WITHOUT_POOL = frozenset({"L001", "L002", "L003", "L004", "L005", "L006", "L008", "L009"})


def diagnose(
    source: Source, schema: Schema = DATACOMP, settings: Mapping[str, str] | None = None, path: Path | None = None
) -> tuple[Diagnostic, ...]:
    """Return the errors of a recipe, or its lints where it has none, in the order of the text; it never raises them.

    `path` is the recipe's file, None for a recipe that is text only; `settings` are values for its PARAMs, as text.
    """
    try:
        return lint(source, schema, settings, path)
    except RecipeError as error:
        return error.diagnostics


def lint(
    source: Source,
    schema: Schema = DATACOMP,
    settings: Mapping[str, str] | None = None,
    path: Path | None = None,
    pool: "Pool | None" = None,
) -> tuple[Diagnostic, ...]:
    """Return the lints of a recipe in the order of the text: warnings, some of them with a fix.

    With `pool`, which must have this schema, its samples are looked at too, and what is stored of features; no model
    computes anything. `path` and `settings` are as for `check`.

    Raises RecipeError with every fault of the recipe, and RunError for a pool that cannot be read.
    """
    linted = Linted(source, *check_closely(source, schema, settings, path))
    measured = None
    if pool is not None:
        measured = Measured(linted.plan, pool, lambda changed: check(changed, schema, settings, path))
    comments, faults = allows(linted)
    used: set[Span] = set()
    shown = list(faults)
    for one in dict.fromkeys(one for each in LINTS for one in each(linted, measured)):
        silenced = [code for comment in comments if (code := comment.silences(one)) is not None]
        used.update(silenced)
        if not silenced:
            shown.append(one)
    shown += unneeded(comments, used, linted, WITHOUT_POOL)
    return tuple(sorted(shown, key=lambda one: (one.span.start, one.code) if one.span is not None else (-1, one.code)))
