"""What every mix of two recipes says of a sample, put together from the truths of their clauses.

A mix differs from another one in which clauses it has, and in the statistics that these compare with. So the truth of a
clause is computed once for each set of edits that its statistics depend on; the rest is AND, OR, sums and products over
the samples that differ. The number of an `n AS copies` is looked up as the truth of a clause is. A SELECT with DISTINCT
ON or LIMIT is taken whole.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dcql.engine.variants import Variants
from dcql.plan import nodes
from dcql.plan.alignment import Aligned, Operations, Select, Undone, Whole, mixed, tail_text, unchanged
from dcql.plan.demand import assign_demand
from dcql.plan.edits import Edits, renamed

Bools: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.int64]

NOTHING: Undone = frozenset()
_A, _B, _DIFFER = "a'", "b'", "differ'"  # a stroke is in no name of a recipe


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """Clauses that hold together, copies, or a SELECT with a tail.

    `depends` are the edits that can change what it says. Copies are one clause that is not in a tuple: what is
    looked up of them are numbers, not truths.
    """

    what: tuple[nodes.Clause, ...] | nodes.Clause | Select
    depends: Undone


Key: TypeAlias = tuple[Leaf, Undone]  # a leaf, and which of the edits that it depends on are undone
Lookup: TypeAlias = Callable[[Key], NDArray[Any]]  # truths; of copies, numbers
_TOO_MANY = 1 << 32


@dataclass(frozen=True, slots=True)
class Item:
    """Something on the way of a sample from the pool to the result: a clause, or the tail of a SELECT.

    `clause` is None for a tail, and for set operations, with which a way begins. `edits` are its own, and `depends`
    those that can change what it says while its words stay. `operations` marks set operations.
    """

    stage: str
    text: str
    clause: nodes.Clause | None
    edits: Undone
    depends: Undone
    truth: "Callable[[Mixes, Lookup, Undone], Bools]" = field(repr=False)
    operations: bool = False


@dataclass
class Mixes:
    """All mixes of two aligned recipes, as functions of the truths that a `Lookup` gives.

    `present` says of each sample whether it is in the pool of a mix. Features are asked only of the samples that
    differ: `differing` is the relation of these, None for those that A and B do not take alike.
    """

    edits: Edits
    present: Callable[[Undone], Bools]
    differing: nodes.Rel | None = None
    # By the id of what they are made of, which is kept beside them so that its id stays its own.
    _leaves: dict[int, tuple[object, Leaf]] = field(default_factory=dict)
    _inner: dict[int, tuple[object, Aligned]] = field(default_factory=dict)
    _reached: dict[int, tuple[object, Undone]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        before, after = ({id(select) for select in self._way(undone)} for undone in (NOTHING, self.edits.all))
        # A sample that differs is in A or in B, and passes what both have on the way from the pool to the result. With
        # one recipe alone it need not.
        self._always = before & after if self.edits.edits else frozenset()
        self._once = (before | after) - self._always
        self._pool = frozenset({self.edits.pool} if self.edits.pool is not None else ())

    def copies(self, lookup: Lookup, undone: Undone) -> Counts:
        """Return how many copies a mix takes of each sample."""
        return self._copies(self.edits.query, lookup, undone, {})

    def needed(self, undone: Undone) -> Iterator[Key]:
        """Yield what a mix looks up."""
        yield from self._asked(lambda mixes, note: mixes.copies(note, undone))

    def needed_by(self, item: Item, undone: Undone) -> Iterator[Key]:
        """Yield what one item of a way looks up in a mix."""
        yield from self._asked(lambda mixes, note: item.truth(mixes, note, undone))

    def _asked(self, look: "Callable[[Mixes, Lookup], object]") -> Iterator[Key]:
        asked: dict[Key, None] = {}
        nothing = np.empty(0, np.bool_)

        def note(key: Key) -> Bools:
            asked[key] = None
            return nothing

        look(replace(self, present=lambda _: nothing), note)
        yield from asked

    def way(self, undone: Undone) -> tuple[Item, ...]:
        """Return what a sample passes through in a mix, in the order of the text: all of it, where it is kept."""
        items: list[Item] = []
        selects = list(self._way(undone))
        first = selects[0].source if selects else self.edits.query
        if isinstance(first, Operations):
            stage = selects[0].place if selects else first.place
            items.append(self._of_operations(first, stage))
        for select in selects:
            items += self._items(select, undone)
        return tuple(items)

    def _of_operations(self, aligned: Operations, stage: str) -> Item:
        def truth(mixes: Mixes, lookup: Lookup, undone: Undone) -> Bools:
            return mixes._copies(aligned, lookup, undone, {}) > 0

        own = self.edits.inside(aligned)
        return Item(
            stage, f"one of {len(aligned.operands)} operands", None, own, own | self._pool, truth, operations=True
        )

    def _items(self, select: Select, undone: Undone) -> Iterator[Item]:
        for slot in select.clauses:
            clause = slot.clause(undone)
            if clause is None:
                continue
            depends = self._depends(clause)
            if slot.edit is None and not depends and id(select) in self._always:
                continue

            def truth(mixes: Mixes, lookup: Lookup, undone: Undone, clause: nodes.Clause = clause) -> Bools:
                return mixes._holds(clause, lookup, undone, {})

            own = self.edits.of_definitions(clause) | ({slot.edit} if slot.edit is not None else set())
            yield Item(select.place, clause.text, clause, own, depends, truth)
        if (copies := _copies_of(select, undone)) is not None and _times(copies) is None:

            def some(mixes: Mixes, lookup: Lookup, undone: Undone) -> Bools:
                return np.asarray(mixes._counts(copies, lookup, undone) > 0)

            own = self.edits.of_definitions(copies) | (
                {select.copies.edit} if select.copies.edit is not None else set()
            )
            yield Item(select.place, copies.text, None, frozenset(own), self._depends(copies), some)
        if _has_tail(select, undone):
            own = frozenset(one.edit for one in (select.distinct, select.limit, select.order) if one.edit is not None)
            depends = self.edits.inside(select) | self._pool
            yield Item(
                select.place,
                tail_text(select, undone),
                None,
                own,
                depends,
                lambda mixes, lookup, at: mixes._tail(select, lookup, at),
            )

    # --- plans --------------------------------------------------------------------------------------------------------

    def plan(self, key: Key) -> nodes.Plan:
        """Return the plan that keeps the samples for which a leaf holds."""
        leaf, undone = key
        if isinstance(leaf.what, Select):
            return self.edits.plan_of(mixed(leaf.what, undone), undone)
        clauses = leaf.what if isinstance(leaf.what, tuple) else (leaf.what,)
        if not any(_asks(clause.expr) for clause in clauses):
            return self.edits.plan_of(_told(leaf.what, nodes.PoolScan()), undone)
        return self._of_differing(leaf.what, undone)

    def _of_differing(self, what: tuple[nodes.Clause, ...] | nodes.Clause, undone: Undone) -> nodes.Plan:
        """Return the plan of clauses that ask for features: they are asked only of the samples that differ."""
        own = self.edits.over(_told(what, nodes.Ref(_DIFFER)), undone)
        if self.differing is not None:
            return assign_demand(replace(own, stages=(nodes.Stage(_DIFFER, self.differing), *own.stages)))
        stages: list[nodes.Stage] = []
        for prefix, side in ((_A, self.edits.all), (_B, NOTHING)):
            plan = renamed(self.edits.over(mixed(self.edits.query, side), side), prefix)
            stages += [*plan.stages, nodes.Stage(prefix, plan.query)]
        a, b = nodes.Ref(_A), nodes.Ref(_B)
        # With copies, a sample of both may differ too.
        either = nodes.SetOperation("UNION", nodes.SetOperation("EXCEPT", a, b), nodes.SetOperation("EXCEPT", b, a))
        differ = nodes.SetOperation("UNION", a, b) if self._has_copies() else either
        return assign_demand(replace(own, stages=(*stages, nodes.Stage(_DIFFER, differ), *own.stages)))

    def _has_copies(self) -> bool:
        return any(map(_takes_several, (self.edits.query, *self.edits.stages.values())))

    # --- composition --------------------------------------------------------------------------------------------------

    def _copies(self, aligned: Aligned, lookup: Lookup, undone: Undone, stages: dict[str, Counts]) -> Counts:
        match aligned:
            case Whole():
                source = aligned.source(undone)
                if isinstance(source, nodes.PoolScan):
                    return self.present(undone).astype(np.int64)
                if source.name not in stages:
                    inner = self.edits.stages[source.name]
                    stages[source.name] = self._copies(inner, lookup, undone, stages)
                return stages[source.name]
            case Operations():
                return self._combined(aligned, lookup, undone, stages)
            case Select():
                result = self._copies(aligned.source, lookup, undone, stages)
                for holds in self._clauses(aligned, lookup, undone, stages):
                    result = result * holds
                if (copies := _copies_of(aligned, undone)) is not None:
                    # What neither recipe gives may be more than a sample can have, many times over.
                    result = np.minimum(result * self._counts(copies, lookup, undone), _TOO_MANY)
                if _has_tail(aligned, undone):
                    result = result * self._tail(aligned, lookup, undone)
                return result

    def _combined(self, aligned: Operations, lookup: Lookup, undone: Undone, stages: dict[str, Counts]) -> Counts:
        first, *others = aligned.there(undone)
        result = self._copies(first.relation, lookup, undone, stages)
        for operand in others:
            other = self._copies(operand.relation, lookup, undone, stages)
            match operand.joins(undone):
                case "UNION ALL":
                    result = result + other
                case "UNION":
                    result = ((result > 0) | (other > 0)).astype(np.int64)
                case "INTERSECT":
                    result = ((result > 0) & (other > 0)).astype(np.int64)
                case _:
                    result = ((result > 0) & ~(other > 0)).astype(np.int64)
        return result

    def _clauses(self, select: Select, lookup: Lookup, undone: Undone, stages: dict[str, Counts]) -> Iterator[Bools]:
        common: list[nodes.Clause] = []
        for slot in select.clauses:
            clause = slot.clause(undone)
            if clause is None:
                continue
            if slot.edit is None and not self._depends(clause) and id(select) not in self._once:
                common.append(clause)
            else:
                yield self._holds(clause, lookup, undone, stages)
        if common and id(select) not in self._always:
            yield lookup((self._leaf(select.clauses, tuple(common), NOTHING), NOTHING))

    def _holds(self, clause: nodes.Clause, lookup: Lookup, undone: Undone, stages: dict[str, Counts]) -> Bools:
        negated, relation = _membership(clause.expr)
        if relation is not None:
            if id(clause) not in self._inner:
                self._inner[id(clause)] = clause, unchanged(relation, clause.text)
            inside = self._copies(self._inner[id(clause)][1], lookup, undone, stages) > 0
            return ~inside if negated else inside
        leaf = self._leaf(clause, (clause,), self._depends(clause))
        return lookup((leaf, undone & leaf.depends))

    def _tail(self, select: Select, lookup: Lookup, undone: Undone) -> Bools:
        leaf = self._leaf(select, select, self.edits.inside(select) | self._pool)
        return lookup((leaf, undone & leaf.depends))

    def _counts(self, copies: nodes.Clause, lookup: Lookup, undone: Undone) -> Counts:
        """Return how many copies an `n AS copies` makes of each sample."""
        times = _times(copies)
        if times is not None:
            return np.full(len(self.present(undone)), times, np.int64)
        leaf = self._leaf(copies, copies, self._depends(copies))
        return lookup((leaf, undone & leaf.depends)).astype(np.int64)

    def _leaf(self, owner: object, what: tuple[nodes.Clause, ...] | nodes.Clause | Select, depends: Undone) -> Leaf:
        if id(owner) not in self._leaves:
            self._leaves[id(owner)] = owner, Leaf(what, depends)
        return self._leaves[id(owner)][1]

    def _depends(self, clause: nodes.Clause) -> Undone:
        if id(clause) not in self._reached:
            self._reached[id(clause)] = clause, self.edits.reach(clause) | self._pool
        return self._reached[id(clause)][1]

    # --- the way of a sample ------------------------------------------------------------------------------------------

    def _way(self, undone: Undone) -> Iterator[Select]:
        """Return the SELECTs that a kept sample passes through, from the pool or a set operation to the result."""
        waiting: Aligned | None = self.edits.query
        found: list[Select] = []
        while waiting is not None:
            match waiting:
                case Select():
                    found.append(waiting)
                    waiting = waiting.source
                case Whole():
                    source = waiting.source(undone)
                    waiting = self.edits.stages[source.name] if isinstance(source, nodes.Ref) else None
                case Operations():
                    break
        return reversed(found)


def _has_tail(select: Select, undone: Undone) -> bool:
    return select.distinct.value(undone) is not None or select.limit.value(undone) is not None


def _membership(expr: nodes.Expr) -> tuple[bool, nodes.Rel | None]:
    """Return whether an expression is `uid [NOT] IN relation`: if it is negated, and the relation."""
    negated = False
    while isinstance(expr, nodes.Not):
        negated, expr = not negated, expr.operand
    return negated, expr.relation if isinstance(expr, nodes.InRelation) else None


def _asks(node: nodes.Node) -> bool:
    """Return whether an expression asks for a feature of its own samples."""
    if isinstance(node, nodes.Quantile):
        return any(_asks(key) for key in node.by)
    return isinstance(node, nodes.Feature) or any(
        _asks(child) for child in nodes.children(node) if not isinstance(child, nodes.PoolScan | nodes.Ref)
    )


def _takes_several(aligned: Aligned) -> bool:
    """Return whether a relation may have several copies of a sample."""
    match aligned:
        case Operations():
            added = any("UNION ALL" in (operand.a, operand.b) for operand in aligned.operands)
            return added or any(_takes_several(operand.relation) for operand in aligned.operands)
        case Select():
            copies = aligned.copies
            return copies.a is not None or copies.b is not None or _takes_several(aligned.source)
        case _:
            return False


def _copies_of(select: Select, undone: Undone) -> nodes.Clause | None:
    """Return the copies of a SELECT in a mix."""
    copies = select.copies.value(undone)
    assert copies is None or isinstance(copies, nodes.Clause)
    return copies


def _times(copies: nodes.Clause) -> int | None:
    """Return the number that copies are whatever the sample; None where it differs, and for 0, which drops it."""
    value = copies.expr.value if isinstance(copies.expr, nodes.Literal) else None
    return value if isinstance(value, int) and value > 0 else None


def _told(what: tuple[nodes.Clause, ...] | nodes.Clause, source: nodes.PoolScan | nodes.Ref) -> nodes.Rel:
    """Return the relation that says what is looked up of clauses, or of copies."""
    if isinstance(what, tuple):
        return nodes.Filter(source, what)
    return nodes.Copies(source, what.expr, what.text, what.span, checked=False)


def answer(variants: Variants, number: int, key: Key) -> NDArray[Any]:
    """Return what a run of several plans says of a leaf: the truths of plan `number`, or its copies."""
    copies = variants.copies[number]
    if isinstance(key[0].what, nodes.Clause) and copies is not None:
        return copies
    return variants.kept[number]
