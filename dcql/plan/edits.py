"""The edits that lead from one recipe to another, by what their plans mean; and the mixes of both.

Stages are matched by name. A stage that only one of the recipes has is no edit by itself: what refers to it is. So a
mix takes every stage that something in it refers to, from whichever recipe has it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from dcql.plan import nodes
from dcql.plan.alignment import Aligned, Operations, Select, Undone, Whole, align, mixed, unchanged
from dcql.plan.definitions import (
    Redefined,
    every_node,
    fits_of,
    redefined,
    swapped_plan,
    swapping,
    uses,
    without_demand,
)
from dcql.plan.demand import assign_demand
from dcql.plan.passes.prune_stages import prune_stages
from dcql.plan.written import share

QUERY = "query"


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit from recipe A to recipe B.

    `number` counts from 1 in the order of the text: the pool first, then definitions, stages, and the query. `kind` is

        pool changed
        asset changed, model changed, feature changed, set changed, table changed
        clause added, clause removed, clause changed
        FROM changed, ORDER BY changed
        copies, DISTINCT ON, LIMIT or SAMPLE: added, removed, changed
        operand added, operand removed, set operation changed
        stages changed: stages that refer to each other in turn, which can only be taken together

    `stage` says where it stands: a stage or `query`, and where in it; for a definition it is its name. `old` and `new`
    are the words of A and of B, empty where there are none; `words` tells the edit in one line.
    """

    number: int
    kind: str
    stage: str
    old: str
    new: str
    words: str

    def to_json(self) -> dict[str, Any]:
        """Return the edit as plain data."""
        names = ("number", "kind", "stage", "old", "new", "words")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Edits:
    """The edits from plan A to plan B, and the two plans aligned: `stages` by name in an order that fits, and `query`.

    `edits[i]` has the number i + 1. `pool` is the number of the edit that the pools are different ones, if they are.
    """

    edits: tuple[Edit, ...]
    stages: dict[str, Aligned]
    query: Aligned
    definitions: tuple[tuple[int, Redefined], ...]
    pool: int | None = None
    _reach: dict[str, Undone] = field(default_factory=dict, repr=False, compare=False)

    @property
    def all(self) -> Undone:
        """The numbers of all edits."""
        return frozenset(edit.number for edit in self.edits)

    def mix(self, undone: Undone) -> nodes.Plan:
        """Return the plan of B with edits undone; with all of them it means what A means."""
        return self.plan_of(mixed(self.query, undone), undone)

    def plan_of(self, query: nodes.Rel, undone: Undone) -> nodes.Plan:
        """Return a plan of a relation of either recipe, over the stages of a mix."""
        return assign_demand(self.over(query, undone))

    def over(self, query: nodes.Rel, undone: Undone) -> nodes.Plan:
        """Return the same plan before its features are asked of anything. Stages that nobody knows are left out."""
        relations: dict[str, nodes.Rel] = {}
        swap = self._swap(undone)

        def visit(relation: nodes.Rel) -> None:
            for name in references(relation):
                if name not in relations and name in self.stages:
                    inner = swap(mixed(self.stages[name], undone))
                    visit(inner)
                    relations[name] = inner

        query = swap(query)
        visit(query)
        stages = tuple(nodes.Stage(name, relation) for name, relation in relations.items())
        return nodes.Plan(stages, query, (), ())

    def _swap(self, undone: Undone) -> Callable[[nodes.Rel], nodes.Rel]:
        # Features hold models, which hold assets: what was replaced last is put back first.
        swaps = [swapping({one.b: one.a}) for number, one in reversed(self.definitions) if number in undone]

        def swap(relation: nodes.Rel) -> nodes.Rel:
            for one in swaps:
                relation = one(relation)
            return relation

        return swap

    # --- what depends on what -----------------------------------------------------------------------------------------

    def reach(self, node: nodes.Node) -> Undone:
        """Return the edits that can change what a node of either recipe means.

        These are the edits of definitions that it uses, and everything about the stages that it refers to.
        """
        return self.of_definitions(node).union(*(self._of_stage(name) for name in self._refers(node)))

    def inside(self, aligned: Aligned) -> Undone:
        """Return all edits that can change an aligned relation."""
        found: set[int] = set()
        for own, node in parts(aligned):
            found |= own
            if node is not None:
                found |= self.reach(node)
        return frozenset(found)

    def of_definitions(self, node: nodes.Node) -> Undone:
        """Return the edits of definitions that a node uses."""
        if not self.definitions:
            return frozenset()
        used = uses(node)
        return frozenset(number for number, one in self.definitions if (one.kind, one.name) in used)

    def _refers(self, node: nodes.Node) -> list[str]:
        """Return the stages that a node refers to, those of definitions as A has them too."""
        used = uses(node) if self.definitions else frozenset()
        more = [name for _, one in self.definitions if (one.kind, one.name) in used for name in one.a_refers]
        return [*references(node), *more]

    def _of_stage(self, name: str) -> Undone:
        if not self._reach:
            self._reach.update(self._all_stages())
        return self._reach[name]

    def _all_stages(self) -> dict[str, Undone]:
        """Return the edits of each stage, and of those that it refers to in turn."""
        own: dict[str, set[int]] = {}
        refers: dict[str, set[str]] = {}
        for name, aligned in self.stages.items():
            own[name], refers[name] = set(), set()
            for edits, node in parts(aligned):
                own[name] |= edits
                if node is not None:
                    own[name] |= self.of_definitions(node)
                    refers[name] |= set(self._refers(node))
        while True:
            more = {name: own[name].union(*(own[other] for other in refers[name])) for name in own}
            if more == own:
                return {name: frozenset(edits) for name, edits in own.items()}
            own = more


def edits_between(a: nodes.Plan, b: nodes.Plan, pools: tuple[str, str] | None = None) -> Edits:
    """Return the edits from one resolved plan to another, as `Compiled.plan` gives them.

    `pools` are the names of two different pools, where the plans are not over the same one.
    """
    recording = _Recording(_changed_parameters(a, b))
    pool = recording("pool changed", "", *pools) if pools is not None else None
    before, after = prune_stages(without_demand(a)), prune_stages(without_demand(b))
    before, changed = redefined(before, after)
    definitions = tuple((recording(f"{one.kind} changed", one.name, *one.told), one) for one in changed)
    olds = {stage.name: stage.relation for stage in before.stages}
    news = {stage.name: stage.relation for stage in after.stages}
    tied = _tied(prune_stages(without_demand(a)), after)
    stages: dict[str, Aligned] = {}
    for name in dict.fromkeys((*news, *olds)):
        if name in olds and name in news:
            with recording.together(tied.get(name)):
                stages[name] = align(olds[name], news[name], _place(name), recording)
        else:
            stages[name] = unchanged(olds.get(name, news.get(name)), _place(name))  # type: ignore[arg-type]
    query = align(before.query, after.query, QUERY, recording)
    return Edits(tuple(recording.edits), stages, query, definitions, pool)


def _place(stage: str) -> str:
    return stage if stage != QUERY else f"stage {stage}"


def renamed(plan: nodes.Plan, prefix: str) -> nodes.Plan:
    """Return a plan whose stages have other names, so that it can stand beside another one."""
    names = {stage.name: f"{prefix}.{stage.name}" for stage in plan.stages}
    stages = tuple(replace(stage, name=names[stage.name]) for stage in plan.stages)
    plan = nodes.transform_plan(replace(plan, stages=stages), lambda node: _renamed(node, names))
    fits = {one for node in every_node(plan) for one in fits_of(node) if one.on in names}
    return swapped_plan(plan, {one: replace(one, on=names[one.on]) for one in fits})


def _renamed(node: nodes.Node, names: dict[str, str]) -> nodes.Node:
    return nodes.Ref(names[node.name]) if isinstance(node, nodes.Ref) and node.name in names else node


def references(node: nodes.Node) -> list[str]:
    """Return the stages that a node refers to, each once."""
    return list(dict.fromkeys(one.name for one in nodes.walk(node) if isinstance(one, nodes.Ref)))


def parts(aligned: Aligned) -> Iterator[tuple[set[int], nodes.Node | None]]:
    """Yield everything inside an aligned relation, of A and of B, with the edits that choose it."""
    match aligned:
        case Whole():
            own = {aligned.edit} if aligned.edit is not None else set()
            yield own, aligned.a
            yield own, aligned.b
        case Operations():
            for operand in aligned.operands:
                yield {edit for edit in (operand.edit, operand.op) if edit is not None}, None
                yield from parts(operand.relation)
        case Select():
            yield from parts(aligned.source)
            yield set(aligned.edits), None
            for slot in aligned.clauses:
                for clause in (slot.a, slot.b):
                    if clause is not None:
                        yield set(), clause
            for option in (aligned.copies, aligned.distinct, aligned.order, aligned.limit):
                for value in (option.a, option.b):
                    yield from ((set(), node) for node in _nodes_in(value))
            for value in (aligned.sample.a, aligned.sample.b):
                if isinstance(value, nodes.SampleRows):
                    yield set(), value


def _nodes_in(value: object) -> Iterator[nodes.Node]:
    """Yield the nodes of an option: an expression, a tuple of them, or the amount and the keys of a LIMIT."""
    if isinstance(value, nodes.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes_in(item)


# --- recording --------------------------------------------------------------------------------------------------------


class _Recording:
    """Numbers the edits in the order in which they are met, and finds words for them."""

    def __init__(self, parameters: dict[str, tuple[str, str]]) -> None:
        self.edits: list[Edit] = []
        self._parameters = parameters
        self._shared: dict[str, int] = {}
        self._key: str | None = None

    def together(self, key: str | None) -> "_Recording":
        self._key = key
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._key = None

    def __call__(self, kind: str, stage: str, old: str, new: str, text: str = "") -> int:
        number = len(self.edits) + 1
        edit = Edit(number, kind, stage, old, new, self._words(kind, stage, old, new, text))
        if self._key is None:
            self.edits.append(edit)
            return number
        if self._key not in self._shared:
            self._shared[self._key] = number
            words = f"stages changed together: {self._key}: {edit.words}"
            self.edits.append(Edit(number, "stages changed", self._key, old, new, words))
            return number
        number = self._shared[self._key]
        known = self.edits[number - 1]
        self.edits[number - 1] = replace(known, words=f"{known.words}; {edit.words}")
        return number

    def _words(self, kind: str, stage: str, old: str, new: str, text: str) -> str:
        what = f"{old} -> {new}" if old and new else old or new
        if kind in _DEFINITIONS:
            return f"{kind}: {stage}: {what}" if stage else f"{kind}: {what}"
        if text:
            # The words are the same ones, and stand for something else.
            used = [name for name in self._parameters if re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text)]
            values = ", ".join(f"{name} {' -> '.join(self._parameters[name])}" for name in used)
            what = f"{text} ({values or what})"
        if kind.startswith("operand") or kind == "set operation changed":
            stage = stage.rpartition(", operand ")[0]
        where = "" if stage == QUERY else f" in {stage}"
        return f"{kind}{where}: {what}"


_DEFINITIONS = ("pool changed", "asset changed", "model changed", "feature changed", "set changed", "table changed")


def _changed_parameters(a: nodes.Plan, b: nodes.Plan) -> dict[str, tuple[str, str]]:
    """Return the PARAMs that both have, with two values, as text."""
    old, new = dict(a.parameters), dict(b.parameters)
    return {name: (_value(old[name]), _value(new[name])) for name in old if name in new and old[name] != new[name]}


def _value(text: str) -> str:
    try:
        return share(Fraction(text))
    except ValueError:
        return text


def _tied(a: nodes.Plan, b: nodes.Plan) -> dict[str, str]:
    """Return the stages that would refer to each other in turn in some mix, each with all the names of its circle."""
    refers: dict[str, set[str]] = {}
    for stage in (*a.stages, *b.stages):
        refers.setdefault(stage.name, set()).update(references(stage.relation))
    reached = {name: set(others) for name, others in refers.items()}
    while True:
        more = {name: others.union(*(reached[other] for other in others)) for name, others in reached.items()}
        if more == reached:
            break
        reached = more
    circles = {
        name: [other for other in refers if other in reached[name] and name in reached[other]] for name in refers
    }
    return {name: ", ".join(circle) for name, circle in circles.items() if circle}
