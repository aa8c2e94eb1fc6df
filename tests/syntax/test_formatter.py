"""The canonical form: the same recipe and comments in the same places, and nothing left of how it was laid out."""

import contextlib
import random
import re
from pathlib import Path

import pytest
from generate import recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from syntax.test_parser import STATEMENTS, blocks

import dcql
from dcql.errors import RecipeError
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.formatter import formatted
from dcql.syntax.layout import WIDTH
from dcql.syntax.parser import parse_either, read
from dcql.syntax.texts import MAX_BYTES

ROOT = Path(dcql.__file__).parent.parent
PAIRS = sorted((ROOT / "tests/format").glob("*.dcql"))
SHIPPED = sorted(path for folder in ("recipes", "stdlib") for path in (ROOT / folder).rglob("*.dcql"))
WRITTEN = [*SHIPPED, *PAIRS, *sorted(ROOT.glob("tests/[cg]o*/*.dcql"))]

# The words of a recipe by a list of this test's own: what is neither space nor comment.
WORD = re.compile(r"--[^\n]*|'(?:[^'\n]|'')*'|[A-Za-z_]\w*|[0-9.]+(?:[eE][+-]?[0-9]+)?|<>|!=|<=|>=|[^\s]")
texts = st.one_of(recipes(files=True, models=True), st.sampled_from([read(path).text for path in WRITTEN]))
few = settings(max_examples=settings().max_examples // 4)
seeds = st.integers(0, 2**32 - 1)


def form(text: str) -> str:
    return formatted(Source("test.dcql", text))


def tree(text: str) -> ast.Recipe:
    return parse_either(Source("test.dcql", text))


def comments(text: str) -> list[str]:
    return [word.rstrip() for word in WORD.findall(text) if word.startswith("--")]


def with_comments(text: str, chosen: random.Random) -> str:
    """Put comments between words, some beside a word and some on lines of their own."""
    places = [match.span() for match in WORD.finditer(text)]
    parts, done = [], 0
    for i, (start, end) in enumerate(places):
        if chosen.random() < 0.15:
            before = chosen.choice([" ", "\n", "\n\n", "\n    ", "\r\n\t"])
            parts += [text[done:start], f"{before}-- {i} it's; (\n"]
            done = start
        if chosen.random() < 0.15 and not text[start:end].startswith("--"):
            parts += [text[done:end], f" -- {i} )beside{chosen.choice(['', '  '])}\n"]
            done = end
    return "".join(parts) + text[done:] + chosen.choice(["", "\n-- last", " -- last"])


def laid_out_anew(text: str, chosen: random.Random) -> str:
    """Put other spaces between the words of a text without comments; statements begin on lines of their own."""
    words = WORD.findall(text)
    spaces = (chosen.choice([" ", "\n", "\t", "  ", "\r\n", " \n  "]) if word != ";" else "\n" for word in words)
    return "".join(word + space for word, space in zip(words, spaces, strict=True))


@pytest.mark.parametrize("path", PAIRS, ids=lambda path: path.stem)
def test_form(path: Path, update: bool) -> None:
    expected = path.with_suffix(".out")
    found = formatted(read(path))
    if update:
        expected.write_text(found, encoding="utf-8", newline="\n")
    assert found.encode() == expected.read_bytes()


def test_every_form_has_its_recipe() -> None:
    assert {path.stem for path in (ROOT / "tests/format").glob("*.out")} == {path.stem for path in PAIRS}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_ships_is_formatted(path: Path) -> None:
    assert formatted(read(path)).encode() == path.read_bytes(), "run: dcql fmt recipes stdlib"


@few
@given(texts, seeds)
def test_the_recipe_and_its_comments_stay(text: str, seed: int) -> None:
    commented = with_comments(text, random.Random(seed))
    found = form(commented)
    assert tree(found) == tree(commented) == tree(text)
    assert recipe_digest(tree(found)) == recipe_digest(tree(text))
    assert comments(found) == comments(commented)
    assert form(found) == found
    assert found.strip("\n") + "\n" == found
    assert "\n\n\n" not in found
    assert all(line == line.rstrip(" \t\r") for line in found.split("\n"))


@few
@given(texts, seeds)
def test_a_comment_stays_between_its_words(text: str, seed: int) -> None:
    def around(text: str) -> list[tuple[str, str, str]]:
        """Return each comment with the words before and after it, but for those that the form moves or leaves out."""
        words = [word for word in WORD.findall(text) if word.startswith("--") or word not in {",", ";", "(", ")", "+"}]
        spelled = [
            "<>" if word == "!=" else word if "'" in word or word[:2] == "--" else word.upper() for word in words
        ]
        numbers = [re.sub(r"^([0-9]+)\.(?=E|$)", r"\1", word) for word in spelled]
        numbers = [re.sub(r"^\.", "0.", re.sub(r"^([0-9.]+E)\+", r"\1", word)) for word in numbers]
        found = []
        for i, word in enumerate(numbers):
            if word.startswith("--"):
                before = next((other for other in reversed(numbers[:i]) if other[:2] != "--"), "")
                after = next((other for other in numbers[i:] if other[:2] != "--"), "")
                found.append((before, word.rstrip(), after))
        return found

    commented = with_comments(text, random.Random(seed))
    assert around(form(commented)) == around(commented)


@few
@given(recipes(files=True, models=True), seeds)
def test_how_it_was_laid_out_is_forgotten(text: str, seed: int) -> None:
    bare = re.sub(r"('(?:[^'\n]|'')*')|--[^\n]*", lambda match: match[1] or "", text)
    chosen = random.Random(seed)
    assert form(laid_out_anew(bare, chosen)) == form(laid_out_anew(bare, chosen))


@few
@given(recipes(files=True, models=True))
def test_no_parentheses_could_go(text: str) -> None:
    found = form(text)
    wanted = tree(found)
    opened: list[int] = []
    for match in WORD.finditer(found):
        if match.group() == "(":
            opened.append(match.start())
        elif match.group() == ")":
            start, end = opened.pop(), match.start()
            without = f"{found[:start]} {found[start + 1 : end]} {found[end + 1 :]}"
            with contextlib.suppress(RecipeError):
                assert tree(without) != wanted, without


@pytest.mark.parametrize("pair", list(blocks("near_equal.txt")), ids=" | ".join)
def test_near_equal_recipes_have_other_forms(pair: list[str]) -> None:
    left, right = (
        text if text.upper().startswith(STATEMENTS) else f"SELECT uid FROM pool WHERE {text}" for text in pair
    )
    assert form(left) != form(right)
    assert (tree(form(left)), tree(form(right))) == (tree(left), tree(right))


@few
@given(recipes(files=True, models=True))
def test_a_long_line_has_no_place_to_end(text: str) -> None:
    for line in form(text).splitlines():
        code = re.sub(r"('(?:[^']|'')*')|--.*", lambda match: match[1] or "", line).rstrip()
        # A name, an operator and what they stand between; a file with its hash; a short call.
        assert len(code) <= WIDTH or "SHA256" in code, code


def test_deep_and_long_recipes() -> None:
    deep = "SELECT uid FROM pool WHERE " + "(NOT (a AND " * 60 + "b = 1" + "))" * 60
    assert tree(form(deep)) == tree(deep)
    long = "SELECT uid FROM pool WHERE " + " OR ".join(f"a = {i}" for i in range(2_000))
    assert form(long).count("\n") == 2_001
    many = "SELECT uid FROM pool WHERE a IN (" + ",".join(map(str, range(2_000))) + ")"
    assert form(form(many)) == form(many)


def test_a_form_that_would_be_too_large_is_refused() -> None:
    text = "SELECT uid FROM pool WHERE a IN (" + ",".join("123456789") + ")"
    text = f"-- {'a' * (MAX_BYTES - 4 - len(text))}\n{text}"
    assert len(text) == MAX_BYTES
    with pytest.raises(RecipeError) as caught:
        form(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E1492"]
