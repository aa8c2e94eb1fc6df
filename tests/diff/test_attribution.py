"""The attribution of random pairs of recipes against brute force.

Every set of the reported edits is undone in the text of B, and the oracle evaluates that text: dcql mixes nothing here.
Then the definition is checked for each sample that differs: undoing its set gives A's answer; no smaller set does, and
none of its size that comes before it.
"""

import random
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import oracle
import pools
import pytest
from conformance import ONE_THREAD, Ready, make_ready, shared_sessions
from diff.pairs import NotInTextError, Recipe, edited, mix, recipe
from properties import random_pool, small

from dcql.catalog.pool import Pool
from dcql.compiler import check
from dcql.inspect import attribution
from dcql.inspect.attribution import Side, attribute
from dcql.inspect.causes import Attribution
from dcql.plan.edits import Edit, Edits, edits_between
from dcql.source import Source
from dcql.variants import run_variants

PAIRS = 200
FIRST = 60  # those that always run
POOLS = (4, 6, 7, 9, 10, 11)


@cache
def other(number: int) -> Ready:
    """Return a pool with most samples of a small one, some of them with other scores, and a few more."""
    r = random.Random(number)
    rows, more = random_pool(number), random_pool(number + 100)
    kept = [row for row in range(len(rows.columns["uid"])) if r.random() < 0.8]
    columns = {
        name: [values[row] for row in kept] + (more.columns[name][:3] if len(more.columns["uid"]) > 3 else [])
        for name, values in rows.columns.items()
    }
    for name in ("quality", "clip_l14_similarity_score"):
        values = columns[name]
        columns[name] = [r.choice(values) if r.random() < 0.2 else value for value in values]
    return make_ready(f"other{number}", pools.Pool(columns, rows.types), pools.Layout(files=2))


@dataclass(frozen=True)
class Pair:
    """Two recipes, and the pool of each."""

    before: Recipe
    after: Recipe
    old: Ready
    new: Ready

    def bag(self, undone: tuple[Edit, ...]) -> dict[str, int]:
        """Ask the oracle for the mix in which edits are undone."""
        pool = self.old if any(edit.kind == "pool changed" for edit in undone) else self.new
        text = mix(self.before, self.after, [edit for edit in undone if edit.kind != "pool changed"])
        return selected(text, pool)

    def edits(self) -> Edits:
        """Return the edits that dcql finds."""
        plans = (check(Source("recipe", one.text()), self.old.raw.schema) for one in (self.before, self.after))
        return edits_between(*plans, None if self.old is self.new else ("old", "new"))

    def attributed(self) -> Attribution:
        """Attribute with dcql, over the added pools."""
        sides = (
            Side(check(Source("recipe", one.text()), ready.raw.schema), runs(ready.added or ready.raw))
            for one, ready in ((self.before, self.old), (self.after, self.new))
        )
        return attribute(self.edits(), *sides).attribution


def selected(text: str, pool: Ready) -> dict[str, int]:
    """Ask the oracle for a subset, by hexadecimal uid."""
    return {uid.hex(): copies for uid, copies in oracle.select(text, pool.rows).items()}


def runs(pool: Pool) -> Any:
    """Return what runs plans over a pool."""

    def evaluate(plans: Any) -> Any:
        with shared_sessions():
            return run_variants(plans, pool, ONE_THREAD)

    return evaluate


def drawn(seed: str, *, pools_differ: bool = False) -> Pair:
    """Draw a pair of recipes that both mean something and differ."""
    for again in range(1000):
        r = random.Random(f"{seed}/{again}")
        number = r.choice(POOLS)
        before = after = recipe(r)
        for _ in range(r.choice((1, 2, 3, 4, 5, 6, 7))):
            after = edited(r, after)
        pair = Pair(before, after, small(number), other(number) if pools_differ else small(number))
        try:
            a, b = selected(before.text(), pair.old), selected(after.text(), pair.new)
            found = pair.edits().edits
            everything = pair.bag(found)
        except (oracle.OracleError, NotInTextError):
            continue
        assert everything == a, (before.text(), after.text())  # all of the edits undone, it is A
        if a != b and len(found) <= 6:
            return pair
    raise AssertionError(seed)


def check_against_brute_force(pair: Pair, *, smallest: bool = True) -> Attribution:
    """Check each cause of a pair."""
    found = pair.attributed()

    @cache
    def undoing(*numbers: int) -> dict[str, int]:
        return pair.bag(tuple(found.edits[number - 1] for number in numbers))

    a, b = selected(pair.before.text(), pair.old), selected(pair.after.text(), pair.new)
    uids = [f"{high:016x}{low:016x}" for high, low in found.uids.tolist()]
    assert sorted(uids) == sorted(uid for uid in a | b if a.get(uid) != b.get(uid))
    for uid, place in zip(uids, found.cause.tolist(), strict=True):
        cause = found.causes[place]
        assert cause.side == ("a" if uid not in b else "b" if uid not in a else "copies")
        assert undoing(*cause.edits).get(uid) == a.get(uid), (uid, cause)
        if not smallest:
            continue
        assert cause.smallest
        for size in range(len(cause.edits) + 1):
            for other in combinations(range(1, len(found.edits) + 1), size):
                if other == cause.edits:
                    break
                assert undoing(*other).get(uid) != a.get(uid), (uid, cause, other)
    return found


@pytest.mark.thinned(3)
@pytest.mark.parametrize("seed", range(FIRST))
def test_every_set_is_the_smallest_that_flips_its_samples(seed: int) -> None:
    check_against_brute_force(drawn(str(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FIRST, PAIRS))
def test_every_set_of_more_pairs_is_the_smallest(seed: int) -> None:
    check_against_brute_force(drawn(str(seed)))


@pytest.mark.thinned(3)
@pytest.mark.parametrize("seed", range(10))
def test_a_pool_is_one_more_edit(seed: int) -> None:
    found = check_against_brute_force(drawn(f"pools {seed}", pools_differ=True))
    assert found.edits[0].kind == "pool changed"


@pytest.mark.parametrize("seed", range(5))
def test_truths_come_in_as_many_runs_as_it_takes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "AT_ONCE", 4)
    check_against_brute_force(drawn(f"runs {seed}"))


@pytest.mark.parametrize("seed", range(5))
def test_beyond_the_bound_sets_still_flip_and_say_that_they_may_not_be_smallest(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "MOST_MIXES", 1)
    found = check_against_brute_force(drawn(f"bound {seed}"), smallest=False)
    assert all(cause.smallest == (len(found.edits) == 1) for cause in found.causes)
