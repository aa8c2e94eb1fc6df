"""A statement that the grammar does not allow -> what is wrong with it, in the words of a user.

Most of what does not parse is a habit from SQL. The tables of vocabulary.py hold those that one word gives away,
`_in_context` those that need a look around; for everything else expected.py says what may stand there.
"""

from dcql.errors import Diagnostic
from dcql.source import Source
from dcql.syntax.expected import meant, too_early, unexpected
from dcql.syntax.place import Place
from dcql.syntax.sample_habits import in_sample
from dcql.syntax.scan import Word, clipped
from dcql.syntax.vocabulary import (
    AGGREGATE,
    AGGREGATES,
    COMPARISONS,
    COPIES,
    FORMS,
    INSIDE_Q,
    JOIN_DECLARED,
    JOIN_FORM,
    MODEL_PARTS,
    MODELS,
    OPERATORS,
    QUANTILE,
    RESERVED,
    SEEN,
    SET_OPERATIONS,
    STARTS,
    STATEMENTS,
    STOPS,
    TAIL,
    Row,
)


def explain(source: Source, words: list[Word], offset: int, accepted: set[str]) -> Diagnostic:
    """Return the diagnostic of a statement whose `words` cannot go on at `offset`, where only `accepted` may stand."""
    index = next((i for i, word in enumerate(words) if word.start >= offset), len(words))
    place = Place(words, index, accepted)
    if index < len(words):
        span = source.span(words[index].start, words[index].end)
        code, message, label, *helps = _table(place) or _in_context(place) or unexpected(place)
    else:
        span = source.span(words[-1].end, words[-1].end)
        code, message, label, *helps = _in_context(place) or too_early(place)
    if code == "E0109":
        span = source.span(words[index - 1].end, words[index - 1].end)
    elif code == "E0117" and "%" in (place.at(-1), place.at(-2)):
        sign = index - 1 if place.at(-1) == "%" else index - 2
        span = source.span(words[sign - 1].start, words[sign].end)
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
    if (word == "WEIGHT" and "WEIGHTS" in place.accepted) or place.accepted == {"COPIES"}:
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
        or in_sample(place, word, previous)
        or _in_join(place, word, previous, accepted)
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
    if (row := _in_copies(place, word, previous)) is not None:
        return row
    in_list = "UID" in place.accepted or (previous == "UID" and place.accepted == {"FROM", "COMMA"})
    if not in_list or not word:
        return None
    if word == "*":
        return (
            "E0123",
            "`SELECT *` is not possible",
            "a query selects the uid alone",
            SEEN,
        )
    rest = [later.upper for later in place.words[place.index :]]
    listed = rest[: rest.index("FROM")] if "FROM" in rest else rest
    if "COPIES" in listed and previous == "UID":
        return "E0124", "no comma after `uid`", "expected `,`", COPIES
    if "COPIES" in listed:
        return "E0124", "`uid` comes first", "then how often each is taken", COPIES
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
        SEEN,
    )


def _in_join(place: Place, word: str, previous: str, accepted: set[str]) -> Row | None:
    here = place.before()
    if "JOIN" not in here and place.function() != "USING":
        return None
    if previous == "JOIN" and word and not {"LPAR"} & accepted:
        kind = place.kind(0)
        if word == "(" or kind == "text":
            label = "a query" if word == "(" else "a file"
            instead = "the samples of a query: WHERE uid IN (SELECT uid FROM ..)" if word == "(" else JOIN_DECLARED
            return "E0129", "`JOIN` takes a TABLE", label, instead
    if accepted == {"USING"} or accepted == {"USING", "DOT"}:
        label = (
            "no other name: its columns are `scores.column`" if word not in ("ON", "WHERE", "") else "expected `USING`"
        )
        return "E0129", "`JOIN` without `USING`", label, JOIN_FORM
    if previous == "USING" and accepted == {"LPAR"}:
        return "E0129", "`USING` without parentheses", "expected `(`", JOIN_FORM
    if word == "," and place.function() == "USING":
        return (
            "E0129",
            "one key for a JOIN",
            "a second column",
            "join by `uid`, or by one column that is unique in the table",
        )
    return None


def _in_copies(place: Place, word: str, previous: str) -> Row | None:
    """Return the row of a fault after the comma of a select list, where only `n AS copies` may stand."""
    here = place.before()
    if here[:1] != ["SELECT"] or "UID" not in here or "," not in here or "FROM" in here or not word:
        return None
    alone = "a query selects the uid, and how often it is taken"
    if place.accepted == {"COPIES"}:
        name = place.words[place.index].text
        return "E0124", f"`{clipped(name)}` is not selected", alone, COPIES
    if word == "*" and previous == ",":
        return "E0123", "`SELECT uid, *` is not possible", alone, SEEN
    if word == "," and place.accepted == {"FROM"}:
        return "E0124", "a query selects nothing after its copies", "not selected", SEEN
    if "AS" not in place.accepted:
        return None
    if word == "COPIES":
        return "E0124", "`copies` without `AS`", "expected `AS`", COPIES
    if word in ("FROM", ","):
        return "E0124", alone, "not selected: `AS copies` is missing", f"{SEEN}; repeats: {COPIES}"
    return None


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
            "the samples of both: a INTERSECT b; of one or the other: a UNION b; a table: FROM pool JOIN t USING (uid)",
        )
    if word == "(":
        return "E0129", "`FROM` takes one relation", "a call", "FROM pool, a stage, a recipe, or (query)"
    is_name = place.kind(0) == "word" and word not in RESERVED and meant(place) is None
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
        if word in ("PER", "PARTITION", "EACH", "FOR"):
            label = "the groups of a LIMIT come after BY"
            return "E0101", f"unexpected `{clipped(place.words[place.index].text)}`", label, "LIMIT 100 BY lang"
        if word == ",":
            return STOPS["OFFSET"]
    if word == "ORDER" and "LIMIT" in here and "ORDER" not in here:
        return "E0101", "`ORDER BY` after `LIMIT`", "the order comes first", "ORDER BY score DESC LIMIT 100 BY lang"
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
