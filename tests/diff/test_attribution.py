"""The attribution of 200 random pairs of recipes against brute force.

Every set of the reported edits is undone in the text of B, and the oracle evaluates that text: dcql mixes nothing here.
Then the definition is checked for each sample that differs: undoing its set gives A's answer; no smaller set does, and
none of its size that comes before it.
"""

import random
from functools import cache
from itertools import combinations
from typing import Any

import oracle
import pytest
from conformance import ONE_THREAD, shared_sessions
from diff.pairs import NotInText, Recipe, edited, mix, recipe
from properties import small

from dcql.compiler import check
from dcql.inspect.attribution import Side, attribute
from dcql.inspect.causes import Attribution
from dcql.plan.edits import edits_between
from dcql.source import Source
from dcql.variants import run_variants

PAIRS = 200
POOLS = [4, 6, 7, 9, 10, 11]


def bag(text: str, number: int) -> dict[str, int]:
    """Ask the oracle for a subset, by hexadecimal uid."""
    return {uid.hex(): copies for uid, copies in oracle.select(text, small(number).rows).items()}


def drawn(seed: int) -> tuple[Recipe, Recipe, int]:
    """Draw a pair of recipes that both mean something and differ on a pool, and that pool."""
    for again in range(1000):
        r = random.Random(f"{seed}/{again}")
        number = r.choice(POOLS)
        before = after = recipe(r)
        for _ in range(r.choice((1, 2, 2, 3, 3, 4, 5, 6))):
            after = edited(r, after)
        try:
            if bag(before.text(), number) == bag(after.text(), number):
                continue
            count = len(edits_of(before, after, number).edits)
            everything = mix(before, after, edits_of(before, after, number).edits)
        except (oracle.OracleError, NotInText):
            continue
        # All of the edits undone, it is A.
        assert bag(everything, number) == bag(before.text(), number), (before.text(), after.text())
        if 1 <= count <= 6:
            return before, after, number
    raise AssertionError(seed)


def edits_of(before: Recipe, after: Recipe, number: int) -> Any:
    """Return the edits that dcql finds."""
    schema = small(number).raw.schema
    return edits_between(*(check(Source(name, one.text()), schema) for name, one in (("a", before), ("b", after))))


def attributed(before: Recipe, after: Recipe, number: int) -> Attribution:
    """Attribute with dcql, over the added pool."""
    ready = small(number)
    pool = ready.added or ready.raw
    a, b = (check(Source(name, one.text()), pool.schema) for name, one in (("a", before), ("b", after)))

    def evaluate(plans: Any) -> Any:
        with shared_sessions():
            return run_variants(plans, pool, ONE_THREAD)

    return attribute(edits_between(a, b), Side(a, evaluate), Side(b, evaluate)).attribution


@pytest.mark.parametrize("seed", range(PAIRS))
def test_every_set_is_the_smallest_that_flips_its_samples(seed: int) -> None:
    before, after, number = drawn(seed)
    found = attributed(before, after, number)

    @cache
    def undoing(*numbers: int) -> dict[str, int]:
        return bag(mix(before, after, [found.edits[one - 1] for one in numbers]), number)

    a, b = bag(before.text(), number), bag(after.text(), number)
    differ = {uid for uid in a | b if a.get(uid) != b.get(uid)}
    uids = [f"{high:016x}{low:016x}" for high, low in found.uids.tolist()]
    assert sorted(uids) == sorted(differ)
    for uid, place in zip(uids, found.cause.tolist(), strict=True):
        cause = found.causes[place]
        side = "a" if uid not in b else "b" if uid not in a else "copies"
        assert (cause.side, cause.smallest) == (side, True)
        assert undoing(*cause.edits).get(uid) == a.get(uid), (uid, cause)
        for size in range(len(cause.edits) + 1):
            for smaller in combinations(range(1, len(found.edits) + 1), size):
                if smaller == cause.edits:
                    break
                assert undoing(*smaller).get(uid) != a.get(uid), (uid, cause, smaller)
