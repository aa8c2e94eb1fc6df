"""Two relations side by side: what both do, and what one of them does otherwise, each with the edit that it belongs to.

An aligned relation stands for all mixes of the two: `mixed` builds the one in which a set of edits is undone.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from fractions import Fraction
from typing import Protocol, TypeAlias, TypeVar

from dcql.plan import nodes
from dcql.plan.written import Writer, share

T = TypeVar("T")
Undone: TypeAlias = frozenset[int]
LimitOption: TypeAlias = tuple[int | None, Fraction | None, tuple[nodes.Expr, ...]]
NAMED = (nodes.PoolScan, nodes.Ref)
_SAMPLES = nodes.SampleShare | nodes.SampleRows
_WRITER = Writer()


class Record(Protocol):
    """Records an edit and returns its number.

    `text` is given where both recipes have the same words, which stand for `old` in one and for `new` in the other.
    """

    def __call__(self, kind: str, stage: str, old: str, new: str, text: str = "") -> int: ...


@dataclass(frozen=True, slots=True)
class Slot:
    """A clause of A, of B, or of both (`edit` is None then, and they are equal)."""

    a: nodes.Clause | None
    b: nodes.Clause | None
    edit: int | None

    def clause(self, undone: Undone) -> nodes.Clause | None:
        """Return the clause that a mix has here."""
        return self.a if self.edit is not None and self.edit in undone else self.b


@dataclass(frozen=True, slots=True)
class Whole:
    """A relation that both name, the pool or a stage: one in A, another in B where there is an `edit`."""

    a: nodes.PoolScan | nodes.Ref
    b: nodes.PoolScan | nodes.Ref
    edit: int | None

    def source(self, undone: Undone) -> nodes.PoolScan | nodes.Ref:
        """Return the one that a mix reads."""
        return self.a if self.edit is not None and self.edit in undone else self.b


@dataclass(frozen=True, slots=True)
class Option:
    """A part of a tail, such as LIMIT, as A and as B have it: None where that one has none."""

    a: object
    b: object
    edit: int | None

    def value(self, undone: Undone) -> object:
        """Return what a mix has."""
        return self.a if self.edit is not None and self.edit in undone else self.b


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT: what it reads, its clauses, its copies, then DISTINCT ON, LIMIT, their ORDER BY, and SAMPLE.

    `place` says where it stands, in words. The clauses are in the order of B, those of A alone after the ones that
    stand before them in A. Copies are told as a clause whose expression they are.
    """

    place: str
    source: "Aligned"
    clauses: tuple[Slot, ...]
    copies: Option
    distinct: Option
    limit: Option
    order: Option
    sample: Option

    @property
    def tail(self) -> tuple[Option, ...]:
        """What may follow its clauses; the ORDER BY serves others."""
        return self.distinct, self.limit, self.order, self.sample

    @property
    def has_tail(self) -> bool:
        """Whether any mix has a DISTINCT ON, a LIMIT or a SAMPLE."""
        options = (self.distinct, self.limit, self.sample)
        return any(one is not None for option in options for one in (option.a, option.b))

    def is_tailed(self, undone: Undone) -> bool:
        """Whether a mix has a DISTINCT ON, a LIMIT or a SAMPLE."""
        return any(option.value(undone) is not None for option in (self.distinct, self.limit, self.sample))

    @property
    def edits(self) -> Undone:
        """The edits of its own."""
        own = [slot.edit for slot in self.clauses] + [one.edit for one in (self.copies, *self.tail)]
        return frozenset(edit for edit in own if edit is not None)


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand of set operations. `a` and `b` say by which operation it joins those before it: None for the first.

    `edit` is that of an operand that only one of the recipes has, `side` the one that has it, "a" or "b"; `op` is the
    edit of an operation that became another one.
    """

    relation: "Aligned"
    a: str | None
    b: str | None
    edit: int | None = None
    side: str = ""
    op: int | None = None

    def is_there(self, undone: Undone) -> bool:
        """Return whether a mix has it."""
        return self.edit is None or (self.edit in undone) == (self.side == "a")

    def joins(self, undone: Undone) -> str:
        """Return the operation by which it joins the operands before it in a mix."""
        chosen = self.a if self.op is not None and self.op in undone else self.b
        return chosen or self.a or self.b or "UNION"


@dataclass(frozen=True, slots=True)
class Operations:
    """Operands from left to right, of UNION, INTERSECT, EXCEPT and UNION ALL."""

    place: str
    operands: tuple[Operand, ...]

    def there(self, undone: Undone) -> list[Operand]:
        """Return the operands of a mix: one at least."""
        return [operand for operand in self.operands if operand.is_there(undone)]


Aligned: TypeAlias = Whole | Select | Operations


def mixed(aligned: Aligned, undone: Undone) -> nodes.Rel:
    """Return the relation of B with edits undone."""
    match aligned:
        case Whole():
            return aligned.source(undone)
        case Operations():
            first, *others = aligned.there(undone)
            relation = mixed(first.relation, undone)
            for operand in others:
                relation = nodes.SetOperation(operand.joins(undone), relation, mixed(operand.relation, undone))
            return relation
        case Select():
            return _tail(aligned, undone, read(aligned, undone))


def read(select: Select, undone: Undone) -> nodes.Rel:
    """Return what the tail of a SELECT ranges over in a mix: its source and its WHERE."""
    source = mixed(select.source, undone)
    clauses = tuple(clause for slot in select.clauses if (clause := slot.clause(undone)) is not None)
    return nodes.Filter(source, clauses) if clauses else source


def _tail(select: Select, undone: Undone, relation: nodes.Rel) -> nodes.Rel:
    keys, limit = select.distinct.value(undone), select.limit.value(undone)
    order, copies = select.order.value(undone), select.copies.value(undone)
    if isinstance(copies, nodes.Clause):
        relation = nodes.Copies(relation, copies.expr, copies.text, copies.span, checked=False)
    if keys is not None:
        relation = nodes.DistinctOn(relation, keys, order)  # type: ignore[arg-type]
    if limit is not None:
        assert isinstance(limit, tuple)
        count, percent, by = limit
        relation = nodes.Limit(relation, order, count, percent, by)  # type: ignore[arg-type]
    sample = select.sample.value(undone)
    return replace(sample, input=relation) if isinstance(sample, _SAMPLES) else relation


def tail_text(select: Select, undone: Undone) -> str:
    """Write the DISTINCT ON, the LIMIT and the SAMPLE that a mix has."""
    keys, limit = select.distinct.value(undone), select.limit.value(undone)
    parts = [f"DISTINCT ON ({_keys_text(keys)})" if keys is not None else ""]  # type: ignore[arg-type]
    parts.append(f"LIMIT {_limit_text(limit)}" if limit is not None else "")  # type: ignore[arg-type]
    sample = select.sample.value(undone)
    parts.append(_WRITER.sample(sample) if isinstance(sample, _SAMPLES) else "")
    return " .. ".join(part for part in parts if part)


# --- aligning ---------------------------------------------------------------------------------------------------------


def align(a: nodes.Rel, b: nodes.Rel, place: str, record: Record) -> Aligned:
    """Align two relations; `record` is told each edit, in the order of the text."""
    if isinstance(a, NAMED) and isinstance(b, NAMED):
        edit = None
        if a != b:
            edit = record("FROM changed", place, _WRITER.source(a), _WRITER.source(b))
        return Whole(a, b, edit)
    chains = _chain(a), _chain(b)
    # An operand that was the whole of the other one, with a tail of its own, stays what it was.
    is_operand = any(whole == rel for whole, chain in ((a, chains[1]), (b, chains[0])) for _, rel in chain)
    tails = _alike(_tail_of(a), _tail_of(b))
    if max(map(len, chains)) > 1 and (is_operand or not any(tail.is_there for tail in tails)):
        return _operations(*chains, place, record)
    return _select(tails[0], tails[1], place, record)


def unchanged(relation: nodes.Rel, place: str) -> Aligned:
    """Align a relation with itself."""

    def never(kind: str, stage: str, old: str, new: str, text: str = "") -> int:
        raise AssertionError(f"{stage}: {kind} between equal relations")

    return align(relation, relation, place, never)


@dataclass(frozen=True, slots=True)
class _Tail:
    """A relation without its tail, and the tail; `under` is what DISTINCT ON and LIMIT are of, copies still there."""

    rel: nodes.Rel
    under: nodes.Rel
    copies: nodes.Clause | None
    keys: tuple[nodes.Expr, ...] | None
    limit: LimitOption | None
    order: tuple[nodes.SortKey, ...] | None
    sample: nodes.SampleShare | nodes.SampleRows | None  # of the pool, in place of what it samples

    @property
    def is_there(self) -> bool:
        options = (self.copies, self.keys, self.limit, self.sample)
        return any(one is not None for one in options)


def _tail_of(rel: nodes.Rel) -> _Tail:
    limit = keys = order = copies = sample = None
    if isinstance(rel, _SAMPLES):
        sample, rel = replace(rel, input=nodes.PoolScan()), rel.input
    if isinstance(rel, nodes.Limit):
        limit, order, rel = (rel.count, rel.percent, rel.by), rel.order, rel.input
    # The ORDER BY of a LIMIT is that of its DISTINCT ON, but over a SELECT in FROM.
    if isinstance(rel, nodes.DistinctOn) and order in (None, rel.order):
        keys, order, rel = rel.keys, rel.order, rel.input
    under = rel
    if isinstance(rel, nodes.Copies):
        copies, rel = nodes.Clause(rel.expr, rel.text, rel.span), rel.input
    return _Tail(rel, under, copies, keys, limit, order, sample)


def _alike(a: _Tail, b: _Tail) -> tuple[_Tail, _Tail]:
    """Return two tails; where only one is over set operations, the copies of the other one are those of an operand."""
    over_sets = [isinstance(tail.rel, nodes.SetOperation) for tail in (a, b)]
    if over_sets == [True, False] and a.copies is None:
        return a, replace(b, rel=b.under, copies=None)
    if over_sets == [False, True] and b.copies is None:
        return replace(a, rel=a.under, copies=None), b
    return a, b


def _filtered(rel: nodes.Rel) -> tuple[nodes.Rel, tuple[nodes.Clause, ...]]:
    return (rel.input, rel.clauses) if isinstance(rel, nodes.Filter) else (rel, ())


def _select(a: _Tail, b: _Tail, place: str, record: Record) -> Select:
    if isinstance(a.rel, nodes.SetOperation) or isinstance(b.rel, nodes.SetOperation):
        # A tail over set operations has no FROM and no WHERE of its own.
        source: Aligned = _operations(_chain(a.rel), _chain(b.rel), place, record)
        clauses: tuple[Slot, ...] = ()
    else:
        (old, before), (new, after) = _filtered(a.rel), _filtered(b.rel)
        nested = not (isinstance(old, NAMED) and isinstance(new, NAMED))
        source = align(old, new, f"{place}, FROM (query)" if nested else place, record)
        clauses = tuple(_clauses(before, after, place, record))
    copies = _option("copies", a.copies, b.copies, _copies_text, place, record)
    keys = _option("DISTINCT ON", a.keys, b.keys, _keys_text, place, record)
    order: Option = Option(a.order or b.order, b.order or a.order, None)
    if a.order is not None and b.order is not None and a.order != b.order:
        olds, news = _WRITER.order(a.order), _WRITER.order(b.order)
        order = Option(a.order, b.order, record("ORDER BY changed", place, olds, news))
    limit = _option("LIMIT", a.limit, b.limit, _limit_text, place, record)
    sample = _option("SAMPLE", a.sample, b.sample, _sample_text, place, record)
    return Select(place, source, clauses, copies, keys, limit, order, sample)


def _option(what: str, a: T | None, b: T | None, text: Callable[[T | None], str], place: str, record: Record) -> Option:
    if a == b:
        return Option(a, b, None)
    kind = "added" if a is None else "removed" if b is None else "changed"
    return Option(a, b, record(f"{what} {kind}", place, text(a), text(b)))


def _keys_text(keys: tuple[nodes.Expr, ...] | None) -> str:
    return "" if keys is None else ", ".join(map(_WRITER.expression, keys))


def _copies_text(copies: nodes.Clause | None) -> str:
    return "" if copies is None else _WRITER.expression(copies.expr)


def _sample_text(sample: object) -> str:
    return _WRITER.sample(sample).removeprefix("SAMPLE ") if isinstance(sample, _SAMPLES) else ""


def _limit_text(limit: LimitOption | None) -> str:
    if limit is None:
        return ""
    count, percent, by = limit
    amount = str(count) if percent is None else f"{share(percent)} PERCENT"
    return f"{amount} BY {_keys_text(by)}" if by else amount


# --- clauses ----------------------------------------------------------------------------------------------------------


def _clauses(a: Sequence[nodes.Clause], b: Sequence[nodes.Clause], place: str, record: Record) -> Iterator[Slot]:
    """Yield the clauses of both in the order of B, those of A alone where they would stand."""
    in_order = _matching(a, b)
    matched = dict(in_order)
    # Clauses that only changed places are no edit.
    for i, clause in enumerate(a):
        if i not in matched:
            taken = set(matched.values())
            j = next((j for j, other in enumerate(b) if j not in taken and other == clause), None)
            if j is not None:
                matched[i] = j
    back = {j: i for i, j in matched.items()}
    partner: dict[int, int] = {}
    for olds, news in _gaps(len(a), len(b), in_order):
        for i in (i for i in olds if i not in matched):
            for j in (j for j in news if j not in back and j not in partner.values()):
                if _reads(a[i]) == _reads(b[j]):
                    partner[i] = j
                    break
    # One that moved as well is the same clause where no other reads the same.
    lone_a = _by_reads(a, {*matched, *partner})
    lone_b = _by_reads(b, {*back, *partner.values()})
    partner |= {
        olds[0]: lone_b[reads][0] for reads, olds in lone_a.items() if len(olds) == 1 == len(lone_b.get(reads, ()))
    }
    changed = {j: i for i, j in partner.items()}
    after = _placed([i for i in range(len(a)) if i not in matched and i not in partner], matched | partner)
    for i in after.get(-1, ()):
        yield Slot(a[i], None, record("clause removed", place, a[i].text, ""))
    for j, clause in enumerate(b):
        if j in back:
            yield Slot(a[back[j]], clause, None)
        elif j in changed:
            old = a[changed[j]]
            yield Slot(old, clause, record("clause changed", place, *_both_texts(old, clause)))
        else:
            yield Slot(None, clause, record("clause added", place, "", clause.text))
        for i in after.get(j, ()):
            yield Slot(a[i], None, record("clause removed", place, a[i].text, ""))


def _both_texts(a: nodes.Clause, b: nodes.Clause) -> tuple[str, str, str]:
    """Return the words of two clauses; where they are the same ones, what they stand for, and the words."""
    if a.text != b.text:
        return a.text, b.text, ""
    return _WRITER.expression(a.expr), _WRITER.expression(b.expr), a.text


def _by_reads(clauses: Sequence[nodes.Clause], known: Container[int]) -> dict[frozenset[str], list[int]]:
    """Return the places of clauses that are not known, by what they read."""
    found: dict[frozenset[str], list[int]] = {}
    for place, clause in enumerate(clauses):
        if place not in known:
            found.setdefault(_reads(clause), []).append(place)
    return found


def _placed(alone: Sequence[int], places: dict[int, int]) -> dict[int, list[int]]:
    """Put clauses of A alone after the clause of B that stands for the one before them in A; -1 is before all."""
    found: dict[int, list[int]] = {}
    for i in alone:
        before = [places[earlier] for earlier in range(i) if earlier in places]
        found.setdefault(before[-1] if before else -1, []).append(i)
    return found


def _reads(clause: nodes.Clause) -> frozenset[str]:
    """Return the columns and features that a clause reads of the sample itself."""
    found: set[str] = set()
    waiting: list[nodes.Node] = [clause.expr]
    while waiting:
        node = waiting.pop()
        match node:
            case nodes.Column() | nodes.Feature():
                found.add(node.name)
            case nodes.TableColumn():
                found.add(f"{node.table.name}.{node.name}")
            case nodes.InTable():
                found.add(f"JOIN {node.table.name}")
            case nodes.InRelation():
                found.add("uid")
            case nodes.Quantile():
                pass  # what a bare one ranks stands beside it
            case _:
                waiting += nodes.children(node)
    return frozenset(found)


def _matching(a: Sequence[object], b: Sequence[object]) -> list[tuple[int, int]]:
    """Return the places of equal items, ascending on both sides."""
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    return [(block.a + at, block.b + at) for block in blocks for at in range(block.size)]


def _gaps(a: int, b: int, matched: list[tuple[int, int]]) -> Iterator[tuple[range, range]]:
    """Yield the places of both sides between what is matched in order."""
    start_a = start_b = 0
    for i, j in (*matched, (a, b)):
        yield range(start_a, i), range(start_b, j)
        start_a, start_b = i + 1, j + 1


# --- set operations ---------------------------------------------------------------------------------------------------


def _chain(rel: nodes.Rel) -> list[tuple[str | None, nodes.Rel]]:
    operands: list[tuple[str | None, nodes.Rel]] = []
    while isinstance(rel, nodes.SetOperation):
        operands.append((rel.op, rel.right))
        rel = rel.left
    return [(None, rel), *reversed(operands)]


def _operations(
    a: list[tuple[str | None, nodes.Rel]], b: list[tuple[str | None, nodes.Rel]], place: str, record: Record
) -> Operations:
    matched = _matching([rel for _, rel in a], [rel for _, rel in b])
    # In a gap the operands are compared one by one; what is left over is there on one side only.
    pairs: list[tuple[int | None, int | None]] = []
    for (olds, news), at in zip(_gaps(len(a), len(b), matched), [*matched, None], strict=True):
        both = min(len(olds), len(news))
        pairs += zip(olds[:both], news[:both], strict=True)
        pairs += [(i, None) for i in olds[both:]] + [(None, j) for j in news[both:]]
        pairs += [at] if at is not None else []
    operands: list[Operand] = []
    for i, j in pairs:
        here = f"{place}, operand {j + 1}" if j is not None else f"{place}, operand {(i or 0) + 1} of a"
        if i is not None and j is not None:
            relation = align(a[i][1], b[j][1], here, record)
            old, new = a[i][0], b[j][0]
            op = None
            if old is not None and new is not None and old != new:
                op = record("set operation changed", here, old, new)
            operands.append(Operand(relation, old, new, op=op))
        elif i is not None:
            edit = record("operand removed", here, _operand_text(*a[i]), "")
            operands.append(Operand(unchanged(a[i][1], here), a[i][0], None, edit, "a"))
        elif j is not None:
            edit = record("operand added", here, "", _operand_text(*b[j]))
            operands.append(Operand(unchanged(b[j][1], here), None, b[j][0], edit, "b"))
    return Operations(place, tuple(operands))


def _operand_text(op: str | None, rel: nodes.Rel) -> str:
    selected = "uid"
    if isinstance(rel, nodes.Copies):
        selected, rel = f"uid, {rel.text}", rel.input
    source, clauses = _filtered(rel)
    words = " AND ".join(clause.text for clause in clauses)
    text = f"SELECT {selected} FROM {_WRITER.source(source)}{f' WHERE {words}' if words else ''}"
    return f"{op} {text}" if op is not None else text
