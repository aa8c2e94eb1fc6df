"""Edits that take words out of a recipe, and leave its comments and its layout."""

import re
from collections.abc import Sequence

from dcql.errors import Edit, Fix
from dcql.lints.recipe import Linted
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.scan import TOKEN

_BLANKS = re.compile(r"[ \t]*")
_BLANKS_BEFORE = re.compile(r"[ \t]*\Z")
_NOTHING = re.compile(r"\s*\Z")


def remove(linted: Linted, *spans: Span) -> Fix | None:
    """Return the fix that removes words in the order of the text, None where a comment stands among them."""
    joined: list[Span] = []
    for span in spans:
        if linted.has_comment(span):
            return None
        if joined and _NOTHING.match(linted.source.text, joined[-1].end, span.start):
            joined[-1] = joined[-1].to(span)
        else:
            joined.append(span)
    return Fix("remove it", tuple(Edit(_with_blanks(span), "") for span in joined))


def remove_operand(linted: Linted, operands: Sequence[ast.Node], number: int) -> Fix | None:
    """Return the fix that removes one operand of an AND or OR, or one item of a list, with the word beside it."""
    here = operands[number].span
    if number:
        [word] = linted.between(operands[number - 1].span.end, here.start)
        return remove(linted, word, here)
    [word] = linted.between(here.end, operands[1].span.start)
    return remove(linted, here, word)


def remove_comment(comment: Span) -> Fix:
    """Return the fix that removes a comment."""
    return Fix("remove it", (Edit(_with_blanks(comment), ""),))


def _with_blanks(span: Span) -> Span:
    """Return a span with the blanks that its removal would leave behind, and with its line where nothing else is."""
    source, text = span.source, span.source.text
    before = _blanks_before(source, span.start)
    after = _BLANKS.match(text, span.end).end()  # type: ignore[union-attr]
    begins = before == 0 or text[before - 1] == "\n"
    ends = after == len(text) or text.startswith(("\n", "\r\n"), after)
    if begins and text.startswith((";", ")"), after):
        return source.span(_end_before(source, before), after)
    if begins and ends:
        return source.span(before, min(len(text), text.find("\n", after) + 1 or len(text)))
    if begins or not (ends or text.startswith((";", ")", ",", "--"), after)):
        return source.span(span.start, after)
    return source.span(before, after if ends else span.end)


def _end_before(source: Source, place: int) -> int:
    """Return where the words before a line end, or the start of the line where a comment stands there."""
    *_, last = (match for match in TOKEN.finditer(source.text, 0, place) if match.lastgroup != "space")
    return last.end() if last.lastgroup != "comment" else place


def _blanks_before(source: Source, place: int) -> int:
    line_start = source.text.rfind("\n", 0, place) + 1
    return line_start + _BLANKS_BEFORE.search(source.text[line_start:place]).start()  # type: ignore[union-attr]
