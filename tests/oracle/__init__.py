"""An independent second implementation of the recipe language, written from SEMANTICS.md alone.

It imports nothing of dcql and no parser, SQL or query library, and prefers the obvious to the fast: row
by row, exact fractions, None for NULL. Tests compare the compiler's subsets with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pools import Pool

from .errors import OracleError
from .hash import dcql1, npy_bytes
from .quantile import Statistic
from .relations import Files, Program, outside_params
from .samples import read_pool
from .tail import Bag
from .types import Value

__all__ = ["Cut", "OracleError", "clause_counts", "dcql1", "npy_bytes", "select", "thresholds"]


@dataclass(frozen=True, slots=True)
class Cut:
    """One q: the statistic of each BY group, by the tuple of its keys; without BY the one group ()."""

    groups: dict[tuple[Value, ...], Statistic]

    @property
    def only(self) -> Statistic:
        """The statistic of a q without BY."""
        return self.groups[()]


def program(recipe: str, pool: Pool, params: Mapping[str, str] | None, files: Files | None) -> Program:
    columns, samples = read_pool(pool)
    overrides = outside_params(params or {}, columns, samples)
    return Program(recipe, (columns, samples), overrides=overrides, files=files)


def select(recipe: str, pool: Pool, *, params: Mapping[str, str] | None = None, files: Files | None = None) -> Bag:
    """Return the subset a recipe selects, uid16 -> copies; files are what it reads, by path."""
    return program(recipe, pool, params, files).run()


def clause_counts(
    recipe: str, pool: Pool, *, params: Mapping[str, str] | None = None, files: Files | None = None
) -> dict[str, list[int]]:
    """Count, for each SELECT, the distinct samples entering and after each top-level AND conjunct.

    A SELECT is named by its stage or 'query'; where one of these holds several they are 'name.1', 'name.2' ..
    in text order, those in parentheses included. A recipe that is imported is not opened.
    """
    checked = program(recipe, pool, params, files)
    checked.run()
    return {block.name: block.counts for block in checked.blocks}


def thresholds(
    recipe: str, pool: Pool, *, params: Mapping[str, str] | None = None, files: Files | None = None
) -> list[Cut]:
    """Return each q in text order of its use, DEFINEs opened where they are used."""
    checked = program(recipe, pool, params, files)
    checked.run()
    return [Cut(threshold.groups()) for threshold in checked.thresholds]
