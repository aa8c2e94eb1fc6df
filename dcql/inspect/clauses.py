"""Which clauses of one recipe samples fail that another subset holds, where that one has no recipe to compare with."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np

from dcql.engine.export import find
from dcql.engine.variants import Variants
from dcql.inspect.attribution import listed
from dcql.inspect.causes import Attribution, Cause
from dcql.inspect.diff import copied, difference
from dcql.inspect.telling import counted, failed, gathered
from dcql.inspect.truths import NOTHING, Item, Mixes, answer
from dcql.plan import nodes
from dcql.plan.edits import QUERY, edits_between
from dcql.plan.variants import EVERY
from dcql.subset import Subset

Evaluate: TypeAlias = Callable[[Sequence[nodes.Plan]], Variants]

NOT_IN_POOL = "pool: not in the pool of the recipe"
NO_RECIPE = "the other side has no recipe to say why it lacks them"


def against_clauses(stored: Subset, plan: nodes.Plan, evaluate: Evaluate, side: str) -> tuple[Subset, Attribution]:
    """Compare a subset without a recipe, which is side "a" or "b", with a recipe's; return that one and the reasons.

    A sample that only the stored subset holds is told by the first clause of the recipe that it fails. Raises RunError
    for a run that failed.
    """
    mixes = Mixes(edits_between(plan, plan), lambda _: np.empty(0, np.bool_))
    items = mixes.way(NOTHING)
    with TemporaryDirectory(prefix="dcql-diff-") as folder:
        mixes.differing = listed(stored.uids, Path(folder))
        keys = list(dict.fromkeys(key for item in items for key in mixes.needed_by(item, NOTHING)))
        variants = evaluate([plan, *map(mixes.plan, keys), EVERY])
    recipes = variants.subset(0)
    found = difference(stored, recipes) if side == "a" else difference(recipes, stored)
    only = found.only_a if side == "a" else found.only_b
    at = find(variants.uids, np.ascontiguousarray(only["f0"]), np.ascontiguousarray(only["f1"]))
    known = np.flatnonzero(at >= 0)
    truths = {key: answer(variants, number, key)[at[known]] for number, key in enumerate(keys, start=1)}
    mixes.present = lambda _: np.ones(len(known), np.bool_)
    fails = failed(items, mixes, truths.__getitem__, NOTHING, len(known))
    first = np.full(len(only), -1, np.intp)
    if len(items):
        first[known] = fails.argmax(axis=0)
    nothing = {"a": found.only_a, "b": found.only_b, "copies": copied(stored, recipes)}
    sides = {name: (uids, np.zeros(len(uids), np.intp)) for name, uids in nothing.items()}
    sides[side] = only, first

    def reason(name: str, value: int) -> Cause:
        words = NO_RECIPE if name != side else NOT_IN_POOL if value < 0 else _words(items[value])
        return Cause(name, (), (words,), 0, ())

    return recipes, replace(gathered(sides, reason), failing=tuple(counted(side, items, fails)))


def _words(item: Item) -> str:
    where = "" if item.stage == QUERY else f" in {item.stage}"
    return f"fails first{where}: {item.text}"
