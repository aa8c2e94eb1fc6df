"""A statement that the grammar does not allow -> what is wrong with it, in the words of a user.

Most of what does not parse is a habit from SQL. The tables of vocabulary.py hold those that one word gives away,
`_in_context` those that need a look around; everything else says what may stand there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from dcql.errors import Diagnostic, did_you_mean
from dcql.source import Source
from dcql.syntax.scan import Word, clipped
from dcql.syntax.vocabulary import (
    AGGREGATE,
    AGGREGATES,
    COMPARISONS,
    EXPECTED,
    EXPRESSION,
    FORMS,
    INSIDE_Q,
    LATER,
    MODEL_PARTS,
    MODELS,
    OPERATOR,
    OPERATORS,
    QUANTILE,
    RESERVED,
    SET_OPERATIONS,
    STARTS,
    STATEMENTS,
    STOPS,
    SYMBOLS,
    TAIL,
    Row,
)


@dataclass(frozen=True)
class Place:
    """Where a statement cannot go on: its words, the place of the first that does not fit, the terminals that would."""

    words: list[Word]
    index: int
    accepted: set[str]

    def at(self, distance: int) -> str:
        """Return the word `distance` away from the place, in capitals; empty outside the statement."""
        index = self.index + distance
        return self.words[index].upper if 0 <= index < len(self.words) else ""

    def kind(self, distance: int) -> str:
        """Return the kind of the word `distance` away; empty outside the statement."""
        index = self.index + distance
        return self.words[index].kind if 0 <= index < len(self.words) else ""

    def before(self) -> list[str]:
        """Return the words since the innermost parenthesis that is open, without what is inside closed ones."""
        found: list[str] = []
        depth = 0
        for word in reversed(self.words[: self.index]):
            depth += {")": 1, "(": -1}.get(word.text, 0)
            if depth < 0:
                break
            if depth == 0 and word.text != "(":
                found.append(word.upper)
        return found[::-1]

    def function(self) -> str:
        """Return the name before the innermost parenthesis that is open, in capitals; empty without one."""
        depth = 0
        for index in range(self.index - 1, 0, -1):
            depth += {")": 1, "(": -1}.get(self.words[index].text, 0)
            if depth < 0:
                return self.words[index - 1].upper
        return ""

    def closed_function(self) -> str:
        """Return the name before the parentheses that end right here, in capitals; empty without them."""
        return Place(self.words, self.index - 1, set()).function() if self.at(-1) == ")" else ""


def explain(source: Source, words: list[Word], offset: int, accepted: set[str]) -> Diagnostic:
    """Return the diagnostic of a statement whose `words` cannot go on at `offset`, where only `accepted` may stand."""
    index = next((i for i, word in enumerate(words) if word.start >= offset), len(words))
    place = Place(words, index, accepted)
    if index < len(words):
        span = source.span(words[index].start, words[index].end)
        code, message, label, *helps = _table(place) or _in_context(place) or _unexpected(place)
    else:
        span = source.span(words[-1].end, words[-1].end)
        code, message, label, *helps = _in_context(place) or _too_early(place)
    if code == "E0109":
        span = source.span(words[index - 1].end, words[index - 1].end)
    elif code == "E0117" and place.at(-1) == "%":
        span = source.span(words[index - 2].start, words[index - 1].end)
    elif _without_type(place):
        span = source.span(words[index - 1].start, words[index - 1].end)
    return Diagnostic(code, message, span, label, tuple(help_ for help_ in helps if help_))


def _table(place: Place) -> Row | None:
    """Return the row of the word that does not fit, when that word alone says what was meant."""
    word = place.at(0)
    if place.index == 0:
        return STARTS.get(word)
    if place.at(1) in OPERATORS or word in AGGREGATES:
        return None  # a name, after which something else is missing
    if word == "WEIGHT" and "WEIGHTS" in place.accepted:
        return None
    if word in ("LEFT", "RIGHT", "INNER", "FULL", "CROSS", "NATURAL") and place.at(1) not in ("JOIN", "OUTER"):
        return None
    return STOPS.get(word)


def _in_context(place: Place) -> Row | None:
    """Return the row of a habit that shows in the words around the place."""
    word, previous, accepted = place.at(0), place.at(-1), place.accepted
    if previous == "DCQL" and place.index == 1:
        return "E0101", "`DCQL` without its version", "expected a number", FORMS["DCQL"]
    return (
        _in_model(place, word, previous)
        or _in_select(place, word, previous)
        or _in_relation(place, word, previous, accepted)
        or _in_query(place, word, previous, accepted)
        or _in_quantile(place, word, previous)
        or _in_expression(place, word, previous, accepted)
    )


def _in_model(place: Place, word: str, previous: str) -> Row | None:
    first = place.words[0].upper
    if first not in MODELS or place.index == 0:
        return None
    if _without_type(place):
        return "E0101", f"no type before `{previous}`", "a type comes first", FORMS[first]
    if (
        place.accepted == {"NAME"}
        and word
        and ((first == "FEATURE" and place.index == 2) or (first == "MODEL" and previous not in ("MODEL", "(", ",")))
    ):
        return "E0101", f"unexpected `{clipped(place.words[place.index].text)}`", "expected a type", FORMS[first]
    if first == "MODEL" and word in MODEL_PARTS and word not in place.accepted and "$END" in place.accepted:
        label = "the parts of a MODEL have an order, and each stands once"
        return "E0101", f"`{word}` comes too late", label, FORMS["MODEL VERSION"]
    return None


def _without_type(place: Place) -> bool:
    """Return whether the keyword before the place was read as a type, because the type is missing."""
    return (
        place.words[0].upper in MODELS
        and place.at(-1) in ("USING", "VERSION", "DEFAULT")
        and {place.at(-1), "LPAR"} <= place.accepted
    )


def _in_select(place: Place, word: str, previous: str) -> Row | None:
    if previous == "DISTINCT" and "ON" in place.accepted:
        help_ = (
            "every sample is in a relation once; to keep one of each group: "
            "SELECT DISTINCT ON (key) uid .. ORDER BY score DESC"
        )
        return "E0125", "`DISTINCT` without `ON`", "expected `ON (..)`", help_
    in_list = "UID" in place.accepted or (previous == "UID" and place.accepted == {"FROM"})
    if not in_list or not word:
        return None
    if word == "*":
        return (
            "E0123",
            "`SELECT *` is not possible",
            "a query selects the uid alone",
            "SELECT uid: the columns stay visible without being selected",
        )
    rest = [later.upper for later in place.words[place.index :]]
    listed = rest[: rest.index("FROM")] if "FROM" in rest else rest
    if "COPIES" in listed:
        return "E0136", "`AS copies` is reserved", LATER, ""
    if word in AGGREGATES and place.at(1) == "(":
        return (
            "E0121",
            "no aggregates",
            "a query selects the uid alone",
            "dcql counts the samples of every query by itself",
        )
    if word == "TOP" and place.kind(1) == "number":
        return (
            "E0124",
            "`SELECT TOP` is not possible",
            "a query selects the uid alone",
            f"SELECT uid .. ORDER BY score DESC LIMIT {place.at(1)}",
        )
    if word == "FROM":
        return "E0124", "nothing is selected", "expected `uid`", "SELECT uid FROM .."
    if previous == "UID" and place.kind(0) == "word" and word != "AS":
        return None
    if "UID" in place.accepted and "FROM" not in rest:
        return None
    if word == "UID":
        return "E0124", f"`{place.words[place.index].text}` is not a column", "names are case-sensitive", "SELECT uid"
    return (
        "E0124",
        "a query selects the uid alone",
        "not selected",
        "SELECT uid FROM ..: the columns stay visible without being selected",
    )


def _in_relation(place: Place, word: str, previous: str, accepted: set[str]) -> Row | None:
    here = place.before()
    if previous == "FROM" and place.kind(0) == "text" and "LPAR" in accepted:
        return (
            "E0129",
            "a recipe names no pool",
            "a file",
            "FROM pool, and `--pool` of the command line; a recipe is read with IMPORT 'file.dcql' AS name;",
        )
    if "WHERE" not in accepted or "FROM" not in here:
        return None
    if word == ",":
        return (
            "E0129",
            "`FROM` takes one relation",
            "a second relation",
            "the samples of both: a INTERSECT b; of one or the other: a UNION b",
        )
    if word == "(":
        return "E0129", "`FROM` takes one relation", "a call", "FROM pool, a stage, a recipe, or (query)"
    is_name = place.kind(0) == "word" and word not in RESERVED and _meant(place) is None
    if word == "AS" or (is_name and place.at(1) in ("", ")", ",", "JOIN", "WHERE", *TAIL)):
        return (
            "E0129",
            "a relation takes no other name",
            "an alias",
            "columns are written without the name of a relation",
        )
    return None


def _in_query(place: Place, word: str, previous: str, accepted: set[str]) -> Row | None:
    here = place.before()
    tail = "ORDER" in here or "LIMIT" in here
    if word in SET_OPERATIONS and word not in accepted and tail:
        return (
            "E0132",
            f"`{word}` after `ORDER BY` or `LIMIT`",
            "ORDER BY and LIMIT end a query",
            f"put the part before it in parentheses: (SELECT .. LIMIT ..) {word} SELECT ..",
        )
    if word == "WITH" and place.index > 0 and "SELECT" in accepted:
        return (
            "E0133",
            "`WITH` inside a query",
            "stages come first in a recipe",
            "write all stages before the final query: WITH a AS (..), b AS (..) SELECT ..",
        )
    if word == "DISTINCT" and previous in SET_OPERATIONS:
        return "E0101", "unexpected `DISTINCT`", f"`{previous}` gives each sample once", "leave it out"
    if ("LIMIT" in here and "PERCENT" in accepted) or previous == "PERCENT":
        if word == "BY":
            return "E0136", "`LIMIT .. BY` is reserved", LATER, ""
        if word == ",":
            return STOPS["OFFSET"]
    if word in STATEMENTS and "$END" in accepted and place.index > 0:
        return "E0109", "missing `;`", f"`{word}` begins another statement", "end the statement with `;`"
    return None


def _in_quantile(place: Place, word: str, previous: str) -> Row | None:
    if word in ("OF", "BY", "NULLS", "OVER") and place.closed_function() == "Q":
        return "E0134", f"`{word}` after `q(..)`", "part of the order statistic", INSIDE_Q
    if place.function() != "Q":
        return None
    if word == "," and "BY" not in place.before():
        return "E0101", "unexpected `,`", "q takes a fraction and one expression", QUANTILE
    if word == ")" and previous == "(":
        return (
            "E0101",
            "`q` takes a fraction",
            "expected an expression",
            "the value that 70 % of the samples stay below: q(0.7)",
        )
    if word == "LAST" and previous == "NULLS":
        return "E0101", "unexpected `LAST`", "expected `FIRST`", "without NULLS FIRST, q does not count NULL at all"
    return None


def _in_expression(place: Place, word: str, previous: str, accepted: set[str]) -> Row | None:
    if previous == "%" and place.kind(-2) == "number" and "NUMBER" in accepted and place.kind(0) != "number":
        return _percent(place.at(-2))
    if place.kind(0) == "number" and previous in ("TOP", "BOTTOM"):
        return _percent(place.at(0))
    if word == "PERCENT" and place.kind(-1) == "number":
        return _percent(previous)
    if word == "AS" and place.function() in ("CAST", "TRY_CAST"):
        return (
            "E0115",
            "types cannot be changed",
            "no CAST",
            "write the value alone: a literal takes the type of the other operand",
        )
    if previous == "(" and (word == "*" or word == "DISTINCT") and place.kind(-2) == "word":
        return (
            "E0121",
            "no aggregates",
            AGGREGATE,
            "a threshold over all samples is q(0.7), and dcql counts the samples of every query by itself",
        )
    if previous == "IS" or (previous == "NOT" and place.at(-2) == "IS"):
        return _is_what(place, word)
    if previous == "CASE":
        return (
            "E0120",
            "`CASE` without `WHEN`",
            "expected `WHEN`",
            "write each condition in full: CASE WHEN lang = 'en' THEN 1 ELSE 0 END",
        )
    if word in COMPARISONS and "AND" in accepted:
        return (
            "E0118",
            "comparisons in a chain",
            "a comparison is already complete before it",
            "0 < x AND x < 1, or x BETWEEN 0 AND 1",
        )
    if word == "SELECT" and "SELECT" not in accepted and ("NUMBER" in accepted or "IN" in accepted):
        return (
            "E0135",
            "a query is not a value",
            "a query gives samples",
            "membership is tested with `uid IN (SELECT ..)`",
        )
    return None


def _percent(number: str) -> Row:
    if len(number) > 6 or float(number) > 100:
        number = "30"
    return (
        "E0117",
        "a percentage is not a value",
        "a share of the samples",
        f"the top {number} %: x >= q({1 - float(number) / 100:.6g}), or ORDER BY x DESC LIMIT {number} PERCENT",
    )


def _is_what(place: Place, word: str) -> Row:
    plain = {"TRUE": "write the condition alone, or `x = TRUE`", "FALSE": "write `NOT x`, or `x = FALSE`"}
    help_ = plain.get(word, "values are compared with `=` and `<>`")
    return "E0119", "`IS` tests for NULL only", "expected `NULL` or `NOT NULL`", help_


def _unexpected(place: Place) -> Row:
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
    if (meant := _meant(place)) is not None:
        return "E0101", f"unexpected `{shown}`", "not a word of the language", f"did you mean `{meant}`?"
    if place.index == 0:
        return "E0101", f"unexpected `{shown}`", "no statement begins with it", f"a statement begins with {expected}"
    label = f"expected {expected}" if len(expected) <= 60 else "does not fit here"
    help_ = _statement_form(place) or ("" if len(expected) <= 60 else f"what may follow: {expected}")
    return "E0101", f"unexpected `{shown}`", label, help_


def _too_early(place: Place) -> Row:
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


def _meant(place: Place) -> str | None:
    """Return the keyword that the word at the place resembles, among those that may stand there."""
    word = place.words[place.index]
    keywords = [terminal for terminal in place.accepted if terminal.isalpha() and terminal not in SYMBOLS]
    if word.kind != "word" or len(word.text) < 3 or word.upper in RESERVED:
        return None
    meant = did_you_mean(word.upper, sorted(keywords))
    return "kept" if meant == "KEPT" else meant


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
    found += [f"`{'kept' if terminal == 'KEPT' else terminal}`" for terminal in sorted(left - SYMBOLS)] + end
    return found[0] if len(found) == 1 else ", ".join(found[:-1]) + " or " + found[-1]
