"""What the word under the cursor means and where it is defined: the cases of meanings.txt; names given anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dcql.catalog.functions import Function
from dcql.catalog.types import DATACOMP, Column
from dcql.editing.document import Document
from dcql.editing.naming import places, refusal
from dcql.editing.places import AllSamples, At, Keyword, Named, NamedFile, Parameter, at, definition
from dcql.source import Source

Marked = Callable[[str], tuple[Document, int]]

CASES = (Path(__file__).parent / "meanings.txt").read_text(encoding="utf-8").rstrip("\n").split("\n\n")[1:]


def named(found: At | None) -> str:
    """Write what a word means as meanings.txt does."""
    match found.meaning if found is not None else None:
        case Keyword(word):
            return f"keyword {word}"
        case Named(symbol, _):
            return f"{symbol.kind} {symbol.name}"
        case Parameter(_, name):
            return f"parameter {name}"
        case NamedFile(text, _):
            return f"file {text}"
        case AllSamples():
            return "pool"
        case Column(name, type_):
            return f"column {name} {type_.value}"
        case Function() as function:
            return f"function {function.name}"
        case _:
            return "nothing"


@pytest.mark.parametrize("case", CASES, ids=[case.split("\n")[0] for case in CASES])
def test_meaning_and_definition(case: str, marked: Marked) -> None:
    text, expected = case.split("\n")
    document, offset = marked(text)
    found = at(document, offset, DATACOMP)
    told = named(found)
    target = definition(found) if found is not None else None
    if target is not None:
        path, span = target
        if span is not None and span.source is document.source:
            line, column = span.source.position(span.start)
            told += f", recipe:{line}:{column}"
        elif path is not None:
            assert path.is_file()
            told += f", {path.name}"
    assert told == expected


RENAMED = """\
DEFINE big AS original_width > 200;
DEFINE both(big) AS big AND text = 'big'; -- big
WITH a AS (SELECT uid FROM pool WHERE big)
SELECT uid FROM a WHERE big AND both(big) AND pool.text = 'a';
"""


def spans(document: Document, offset: int) -> str:
    """Write the text with brackets around every place that a rename at an offset would change."""
    found = places(document, at(document, offset, DATACOMP), DATACOMP)
    text = document.source.text
    for span in sorted(found, key=lambda one: -one.start):
        text = f"{text[: span.start]}[{span.text}]{text[span.end :]}"
    return text


def test_a_name_is_found_where_it_means_the_same() -> None:
    document = Document(Source("recipe", RENAMED))
    assert spans(document, RENAMED.index("big")) == (
        "DEFINE [big] AS original_width > 200;\n"
        "DEFINE both(big) AS big AND text = 'big'; -- big\n"
        "WITH a AS (SELECT uid FROM pool WHERE [big])\n"
        "SELECT uid FROM a WHERE [big] AND both([big]) AND pool.text = 'a';\n"
    )
    assert spans(document, RENAMED.index("big AND")) == RENAMED.replace("both(big) AS big", "both([big]) AS [big]", 1)
    assert spans(document, RENAMED.index("a AS")) == RENAMED.replace("WITH a", "WITH [a]").replace("FROM a", "FROM [a]")


def test_what_the_recipe_does_not_name_is_not_renamed() -> None:
    document = Document(Source("recipe", "SELECT uid FROM pool WHERE english_caption AND original_width > 200"))
    for word in ("pool", "english_caption", "original_width", "SELECT", "200"):
        assert spans(document, document.source.text.index(word)) == document.source.text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("large", ""),
        ("seed", ""),
        ("select", "a word of the language"),
        ("both", "a name of the recipe already"),
        ("text", "a column of the pool"),
        ("pool", "cannot be defined"),
        ("q", "cannot be defined"),
        ("2nd", "is no name"),
        ("a b", "is no name"),
        ("größe", "is no name"),
        ("", "is no name"),
    ],
)
def test_a_new_name_is_refused_where_it_means_something(name: str, why: str) -> None:
    document = Document(Source("recipe", RENAMED))
    found = at(document, RENAMED.index("big"), DATACOMP)
    assert found is not None
    said = refusal(document, found, name, DATACOMP)
    assert why in said
    assert bool(said) == bool(why)
