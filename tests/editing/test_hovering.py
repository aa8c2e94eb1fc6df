"""What is told about the word under the cursor, and that a stranger's recipe cannot do anything with it."""

import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from dcql.catalog.types import DATACOMP, Type
from dcql.editing.counting import Rate
from dcql.editing.document import Document
from dcql.editing.hovering import code_told, column_told, escaped, fenced, percent, rate_told, told
from dcql.editing.places import at
from dcql.editing.predicates import Predicate
from dcql.engine.describe import ColumnSummary
from dcql.source import Source

Marked = Callable[[str], tuple[Document, int]]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "SELECT uid FROM pool WHERE cont|ains(text, 'a')",
            ["contains(text, text)", "takes TEXT, TEXT; gives BOOL", "NULL when an argument is", "exact"],
        ),
        (
            "SELECT uid FROM pool WHERE regexp_mat|ches(text, 'a')",
            ["a text literal", "version: a lock pins the engine"],
        ),
        ("SELECT uid FROM pool WHERE coales|ce(original_width, 0) > 1", ["skips NULL arguments", "the type of its"]),
        ("SELECT uid FROM pool WHERE original_wi|dth > 1", ["original_width INT", "a column of the pool"]),
        (
            "-- Not too small.\nDEFINE big AS original_width > 200; SELECT uid FROM pool WHERE bi|g",
            ["DEFINE big AS original_width > 200", "Not too small\\.", "a DEFINE, of type BOOL"],
        ),
        ("PARAM keep DEFAULT 0.3; SELECT uid FROM pool WHERE clip_l14 > ke|ep", ["PARAM keep DEFAULT 0.3", "a PARAM"]),
        ("WITH a AS (SELECT uid FROM pool) SELECT uid FROM |a", ["a AS (SELECT uid FROM pool)", "a stage"]),
        ("SELECT uid FROM pool WHERE la|ng = 'en'", ["FEATURE lang TEXT USING fasttext_lid", "of the library"]),
        (
            "SELECT uid FROM pool WHERE intac|t",
            ["FEATURE intact BOOL USING as_recorded", "very bytes", "of the library"],
        ),
        ("SELECT uid FROM pool WHERE english_cap|tion", ["DEFINE english_caption", "of type BOOL", "datacomp"]),
        ("DEFINE wide(ratio) AS original_width > ra|tio", ["a parameter of wide"]),
        ("SELECT uid FROM pool WHERE clip_l14 >= |q(0.7)", ["order statistic"]),
        ("DEF|INE big AS original_width > 200", ["DEFINE name(a, b) AS expression;"]),
        ("IMPORT './ba|se.dcql' AS b", ["a file of the recipe's folder"]),
        ("IMPORT '../out|side.dcql' AS b", ["no file of the recipe's folder"]),
        ("SELECT uid FROM po|ol", ["the relation of all samples"]),
    ],
)
def test_what_is_told(text: str, parts: list[str], marked: Marked) -> None:
    document, offset = marked(text)
    found = at(document, offset, DATACOMP)
    assert found is not None
    shown = told(document, found, DATACOMP)
    for part in parts:
        assert part in shown


def test_a_comment_cannot_show_a_picture() -> None:
    text = "-- ![](https://example.com/x.png) <img src=x> `````\nDEFINE big AS original_width > 200"
    document = Document(Source("recipe", text))
    found = at(document, text.index("big"), DATACOMP)
    assert found is not None
    shown = told(document, found, DATACOMP)
    assert "![" not in shown
    assert re.search(r"(?<!\\)<", shown) is None
    assert "\\!\\[\\]\\(https" in shown


def test_a_text_cannot_close_its_fence() -> None:
    assert fenced("DEFINE a AS text = '```'").split("\n")[0] == "````dcql"
    assert escaped("[a](b)") == "\\[a\\]\\(b\\)"


def test_a_column_has_its_quantiles() -> None:
    quantiles = tuple((Fraction(p, 100), float(p) / 4) for p in (1, 50, 99))
    summary = ColumnSummary("score", Type.DOUBLE, 2000, 500, 0.25, None, 0.0, quantiles, 25.0)
    assert column_told(summary, "mine").split("\n") == [
        "On `mine`: 25 % NULL of 2,000 samples",
        "",
        "| min | 1 % | 50 % | 99 % | max |",
        "| --: | --: | --: | --: | --: |",
        "| 0 | 0.25 | 12.5 | 24.75 | 25 |",
    ]
    assert column_told(ColumnSummary("text", Type.TEXT, 4, 0, 0.0), "mine") == "On `mine`: 0 % NULL of 4 samples"


def test_a_condition_has_its_share() -> None:
    source = Source("recipe", "width > 2")
    predicate = Predicate(source.span(0, 9), "pool")
    assert "keeps **30 %** of `mine`: 3 of 10 samples" in rate_told(predicate, "pool", "mine", Rate(3, 10))
    assert "keeps **30 %** of `a` on `mine`: 3 of 10" in rate_told(predicate, "a", "mine", Rate(3, 10))
    assert "counting on `mine`" in rate_told(predicate, "pool", "mine", None)
    assert "was not counted: too slow" in rate_told(predicate, "pool", "mine", Rate(fault="too slow"))


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (0, 0, "0 %"),
        (10, 10, "100 %"),
        (1, 3, "33.3 %"),
        (1, 1000, "0.1 %"),
        (1, 10**6, "under 0.01 %"),
        (10**6 - 1, 10**6, "over 99.9 %"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_a_code_is_explained() -> None:
    assert "unknown name" in code_told("E0201")
