"""A word that does not fit -> what may stand in its place, and the keyword that it resembles."""

from collections.abc import Iterable

from dcql.errors import did_you_mean
from dcql.syntax.place import Place
from dcql.syntax.scan import clipped
from dcql.syntax.vocabulary import (
    COMPARISONS,
    EXPECTED,
    EXPRESSION,
    FORMS,
    LOWER,
    MODELS,
    OPERATOR,
    RESERVED,
    SYMBOLS,
    Row,
)


def unexpected(place: Place) -> Row:
    """Return the row of a word that does not fit, with the keyword it resembles or what may stand here."""
    word = place.words[place.index]
    shown = clipped(word.text)
    follows = place.at(1)
    expected = _expected(place.accepted)
    only_a_name = not {"LPAR", "NUMBER"} & place.accepted and word.upper not in ("AS", "FROM")
    if (
        word.upper in RESERVED
        and "NAME" in place.accepted
        and (only_a_name or follows in COMPARISONS or follows in (")", ",", "IN", "IS"))
    ):
        return "E0138", f"`{shown}` cannot be a name", "a word of the language", "give it another name"
    if (word_meant := meant(place)) is not None:
        return "E0101", f"unexpected `{shown}`", "not a word of the language", f"did you mean `{word_meant}`?"
    if place.index == 0:
        return "E0101", f"unexpected `{shown}`", "no statement begins with it", f"a statement begins with {expected}"
    label = f"expected {expected}" if len(expected) <= 60 else "does not fit here"
    help_ = _statement_form(place) or ("" if len(expected) <= 60 else f"what may follow: {expected}")
    return "E0101", f"unexpected `{shown}`", label, help_


def too_early(place: Place) -> Row:
    """Return the row of a statement that is not complete."""
    expected = _expected(place.accepted)
    return "E0102", "the statement ends too early", f"expected {expected}", _statement_form(place)


def _statement_form(place: Place) -> str:
    """Return how the whole statement is written, for the statements that have a fixed form."""
    if "EXPECT" in (here := place.before()):
        return FORMS["EXPECT"]
    if {"NAME", "NUMBER"} <= place.accepted or "COMPARISON" in place.accepted:
        return ""
    if place.words[0].upper in MODELS:
        return _model_form(place)
    return FORMS.get(here[0], "") if here else ""


def _model_form(place: Place) -> str:
    """Return how the part of a MODEL, a FEATURE or an ASSET is written in which the place lies."""
    first, before = place.words[0].upper, place.before()
    if first == "MODEL" and "VERSION" in before[2:-1]:
        return FORMS["MODEL VERSION"]
    if first == "ASSET" and place.index > 2:
        return FORMS.get(f"ASSET {place.words[2].upper}", FORMS["ASSET"])
    return FORMS[first]


def meant(place: Place) -> str | None:
    """Return the keyword that the word at the place resembles, among those that may stand there."""
    word = place.words[place.index]
    keywords = [terminal for terminal in place.accepted if terminal.isalpha() and terminal not in SYMBOLS]
    if word.kind != "word" or len(word.text) < 3 or word.upper in RESERVED:
        return None
    found = did_you_mean(word.upper, sorted(keywords))
    return found.lower() if found in LOWER else found


def _expected(accepted: Iterable[str]) -> str:
    """Return what may stand in a place, in words."""
    left = set(accepted) - {"DOT"}
    if left in ({"LPAR", "USING"}, {"LPAR", "VERSION"}):
        left -= {"LPAR"}  # few types take a number
    found: list[str] = []
    for terminals, wording in EXPECTED:
        if terminals <= left:
            found.append(wording)
            left -= terminals
            if "expression" in wording:
                left -= EXPRESSION
            elif wording == "a comparison":
                left -= OPERATOR
                found[-1] = "an operator"
    if "a comparison" in found or "an operator" in found:
        left -= {"NOT"}
        found = [wording for wording in found if wording not in ("`(`", "`=`")]
    end = ["`;`"] if "$END" in left else []
    found += [f"`{terminal.lower() if terminal in LOWER else terminal}`" for terminal in sorted(left - SYMBOLS)] + end
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " or " + found[-1]
