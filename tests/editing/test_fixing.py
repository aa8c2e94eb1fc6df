"""What an editor writes in place of what is wrong: the recipe is right afterwards; its form as one edit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcql.catalog.recipes import shipped_recipes
from dcql.catalog.types import DATACOMP
from dcql.editing.diagnosing import by_file, diagnose
from dcql.editing.document import Document
from dcql.editing.fixing import all_fixes, formatting, repairs
from dcql.errors import RecipeError
from dcql.source import Source
from dcql.syntax.formatter import formatted

Marked = Callable[[str], tuple[Document, int]]
DIGEST = hashlib.sha256(b"a").hexdigest()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("SELECT uid FROM pool WHERE origina_width > 2", "SELECT uid FROM pool WHERE original_width > 2"),
        ("SELECT uid FROM pool WHERE pool.tex = 'a'", "SELECT uid FROM pool WHERE pool.text = 'a'"),
        ("SELECT uid FROM pool WHERE contain(text, 'a')", "SELECT uid FROM pool WHERE contains(text, 'a')"),
        (
            "WITH english AS (SELECT uid FROM pool) SELECT uid FROM englsh",
            "WITH english AS (SELECT uid FROM pool) SELECT uid FROM english",
        ),
        (
            f"SET s FROM 'values.txt' SHA256 '{'0' * 64}'; SELECT uid FROM pool WHERE text IN s",
            f"SET s FROM 'values.txt' SHA256 '{DIGEST}'; SELECT uid FROM pool WHERE text IN s",
        ),
        ("IMPORT './bsae.dcql' AS b; SELECT uid FROM b", "IMPORT 'base.dcql' AS b; SELECT uid FROM b"),
        ("IMPORT 'sub/dep.dcql' AS b; SELECT uid FROM b", "IMPORT 'sub/deep.dcql' AS b; SELECT uid FROM b"),
        (
            "IMPORT './base.dcql' AS b WITH kep = 0.1; SELECT uid FROM b",
            "IMPORT './base.dcql' AS b WITH keep = 0.1; SELECT uid FROM b",
        ),
    ],
)
def test_a_repair(wrong: str, right: str, folder: Path) -> None:
    document = Document(Source("recipe.dcql", wrong), folder / "recipe.dcql")
    found = diagnose(document, DATACOMP)
    offered = [repair for one in found for repair in repairs(one)]
    texts = []
    for repair in offered:
        text = wrong
        for span, new in sorted(repair.edits, key=lambda edit: -edit[0].start):
            text = text[: span.start] + new + text[span.end :]
        texts.append(text)
    assert right in texts
    assert diagnose(Document(Source("recipe.dcql", right), folder / "recipe.dcql"), DATACOMP) == ()


def test_what_has_no_similar_name_has_no_repair() -> None:
    (one,) = diagnose(Document(Source("recipe", "SELECT uid FROM pool WHERE zzzz > 2")), DATACOMP)
    assert repairs(one) == ()


def test_an_imported_recipe_is_told_of_in_its_own_file(folder: Path) -> None:
    (folder / "base.dcql").write_text("SELECT uid FROM pool WHERE nothing > 1;", encoding="utf-8")
    (folder / "sub" / "deep.dcql").write_text("SELECT uid FRM pool;", encoding="utf-8")
    own = folder / "recipe.dcql"
    document = Document(Source("recipe.dcql", "IMPORT './base.dcql' AS b; SELECT uid FROM b WHERE what > 1"), own)
    told = by_file(document, diagnose(document, DATACOMP))
    assert {path.name: [one.code for one in ones] for path, ones in told.items() if path} == {
        "base.dcql": ["E0201"],
        "recipe.dcql": ["E0201"],
    }
    document = Document(Source("recipe.dcql", "IMPORT './sub/deep.dcql' AS b; SELECT uid FROM b"), own)
    told = by_file(document, diagnose(document, DATACOMP))
    assert list(told) == [(folder / "sub" / "deep.dcql").resolve()]


def test_a_file_of_the_library_is_no_recipe_without_a_query() -> None:
    from dcql.editing.document import library_documents

    for one in library_documents():
        assert diagnose(one, DATACOMP) == ()


def applied(document: Document) -> str:
    """Return the text with the edits of its canonical form."""
    text = document.source.text
    for start, end, new in formatting(document):
        text = text[:start] + new + text[end:]
    return text


@pytest.mark.parametrize("name", sorted(name for name in shipped_recipes() if "/" in name))
def test_the_canonical_form_of_a_recipe_on_one_line(name: str) -> None:
    text = shipped_recipes()[name].read_text(encoding="utf-8")
    body = " ".join(line for line in text.split("\n") if not line.lstrip().startswith("--") and "--" not in line)
    assert applied(Document(Source("recipe", body))) == formatted(Source("recipe", body))
    assert formatting(Document(Source("recipe", text))) == ()


def test_lines_that_stay_are_not_touched_and_line_ends_are_kept() -> None:
    text = "-- one\r\nDEFINE a AS width>2;\r\nSELECT uid FROM pool WHERE a;\r\n"
    document = Document(Source("recipe", text))
    ((start, end, new),) = formatting(document)
    assert text[start:end] == "DEFINE a AS width>2;\r\n"
    assert new == "DEFINE a AS width > 2;\r\n"


@settings(max_examples=settings().max_examples // 6)
@given(st.lists(st.sampled_from(["DEFINE a AS width>2;", "SELECT uid FROM pool", "-- c", "", "WHERE a", ";"])))
def test_any_text_has_its_form_or_stays(lines: list[str]) -> None:
    text = "\n".join(lines)
    document = Document(Source("recipe", text))
    try:
        expected = formatted(document.source)
    except RecipeError:
        with pytest.raises(RecipeError):
            formatting(document)
    else:
        assert applied(document) == expected


LINTED = """\
DEFINE big AS original_width > 200;
DEFINE small AS original_width < 20;
SELECT uid FROM pool WHERE big AND big;
"""


def test_lints_are_warnings_and_their_fixes_are_offered() -> None:
    document = Document(Source("recipe", LINTED))
    found = diagnose(document, DATACOMP)
    assert [(one.code, one.severity, one.span.text if one.span else "") for one in found] == [
        ("L006", "warning", "small"),
        ("L005", "warning", "big"),
    ]
    (repair,) = (repair for one in found for repair in repairs(one))
    assert (repair.title, repair.safe) == ("remove it", True)


def test_all_fixes_at_once() -> None:
    document = Document(Source("recipe", LINTED))
    ((start, end, new),) = all_fixes(document, DATACOMP)
    after = LINTED[:start] + new + LINTED[end:]
    assert after == LINTED.replace("big AND big", "big")
    assert all_fixes(Document(Source("recipe", after)), DATACOMP) == ()
