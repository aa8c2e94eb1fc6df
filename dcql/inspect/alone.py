"""What each clause of a funnel does by itself, and which clauses do nothing beside the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcql.inspect.funnel import Funnel, section_title
from dcql.lower.alone import Alone
from dcql.plan import nodes
from dcql.plan.implied import implied
from dcql.plan.places import selects
from dcql.plan.statistics import unused_name


@dataclass(frozen=True, slots=True)
class ByItself:
    """A clause by itself: of the samples that its SELECT reads, how many pass it, and how many it alone drops.

    None where a feature is not asked of all of them.
    """

    passes: int | None
    drops: int | None


@dataclass(frozen=True)
class AloneTold:
    """For each section of a funnel, by its name, its clauses by themselves; and what is to be said about them."""

    clauses: Mapping[str, tuple[ByItself, ...]]
    notes: tuple[str, ...]


def alone_told(plan: nodes.Plan, alone: Alone, counts: Mapping[str, int], told: Funnel) -> AloneTold:
    """Put together what was counted, for an optimized plan and its funnel.

    The one clause of a SELECT is by itself in the funnel already.
    """
    clauses: dict[str, tuple[ByItself, ...]] = {}
    for section in told.sections:
        if len(section.lines) == 1 and section.samples is not None:
            left = section.lines[0].left
            clauses[section.name] = (ByItself(left, section.samples - left),)
    for block in alone.blocks:
        clauses[section_title(block.name)] = tuple(
            ByItself(counts.get(passes or ""), counts.get(drops or ""))
            for passes, drops in zip(block.passes, block.drops, strict=True)
        )
    notes: list[str] = []
    sections = {section.name: section for section in told.sections}
    for one in selects(plan, unused_name(plan, "query")):
        if not isinstance(one.rel, nodes.Filter):
            continue
        title = section_title(one.name)
        always = dict(implied([clause.expr for clause in one.rel.clauses]))
        counted = sections.get(title)
        for number, clause in enumerate(one.rel.clauses):
            by_itself = clauses.get(title, ())
            if number in always:
                notes.append(f"{title}: {clause.text} follows from {one.rel.clauses[always[number]].text}, on any pool")
            elif number < len(by_itself) and by_itself[number].drops == 0 and counted and counted.lines[-1].left:
                notes.append(f"{title}: {clause.text} drops nothing here that the other clauses keep")
    return AloneTold(clauses, tuple(notes))


def alone_to_json(told: AloneTold) -> dict[str, Any]:
    """Return it as plain data."""
    return {
        "clauses": {
            name: [{"passes": one.passes, "drops": one.drops} for one in ones] for name, ones in told.clauses.items()
        },
        "notes": list(told.notes),
    }
