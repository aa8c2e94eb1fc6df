"""Each recipe of tests/errors/ gives one message: the .txt beside it. The file name starts with the code."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dcql.errors import RecipeError, render
from dcql.source import Source
from dcql.syntax.parser import parse, read

FOLDER = Path(__file__).parent / "errors"
RECIPES = sorted(FOLDER.glob("E*.dcql"))


def checker() -> Callable[[Source], object]:
    """Return what finds the errors of a recipe: the whole compiler, or the parser alone while there is none."""
    try:
        check: Callable[[Source], object] = importlib.import_module("dcql.compiler").check
    except (ImportError, AttributeError):
        return parse
    return check


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_error(path: Path, update: bool) -> None:
    with pytest.raises(RecipeError) as caught:
        checker()(read(path, path.name))
    drawn = render(caught.value.diagnostics) + "\n"
    expected = path.with_suffix(".txt")
    if update:
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert path.name[:5] in [diagnostic.code for diagnostic in caught.value.diagnostics]
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_recipe() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in RECIPES}
