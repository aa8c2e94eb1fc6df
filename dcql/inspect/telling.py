"""What a search found, told: causes with their words and counts, thresholds that moved, clauses that fail."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcql.engine.export import find
from dcql.inspect.causes import MANY, SIDES, Attribution, Cause, Failing, Moved
from dcql.inspect.truths import NOTHING, Bools, Item, Lookup, Mixes
from dcql.plan import nodes
from dcql.plan.alignment import Undone
from dcql.plan.passes import optimize
from dcql.plan.statistics import statistics
from dcql.subset import Uids

if TYPE_CHECKING:
    from dcql.engine.statistics import Found
    from dcql.inspect.attribution import Search

UNEXPLAINED = "not explained: undoing every edit does not give A's answer"


def told(search: "Search") -> Attribution:
    """Put what a search found into words."""
    return _Telling(search).attribution()


@dataclass(frozen=True, slots=True)
class _Group:
    """Samples, by their places among those that differ, with one cause."""

    samples: NDArray[np.intp]
    cause: Cause


class _Telling:
    def __init__(self, search: "Search") -> None:
        self.search = search
        self.edits = search.edits
        self.moved: dict[Moved, None] = {}

    def attribution(self) -> Attribution:
        search = self.search
        side = np.where(search.after == 0, 0, np.where(search.before == 0, 1, 2))
        groups: list[_Group] = []
        for number, name in enumerate(SIDES):
            of_side = np.flatnonzero(side == number)
            found = [
                group
                for samples, which in _split(of_side, search.which)
                for group in self._groups(name, samples, which)
            ]
            groups += sorted(found, key=lambda group: (-group.cause.count, group.cause.edits, group.cause.words))
        order = [np.flatnonzero(side == number) for number in range(len(SIDES))]
        cause = np.zeros(len(search.uids), np.intp)
        for place, group in enumerate(groups):
            cause[group.samples] = place
        in_order = np.concatenate(order)
        return Attribution(
            self.edits.edits,
            tuple(group.cause for group in groups),
            search.uids[in_order],
            cause[in_order],
            tuple(self.moved),
            (*self._failing("a", order[0], NOTHING), *self._failing("b", order[1], self.edits.all)),
        )

    # --- causes -------------------------------------------------------------------------------------------------------

    def _groups(self, side: str, samples: NDArray[np.intp], which: int) -> Iterator[_Group]:
        """Yield the causes of samples that one set of edits explains: apart where they act through other clauses."""
        if which < 0:
            yield _Group(samples, self._cause(side, samples, (), (UNEXPLAINED,), None, True))
            return
        explained = self.search.explained[which]
        numbers = tuple(sorted(explained.edits))
        by = [self.edits.edits[number - 1] for number in numbers]
        for part, absent in self._by_pool(samples, explained.edits):
            if absent:
                more = [edit.words for edit in by if edit.number != self.edits.pool]
                words = (f"pool: not in {absent}'s pool", *more)
                yield _Group(part, self._cause(side, part, numbers, words, None, explained.smallest))
                continue
            for through, item in self._through(side, part, explained.edits):
                moved = self._moved(item) if item is not None else None
                words = (moved.words(by),) if moved is not None else tuple(edit.words for edit in by)
                place = list(self.moved).index(moved) if moved is not None else None
                yield _Group(through, self._cause(side, through, numbers, words, place, explained.smallest))

    def _cause(
        self,
        side: str,
        samples: NDArray[np.intp],
        edits: tuple[int, ...],
        words: tuple[str, ...],
        moved: int | None,
        smallest: bool,
    ) -> Cause:
        examples = tuple(hexadecimal(self.search.uids[samples[:MANY]]))
        return Cause(side, edits, words, len(samples), examples, moved, smallest)

    def _by_pool(self, samples: NDArray[np.intp], undone: Undone) -> Iterator[tuple[NDArray[np.intp], str]]:
        """Yield the samples that only one of two pools has apart: with A or B, the one that lacks them, or ""."""
        if self.edits.pool is None or self.edits.pool not in undone:
            yield samples, ""
            return
        lacks_a, lacks_b = (~self.search.in_pool(side)[samples] for side in (self.edits.all, NOTHING))
        for there, absent in ((lacks_a, "A"), (lacks_b, "B"), (~(lacks_a | lacks_b), "")):
            if there.any():
                yield samples[there], absent

    def _through(
        self, side: str, samples: NDArray[np.intp], undone: Undone
    ) -> Iterator[tuple[NDArray[np.intp], Item | None]]:
        """Yield samples with the item through which edits act on them, None where it is one of the edits itself."""
        if side == "copies":
            yield samples, None
            return
        out = NOTHING if side == "a" else undone
        items = self.search.mixes.way(out)
        fails = self._fails(items, samples, out)
        edited = np.array([bool(item.edits & undone) for item in items], np.bool_)
        moves = np.array([bool(item.depends & undone) for item in items], np.bool_) & ~edited
        by_edit = fails[edited].any(axis=0) if len(items) else np.ones(len(samples), np.bool_)
        through = np.full(len(samples), -1, np.intp)
        if len(items):
            first = fails[moves].argmax(axis=0) if moves.any() else through
            places = np.flatnonzero(moves)
            by_move = ~by_edit & (fails[moves].any(axis=0) if moves.any() else False)
            through[by_move] = places[first[by_move]]
        for part, item in _split(np.arange(len(samples)), through):
            yield samples[part], items[item] if item >= 0 else None

    def _fails(self, items: Sequence[Item], samples: NDArray[np.intp], undone: Undone) -> Bools:
        self.search.look_at(samples)
        return failed(items, self.search.mixes, self.search.lookup, undone, len(samples))

    # --- thresholds ---------------------------------------------------------------------------------------------------

    def _moved(self, item: Item) -> Moved:
        numbers = tuple(sorted(item.depends))
        moved = Moved("tail" if item.clause is None else "clause", item.stage, item.text, "", None, None, numbers)
        quantiles = _quantiles(item.clause) if item.clause is not None else []
        if item.clause is not None and len(quantiles) == 1 and not quantiles[0].by:
            before, after = (self._value(item, side) for side in (self.edits.all, NOTHING))
            if before is not None and after is not None:
                text, population = after.text, after.population
                moved = Moved("threshold", item.stage, text, population, before.value, after.value, numbers)
        self.moved[moved] = None
        return moved

    def _value(self, item: Item, undone: Undone) -> "Found | None":
        """Return the threshold that a clause compares with in a mix."""
        [key] = self.search.mixes.needed_by(item, undone)
        return value_of(self.search.mixes.plan(key), self.search.found.get(key, ()))

    # --- clauses ------------------------------------------------------------------------------------------------------

    def _failing(self, side: str, samples: NDArray[np.intp], undone: Undone) -> Iterator[Failing]:
        """Yield the clauses of a recipe that samples of the other one fail, in the order of the text."""
        samples = samples[self.search.in_pool(undone)[samples]]
        items = self.search.mixes.way(undone)
        yield from counted(side, items, self._fails(items, samples, undone))


def failed(items: Sequence[Item], mixes: Mixes, lookup: Lookup, undone: Undone, samples: int) -> Bools:
    """Return (items, samples): whether a sample fails an item in a mix.

    A tail takes from what the items before it leave, so it is failed by none that fails one of these.
    """
    fails = np.zeros((len(items), samples), np.bool_)
    for place, item in enumerate(items):
        fails[place] = ~item.truth(mixes, lookup, undone)
        if item.clause is None:
            fails[place] &= ~fails[:place].any(axis=0)
    return fails


def counted(side: str, items: Sequence[Item], fails: Bools) -> Iterator[Failing]:
    """Yield the items that samples fail, (items, samples), with how often each is the first and the only one."""
    if not len(items):
        return
    first = fails.argmax(axis=0)
    alone = fails.sum(axis=0) == 1
    for place, (item, here) in enumerate(zip(items, fails, strict=True)):
        at_first, only = int((here & (first == place)).sum()), int((here & alone).sum())
        if at_first or only:
            edit = min(item.edits) if item.edits else None
            yield Failing(side, item.stage, item.text, at_first, only, edit, not item.operations)


def gathered(
    sides: Mapping[str, tuple[Uids, NDArray[np.intp]]],
    reason: Callable[[str, int], Cause],
    base: Attribution | None = None,
) -> Attribution:
    """Return an attribution of samples by side: uids in order, and for each a number that `reason` makes a cause of.

    What else it says is that of `base`.
    """
    causes: list[Cause] = []
    places: list[NDArray[np.intp]] = []
    for side in SIDES:
        uids, which = sides[side]
        here: list[tuple[Cause, NDArray[np.intp]]] = []
        for samples, value in _split(np.arange(len(uids)), which):
            examples = tuple(hexadecimal(uids[samples[:MANY]]))
            here.append((replace(reason(side, value), side=side, count=len(samples), examples=examples), samples))
        place = np.zeros(len(uids), np.intp)
        for cause, samples in sorted(here, key=lambda pair: (-pair[0].count, pair[0].edits, pair[0].words)):
            place[samples] = len(causes)
            causes.append(cause)
        places.append(place)
    uids = np.concatenate([sides[side][0] for side in SIDES])
    whole = base or Attribution((), (), uids, np.empty(0, np.intp))
    return replace(whole, causes=tuple(causes), uids=uids, cause=np.concatenate(places))


def restricted(found: Attribution, to: Mapping[str, Uids], otherwise: str) -> Attribution:
    """Return an attribution of other samples, by side: those that it does not know have the reason `otherwise`."""
    sides: dict[str, tuple[Uids, NDArray[np.intp]]] = {}
    for side in SIDES:
        here = np.array([cause.side == side for cause in found.causes], np.bool_)[found.cause]
        known, which = found.uids[here], found.cause[here]
        at = find(known, np.ascontiguousarray(to[side]["f0"]), np.ascontiguousarray(to[side]["f1"]))
        causes = np.full(len(at), -1, np.intp)
        causes[at >= 0] = which[at[at >= 0]]
        sides[side] = to[side], causes
    unknown = Cause("", (), (otherwise,), 0, ())
    return gathered(sides, lambda side, value: found.causes[value] if value >= 0 else unknown, found)


def value_of(plan: nodes.Plan, found: "Sequence[Found]") -> "Found | None":
    """Return the threshold that the query of a plan compares with, from what a run of it found."""
    optimized = optimize(plan)
    names = statistics(optimized).names
    assert isinstance(optimized.query, nodes.Filter)
    wanted = {names[q] for clause in optimized.query.clauses for q in _quantiles(clause)}
    return next((one for one in found if one.name in wanted), None)


def _quantiles(clause: nodes.Clause) -> list[nodes.Quantile]:
    return list(dict.fromkeys(node for node in nodes.walk(clause) if isinstance(node, nodes.Quantile)))


def _split(samples: NDArray[np.intp], values: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Yield the samples with each value; `values` is told by place."""
    taken = values[samples]
    for value in np.unique(taken):
        yield samples[taken == value], int(value)


def hexadecimal(uids: Uids) -> list[str]:
    """Return uids as 32 hex digits each."""
    return [f"{high:016x}{low:016x}" for high, low in uids.tolist()]
