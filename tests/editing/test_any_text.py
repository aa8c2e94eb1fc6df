"""Whatever is typed, every question of an editor has an answer: prefixes of shipped recipes, and worse."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from dcql.catalog.recipes import shipped_recipes
from dcql.catalog.types import DATACOMP
from dcql.editing.completing import completions
from dcql.editing.diagnosing import by_file, diagnose
from dcql.editing.document import Document, library_documents
from dcql.editing.fixing import all_fixes, formatting, repairs
from dcql.editing.hovering import told
from dcql.editing.naming import places, refusal
from dcql.editing.places import at, definition
from dcql.editing.positions import Positions
from dcql.editing.predicates import predicate_at, question
from dcql.errors import RecipeError
from dcql.source import Source

LIBRARY = [one.source.text for one in library_documents()]
RECIPES = [*sorted(path.read_text(encoding="utf-8") for path in set(shipped_recipes().values())), *LIBRARY]
SIGNS = ["'", "''", "(", ")", ";", "--", "\n", "\r\n", "\r", ".", ",", "=", '"', "/*", "1e"]
WORDS = ["q(", " AND ", " WITH ", " AS ", "WHERE ", "uid ", "IMPORT '", "DEFINE f(x) "]
# Astral, marks that are not drawn, and half of a sign that two units of UTF-16 make.
STRANGE = ["é", "😀", "\ufeff", "\x00", "\u202e", "\u2028", chr(0xD800)]
PIECES = st.sampled_from([*SIGNS, *WORDS, *STRANGE])


@st.composite
def typed(draw: st.DrawFn) -> tuple[str, int]:
    """A prefix of a recipe, some of whose places have other signs, and an offset in it."""
    recipe = draw(st.sampled_from(RECIPES))
    text = recipe[: draw(st.integers(0, len(recipe)))]
    for piece in draw(st.lists(PIECES, max_size=3)):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + piece + text[place + draw(st.integers(0, 2)) :]
    near_end = draw(st.booleans())
    return text, len(text) if near_end else draw(st.integers(0, len(text)))


@settings(max_examples=settings().max_examples // 3)
@given(typed())
def test_any_text_has_answers(case: tuple[str, int]) -> None:
    text, offset = case
    document = Document(Source("recipe.dcql", text), Path("/nowhere/recipe.dcql"))
    for one in completions(document, offset, DATACOMP):
        assert 0 <= one.start <= offset <= one.end <= len(text)
    found = at(document, offset, DATACOMP)
    if found is not None:
        assert found.span.start <= offset <= found.span.end
        told(document, found, DATACOMP)
        definition(found)
        for span in places(document, found, DATACOMP):
            assert span.text == found.span.text
        refusal(document, found, "other", DATACOMP)
    predicate = predicate_at(document, offset)
    if predicate is not None:
        assert predicate.span.text in question(document, predicate).recipe
    faults = diagnose(document, DATACOMP)
    all_fixes(document, DATACOMP)
    for fault in faults:
        repairs(fault)
    assert sum(map(len, by_file(document, faults).values())) == len(faults)
    try:
        formatting(document)
    except RecipeError:
        assert any(fault.severity == "error" for fault in faults)
    for symbol in document.symbols:
        assert symbol.name_span.text == symbol.name
        line, column = Positions(text).position(symbol.name_span.start)
        assert Positions(text).offset(line, column) == symbol.name_span.start
