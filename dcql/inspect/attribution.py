"""Why two recipes keep different samples: for each of them the smallest set of edits whose undoing gives A's answer.

Sets of edits are tried by size: single ones, pairs, and so on, each for the samples that none before it explains. What
the mixes say is put together from truths (`inspect.truths`), so the number of runs over the pool does not grow with the
number of mixes: usually there is one.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.types import Type
from dcql.engine.export import find
from dcql.engine.statistics import Found
from dcql.engine.variants import Variants
from dcql.inspect.causes import Attribution
from dcql.inspect.histograms import histograms
from dcql.inspect.telling import told
from dcql.inspect.truths import NOTHING, Bools, Counts, Key, Mixes, answer
from dcql.plan import nodes
from dcql.plan.alignment import Undone
from dcql.plan.edits import Edits
from dcql.plan.variants import EVERY
from dcql.subset import UID, Subset, Uids

# Runs several plans over a pool at once.
Evaluate: TypeAlias = Callable[[Sequence[nodes.Plan]], Variants]

AT_ONCE = 32  # plans in one run: each keeps a byte for every sample of the pool
MOST_PLANS = 400
MOST_MIXES = 40_000


@dataclass(frozen=True)
class Side:
    """One side of the comparison: its plan, as `Compiled.plan` gives it, and what runs plans over its pool."""

    plan: nodes.Plan
    evaluate: Evaluate


@dataclass(frozen=True, slots=True)
class Explained:
    """A set of edits that explains some samples; `smallest` is False where smaller ones were not all tried."""

    edits: Undone
    smallest: bool = True


@dataclass(frozen=True)
class Attributed:
    """An attribution, and the two subsets that it is about."""

    attribution: Attribution
    a: Subset
    b: Subset


def attribute(edits: Edits, a: Side, b: Side) -> Attributed:
    """Find what caused each difference between two recipes.

    The sides have one `evaluate` unless their pools are different ones, which is an edit too then (`Edits.pool`).
    Raises RunError for a run that failed.
    """
    search = Search(edits, a, b)
    with TemporaryDirectory(prefix="dcql-diff-") as folder:
        search.run(Path(folder))
        attribution = replace(told(search), histograms=histograms(search))
    return Attributed(attribution, *search.subsets)


@dataclass
class Search:
    """The search for the edits that explain each sample.

    `uids` are the samples that differ, `before` and `after` how many copies A and B take of each; `explained` are sets
    of edits, and `which` is (n,) intp: the place in `explained` for each sample, -1 where nothing explains it.
    """

    edits: Edits
    a: Side
    b: Side
    uids: Uids = field(default_factory=lambda: np.empty(0, UID))
    before: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    after: Counts = field(default_factory=lambda: np.empty(0, np.int64))
    explained: list[Explained] = field(default_factory=list)
    which: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    found: dict[Key, tuple[Found, ...]] = field(default_factory=dict)
    subsets: tuple[Subset, ...] = ()
    _truths: dict[Key, NDArray[Any]] = field(default_factory=dict)
    _in_pool: dict[bool, Bools] = field(default_factory=dict)
    _view: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))

    def __post_init__(self) -> None:
        self.mixes = Mixes(self.edits, self.present)

    def run(self, folder: Path) -> None:
        """Explain every sample. Files that runs read are kept in `folder`, as long as any truth is asked for."""
        level = self._first_level()
        self._begin(folder, list(dict.fromkeys([*self._of_ways(), *self._of_sizes(range(level + 1))])))
        self.which = np.full(len(self.uids), -1, np.intp)
        tried = 0
        for size in range(1, len(self.edits.edits) + 1):
            if not (self.which < 0).any():
                return
            tried += comb(len(self.edits.edits), size)
            missing = [key for key in dict.fromkeys(self._of_sizes(range(size, size + 1))) if key not in self._truths]
            if tried > MOST_MIXES or len(self._truths) + len(missing) > MOST_PLANS:
                break
            self._compute(missing)
            self._try(size)
        self._take_away()

    # --- what is looked up --------------------------------------------------------------------------------------------

    def present(self, undone: Undone) -> Bools:
        """Return which of the samples in view the pool of a mix has."""
        return self._in_pool[self._is_a(undone)][self._view]

    def lookup(self, key: Key) -> NDArray[Any]:
        """Return a truth for each sample in view, or its copies."""
        return self._truths[key][self._view]

    def look_at(self, samples: NDArray[np.intp]) -> None:
        """Look at some of the samples that differ, by their places."""
        self._view = samples

    def in_pool(self, undone: Undone) -> Bools:
        """Return which samples the pool of a mix has, of all that differ."""
        return self._in_pool[self._is_a(undone)]

    def _is_a(self, undone: Undone) -> bool:
        return self.edits.pool is not None and self.edits.pool in undone

    # --- truths -------------------------------------------------------------------------------------------------------

    def _begin(self, folder: Path, keys: list[Key]) -> None:
        """Run both recipes, with as many truths beside them as may be needed, and find the samples that differ."""
        if self.edits.pool is None:
            variants = self.a.evaluate([self.a.plan, self.b.plan, *map(self.mixes.plan, keys)])
            self.subsets = variants.subset(0), variants.subset(1)
            before, after = _copies(variants, 0), _copies(variants, 1)
            at = np.flatnonzero(before != after)
            self.uids, self.before, self.after = variants.uids[at], before[at], after[at]
            self._in_pool = dict.fromkeys((False, True), np.ones(len(at), np.bool_))
            for number, key in enumerate(keys, start=2):
                self._truths[key], self.found[key] = answer(variants, number, key)[at], variants.statistics[number]
            return
        old, new = (side.evaluate([side.plan, EVERY]) for side in (self.a, self.b))
        self.subsets = old.subset(0), new.subset(0)
        both = Subset.from_uids(np.concatenate([subset.uids for subset in self.subsets])).uids
        places = {is_a: _places(variants, both) for is_a, variants in ((True, old), (False, new))}
        before, after = (_taken(_copies(variants, 0), places[is_a]) for is_a, variants in ((True, old), (False, new)))
        differs = before != after
        self.uids, self.before, self.after = both[differs], before[differs], after[differs]
        self._in_pool = {
            is_a: _taken(variants.kept[1], places[is_a][differs]) for is_a, variants in ((True, old), (False, new))
        }
        self.mixes.differing = listed(self.uids, folder)
        self._compute(keys)

    def _compute(self, keys: list[Key]) -> None:
        """Run what decides truths over the pool that they are about."""
        for is_a, side in ((True, self.a), (False, self.b)):
            own = [key for key in keys if self._is_a(key[1]) == is_a]
            for start in range(0, len(own), AT_ONCE):
                part = own[start : start + AT_ONCE]
                variants = side.evaluate(list(map(self.mixes.plan, part)))
                at = _places(variants, self.uids)
                for number, key in enumerate(part):
                    self._truths[key] = _taken(answer(variants, number, key), at)
                    self.found[key] = variants.statistics[number]

    def truths_of(self, keys: list[Key], undone: Undone) -> list[Bools]:
        """Return truths of every sample that differs, by one more run over the pool of a mix."""
        side = self.a if self.edits.pool is None or self._is_a(undone) else self.b
        variants = side.evaluate(list(map(self.mixes.plan, keys)))
        at = _places(variants, self.uids)
        return [_taken(kept, at) for kept in variants.kept]

    def _first_level(self) -> int:
        """Return the largest size of sets of edits whose mixes can all be told from one run."""
        count = len(self.edits.edits)
        for size in range(2, count + 1):
            too_many = sum(comb(count, n) for n in range(size + 1)) > MOST_MIXES // 10
            if too_many or len({*self._of_ways(), *self._of_sizes(range(size + 1))}) > AT_ONCE - 2:
                return size - 1
        return count

    def _of_sizes(self, sizes: range) -> Iterator[Key]:
        for size in sizes:
            for undone in combinations(sorted(self.edits.all), size):
                yield from self.mixes.needed(frozenset(undone))

    def _of_ways(self) -> Iterator[Key]:
        """Yield what decides in A and in B, though no small mix may look at it."""
        for undone in (NOTHING, self.edits.all):
            for item in self.mixes.way(undone):
                both = bool(item.depends) and not item.edits
                for other in (NOTHING, self.edits.all) if both else (undone,):
                    yield from self.mixes.needed_by(item, other)

    # --- sets of edits ------------------------------------------------------------------------------------------------

    def _try(self, size: int) -> None:
        """Explain samples by sets of this size, the first in the order of the text first."""
        left = np.flatnonzero(self.which < 0)
        like, place = self._alike(left)
        self.look_at(like)
        by = np.full(len(like), -1, np.intp)
        for undone in combinations(sorted(self.edits.all), size):
            flips = (self.mixes.copies(self.lookup, frozenset(undone)) == self.before[like]) & (by < 0)
            if flips.any():
                by[flips] = len(self.explained)
                self.explained.append(Explained(frozenset(undone)))
        self.which[left] = by[place]

    def _take_away(self) -> None:
        """Explain what is left by all edits, less each that makes no difference; smaller sets were not all tried."""
        left = np.flatnonzero(self.which < 0)
        like, place = self._alike(left)
        self.look_at(like)
        known: dict[Undone, Bools | None] = {}

        def flips(undone: Undone) -> Bools | None:
            if undone not in known:
                has_all = all(key in self._truths for key in self.mixes.needed(undone))
                known[undone] = self.mixes.copies(self.lookup, undone) == self.before[like] if has_all else None
            return known[undone]

        self._compute([key for key in dict.fromkeys(self.mixes.needed(self.edits.all)) if key not in self._truths])
        sets: dict[Undone, int] = {}
        by = np.full(len(like), -1, np.intp)
        for number in range(len(like)):
            undone = self.edits.all
            whole = flips(undone)
            if whole is None or not whole[number]:
                continue
            for edit in sorted(self.edits.all, reverse=True):
                fewer = flips(undone - {edit})
                if fewer is not None and fewer[number]:
                    undone = undone - {edit}
            if undone not in sets:
                sets[undone] = len(self.explained)
                self.explained.append(Explained(undone, smallest=False))
            by[number] = sets[undone]
        self.which[left] = by[place]

    def _alike(self, samples: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return one sample for each pattern of truths and copies, and for each sample the place of its pattern."""
        place = np.zeros(len(samples), np.int64)
        width = 1
        for copies in (self.before, self.after):
            values, code = np.unique(copies[samples], return_inverse=True)
            place, width = place * len(values) + code, width * len(values)
        for truths in (*self._in_pool.values(), *self._truths.values()):
            code, several = truths[samples], 2
            if truths.dtype != np.bool_:
                values, code = np.unique(code, return_inverse=True)
                several = len(values)
            if width * several >= 1 << 62:
                values, place = np.unique(place, return_inverse=True)
                width = len(values)
            place, width = place * several + code, width * several
        _, first, which = np.unique(place, return_index=True, return_inverse=True)
        return samples[first], which


def listed(uids: Uids, folder: Path) -> nodes.Rel:
    """Return the relation of samples by their uids, in order, by way of a file in `folder`."""
    file = folder / "uids.npy"
    Subset(uids).save(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    named = nodes.NamedSet("differ'", str(file), digest, Type.TEXT, 0, is_subset=True)
    test = nodes.InSet(nodes.Column("uid", Type.TEXT), named)
    return nodes.Filter(nodes.PoolScan(), (nodes.Clause(test, "uid IN differ"),))


def _copies(variants: Variants, number: int) -> Counts:
    copies = variants.copies[number]
    return (variants.kept[number] if copies is None else copies).astype(np.int64)


def _places(variants: Variants, uids: Uids) -> NDArray[np.int64]:
    """Return where samples stand among those of the variants, by their uids; -1 for those that the pool does not have.

    It takes longer than to read a truth of each of them, so it is asked once for all truths of a run.
    """
    return find(variants.uids, np.ascontiguousarray(uids["f0"]), np.ascontiguousarray(uids["f1"]))


def _taken(values: NDArray[Any], at: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of samples by their places; 0 for those that the pool does not have."""
    if not len(values):
        return np.zeros(len(at), values.dtype)
    taken = values[np.maximum(at, 0)]
    taken[at < 0] = 0
    return taken
