"""Why a recipe keeps one sample or drops it, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dcql.catalog.types import Type
from dcql.engine.statistics import Found
from dcql.inspect.funnel import plain, statistic_to_json


@dataclass(frozen=True, slots=True)
class Value:
    """What the sample has for an expression; None is NULL."""

    text: str
    value: Any
    type: Type


@dataclass(frozen=True, slots=True)
class Cut:
    """What a comparison compares with: a constant, or `statistic`, None where that has no value for the sample."""

    text: str
    value: Any
    type: Type
    statistic: Found | None


@dataclass(frozen=True, slots=True)
class Rank:
    """The sample's place among the `known` samples of `among` that have a value, the highest first, ties with it."""

    place: int
    known: int
    ties: int
    among: str


@dataclass(frozen=True, slots=True)
class Part:
    """A condition, and what it is made of.

    `form` is and, or, not, case, relation, test, constant or comparison. A comparison with a `cut` has a `margin`, the
    value less the cut, where both are numbers; `steps` is the margin in steps of the grid that a feature lies on.
    """

    text: str
    form: str
    truth: bool | None
    values: tuple[Value, ...] = ()
    cut: Cut | None = None
    margin: float | int | None = None
    steps: float | None = None
    rank: Rank | None = None
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class ClauseTold:
    """One clause of a WHERE.

    A clause that reads features is `asked` only of samples for which the clauses before it hold; `waits_for` are the
    numbers of those that do not. Where it is not asked, `part` is what the store knows all the same, else None.
    `failures` says why models gave no value.
    """

    text: str
    truth: bool | None
    asked: bool
    part: Part | None
    waits_for: tuple[int, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LimitTold:
    """A LIMIT: the sample's place among the `samples` that reach it, from 1; `keep` of them are kept.

    `place` is None where the sample does not reach it.
    """

    text: str
    place: int | None
    samples: int
    keep: int
    kept: bool
    keys: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class FirstTold:
    """A DISTINCT ON: the uid that is first in the sample's group, and the size of the group.

    `first` is None where the sample does not reach it, or has no key and is kept.
    """

    first: str | None
    size: int
    kept: bool
    keys: tuple[Value, ...]
    order: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class OperationTold:
    """A chain of set operations: each operand's operation and name, and whether it holds the sample."""

    operands: tuple[tuple[str, str, bool], ...]
    kept: bool


Tail = LimitTold | FirstTold | OperationTold


@dataclass(frozen=True, slots=True)
class SectionTold:
    """One SELECT: whether its FROM holds the sample, its clauses in text order, then what follows them.

    `failing` are the numbers of the clauses that were asked and are not TRUE; the first of them is where it drops out.
    """

    name: str
    source: str
    reached: bool
    clauses: tuple[ClauseTold, ...]
    failing: tuple[int, ...]
    tail: tuple[Tail, ...]
    kept: bool


@dataclass(frozen=True, slots=True)
class Flip:
    """One change of one cut that turns the verdict.

    `text` is the changed comparison, LIMIT or membership, in place of `was`; `clause` the whole clause with it, at
    `span` (start and end in the text of `file`) where it stands there. `quantile` says the same as an order statistic.
    `moved` is the share of samples that lie between the two cuts, None where that is not known. `checked` means that
    the changed recipe was run.
    """

    kind: str
    section: str
    was: str
    text: str
    clause: str
    file: str | None
    span: tuple[int, int] | None
    quantile: str | None
    clause_by_quantile: str | None
    moved: float | None
    checked: bool


@dataclass(frozen=True, slots=True)
class Why:
    """Why a sample is kept or dropped.

    `flips` are sorted, the least change first; `untried` were not looked into.

    `unsought` counts the order statistics inside of larger expressions: which p of theirs would turn it is not known.
    """

    uid: str
    pool: str
    file: str
    row: int
    samples: int
    kept: bool
    copies: int
    sections: tuple[SectionTold, ...]
    flips: tuple[Flip, ...]
    untried: int
    unsought: int


# --- plain data -------------------------------------------------------------------------------------------------------


def why_to_json(told: Why) -> dict[str, Any]:
    """Return it as plain data."""
    return {
        "uid": told.uid,
        "pool": {"name": told.pool, "samples": told.samples},
        "file": told.file,
        "row": told.row,
        "kept": told.kept,
        "copies": told.copies,
        "sections": [_section_to_json(section) for section in told.sections],
        "flips": [_flip_to_json(flip) for flip in told.flips],
        "untried": told.untried,
        "unsought": told.unsought,
    }


def _section_to_json(section: SectionTold) -> dict[str, Any]:
    return {
        "name": section.name,
        "from": section.source,
        "reached": section.reached,
        "clauses": [_clause_to_json(clause) for clause in section.clauses],
        "first_failing": section.failing[0] if section.failing else None,
        "failing": list(section.failing),
        "tail": [_tail_to_json(one) for one in section.tail],
        "kept": section.kept,
    }


def _clause_to_json(clause: ClauseTold) -> dict[str, Any]:
    return {
        "text": clause.text,
        "truth": clause.truth,
        "asked": clause.asked,
        "waits_for": list(clause.waits_for),
        "failures": dict(clause.failures),
        "condition": _part_to_json(clause.part) if clause.part is not None else None,
    }


def _part_to_json(part: Part) -> dict[str, Any]:
    told: dict[str, Any] = {"text": part.text, "form": part.form, "truth": part.truth}
    if part.values:
        told["values"] = _values_to_json(part.values)
    if part.cut is not None:
        statistic = part.cut.statistic
        told["cut"] = {
            "text": part.cut.text,
            "value": plain(part.cut.value),
            "statistic": statistic_to_json(statistic) if statistic is not None else None,
        }
        told |= {"margin": plain(part.margin), "steps": part.steps}
    if part.rank is not None:
        rank = part.rank
        told["rank"] = {"place": rank.place, "of": rank.known, "ties": rank.ties, "among": rank.among}
    if part.parts:
        told["parts"] = [_part_to_json(one) for one in part.parts]
    return told


def _values_to_json(values: Sequence[Value]) -> list[dict[str, Any]]:
    return [{"text": one.text, "value": plain(one.value), "type": one.type.value} for one in values]


def _tail_to_json(told: Tail) -> dict[str, Any]:
    match told:
        case LimitTold():
            counts = {"place": told.place, "samples": told.samples, "keep": told.keep}
            return {"limit": told.text, **counts, "keys": _values_to_json(told.keys), "kept": told.kept}
        case FirstTold():
            keys = {"keys": _values_to_json(told.keys), "order": _values_to_json(told.order)}
            return {"distinct_on": keys, "first": told.first, "size": told.size, "kept": told.kept}
        case OperationTold():
            operands = [{"operation": op, "name": name, "holds": holds} for op, name, holds in told.operands]
            return {"operands": operands, "kept": told.kept}


def _flip_to_json(flip: Flip) -> dict[str, Any]:
    return {
        "kind": flip.kind,
        "section": flip.section,
        "was": flip.was,
        "text": flip.text,
        "clause": flip.clause,
        "file": flip.file,
        "span": list(flip.span) if flip.span is not None else None,
        "quantile": flip.quantile,
        "clause_by_quantile": flip.clause_by_quantile,
        "moved": flip.moved,
        "checked": flip.checked,
    }
