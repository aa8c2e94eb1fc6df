"""The TextMate grammar of editors/, in an engine of such grammars: Oniguruma, and the rules of VS Code's own.

A line of tests/editing/grammar/ is followed by comments that say which scope the signs above `^^^` have; `<---` stands
for those from the start of the line. `npm test` in editors/vscode reads the same files with VS Code's engine.
"""

import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from textmate_grammar.parsers.base import LanguageParser

import dcql
from dcql.catalog.recipes import shipped_recipes
from dcql.syntax import vocabulary
from dcql.syntax.highlight import pieces
from dcql.syntax.textmate import grammar, scope_of

FOLDER = Path(__file__).parent / "grammar"
ROOT = Path(dcql.__file__).parent.parent
COMMITTED = ROOT / "editors" / "vscode" / "syntaxes" / "dcql.tmLanguage.json"
MARK = re.compile(r"-- *(?P<marks>\^+|<-+) (?P<scope>\S+)\Z")
# The kinds of highlight.py, which colours recipes on pages.
SCOPES = {
    "keyword": ("keyword.control", "keyword.declaration", "keyword.operator.word", "constant.language"),
    "number": ("constant.numeric",),
    "text": ("string.quoted", "constant.character.escape"),
    "comment": ("comment.line",),
}


@cache
def parser() -> Any:
    logging.getLogger("textmate_grammar").setLevel(logging.ERROR)
    return LanguageParser(json.loads(COMMITTED.read_text(encoding="utf-8")))


def scopes(text: str) -> list[list[str]]:
    """Return the innermost scope of every sign of a text, line by line; "" for one without."""
    found = [[""] * len(line) for line in text.split("\n")]
    for (line, column), content, names in parser().parse_string(text).flatten():
        for place in range(column, column + len(content)):
            found[line][place] = names[-1] if len(names) > 1 else ""
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.dcql")), ids=lambda path: path.stem)
def test_scopes(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").split("\n")
    checked, wrong = 0, []
    line = ""
    for number, mark in enumerate(lines, 1):
        if (match := MARK.match(mark)) is None:
            line = mark
            continue
        start, end = match.span("marks")
        # The arrow starts behind the dashes and the space of its own line, and points at the line's start.
        start, end = (0, end - start - 1) if "<" in match["marks"] else (start, end)
        checked += 1
        found = set(scopes(line)[0][start:end])
        if not found or not all(one.startswith(match["scope"]) for one in found):
            wrong.append(f"{path.name}:{number}: `{line[start:end]}` is {sorted(found)}, not {match['scope']}")
    assert wrong == []
    assert checked > 10


def test_the_grammar_is_made_of_the_words_of_the_language() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == grammar(), "run `make grammar`"


def test_every_keyword_of_the_parser_is_a_keyword_here() -> None:
    lark = (ROOT / "dcql" / "syntax" / "grammar.lark").read_text(encoding="utf-8")
    words = set(re.findall(r"^([A-Z][A-Z0-9]*)(?:\.\d+)?:\s+/\1\\b", lark, re.MULTILINE))
    assert len(words) > 50
    assert words <= vocabulary.KEYWORDS
    text = "\n".join(sorted(vocabulary.KEYWORDS))
    for word, line in zip(sorted(vocabulary.KEYWORDS), scopes(text), strict=True):
        assert set(line) == {scope_of(word)}, word


@pytest.mark.parametrize("word", sorted(vocabulary.RESERVED))
def test_a_reserved_word_is_a_keyword_in_any_case(word: str) -> None:
    for written in (word.lower(), word.capitalize()):
        assert set(scopes(f"x {written} y")[0][2 : 2 + len(word)]) == {scope_of(word)}


@pytest.mark.parametrize("name", sorted(name for name in shipped_recipes() if "/" in name or name == "example"))
def test_shipped_recipes_have_the_colours_of_pages(name: str) -> None:
    text = shipped_recipes()[name].read_text(encoding="utf-8")
    found = "\n".join("\0".join([*line, ""]) for line in scopes(text)).split("\n")
    by_sign = [scope for line in found for scope in [*line.split("\0")[:-1], ""]]
    place = 0
    for piece in pieces(text):
        for sign, scope in zip(piece.text, by_sign[place:], strict=False):
            if piece.kind in SCOPES and not sign.isspace():
                assert scope.startswith(SCOPES[piece.kind]), (piece, scope)
            elif piece.kind in ("name", "call"):
                assert not scope.startswith(("string", "comment", "constant.numeric")), (piece, scope)
        place += len(piece.text)
