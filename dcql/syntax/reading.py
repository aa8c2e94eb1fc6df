"""How far the grammar goes into the text of a statement, and what may stand next: for completion in editors."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from dcql.syntax._standalone import Lark_StandAlone, UnexpectedInput


@dataclass(frozen=True, slots=True)
class Reading:
    """The start of a statement as the grammar reads it.

    `kinds` are the terminals of grammar.lark by the offset at which each token starts, up to the first that does not
    fit; `accepted` are the terminals that may stand next, None where a token did not fit.
    """

    kinds: dict[int, str]
    accepted: frozenset[str] | None


@cache
def _parser() -> Any:
    """Return a parser that builds no recipe: what it reads need not be complete."""
    return Lark_StandAlone()  # type: ignore[no-untyped-call]


def reading(text: str) -> Reading:
    """Read the start of a statement, as far as the grammar goes. Never raises, whatever the text is."""
    kinds: dict[int, str] = {}
    parser = _parser().parse_interactive(text)
    try:
        for token in parser.iter_parse():
            kinds[token.start_pos] = token.type
    except UnexpectedInput:
        return Reading(kinds, None)
    return Reading(kinds, frozenset(parser.accepts()))
