"""The tables of codes: complete, raised, tested, and with examples that do what they say."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from dcql import codes
from dcql.catalog.types import DATACOMP, Column, Schema, Type
from dcql.codes import CODES, RETIRED, Code
from dcql.codes.__main__ import document
from dcql.compiler import check
from dcql.errors import RecipeError
from dcql.source import Source

ROOT = Path(__file__).parent.parent
TABLES = [
    getattr(codes, table.stem)
    for table in sorted(Path(codes.__file__).parent.glob("[a-z]*.py"))
    if table.stem not in ("code", "retired")
]
RECIPE_CODES = [code for code in CODES.values() if code.code < "E0604"]

# Examples that are no text of a recipe.
NO_RECIPE = {
    "E0143": "it is about a library",
    "E0150": "it takes a megabyte",
    "E0151": "it takes 201 levels",
    "E0152": "it takes 10,001 operands",
    "E0153": "it holds a character that cannot be shown",
    "E0154": "it is about the bytes of a file",
    "E0155": "it is about a file that is not there",
    "E0213": "it is about a value on the command line",
    "E0503": "it takes 201 lines",
}

# Messages that no file can hold.
NO_MESSAGE = {
    "E0150": "it takes a recipe of a megabyte",
    "E0764": "it takes an installation without the data of the demo pool",
    "E0901": "it shows where dcql failed, which is never to happen",
}

# What the examples find beside them.
FILES = {
    "base.dcql": "PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);\n",
    "widths.txt": "200\n300\n",
    "words.txt": "photo\ndrawing\n",
}

# The columns that an example's pool has beside DataComp's.
COLUMNS = {"E0206": Column("lang", Type.TEXT)}


def found(code: Code, text: str, folder: Path) -> set[str]:
    """Return the codes that a recipe of an example gives."""
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")
    (folder / "scores.parquet").write_bytes((ROOT / "tests/errors/files/scores.parquet").read_bytes())
    path = folder / "recipe.dcql"
    path.write_text(text, encoding="utf-8", newline="\n")
    added = (COLUMNS[code.code],) if code.code in COLUMNS else ()
    try:
        check(Source(path.name, text), Schema((*DATACOMP.columns, *added)), path=path)
    except RecipeError as error:
        return {diagnostic.code for diagnostic in error.diagnostics}
    return set()


@cache
def raised_codes() -> set[str]:
    """Return the codes that stand as a text of their own in dcql/ and runtime/, outside the tables."""
    folders = (ROOT / "dcql", ROOT / "runtime")
    files = [path for folder in folders for path in folder.rglob("*.py") if path.parent.name != "codes"]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if re.fullmatch(r"E\d{4}|L\d{3}", text)}


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_every_code_is_explained(code: Code) -> None:
    for text in (code.title, code.meaning, code.example, code.instead):
        assert text.strip() == text != ""
    assert re.fullmatch(r"E[01]\d{3}|L[01]\d{2}", code.code)
    assert not code.title.endswith(".")
    assert code.meaning.endswith(".")


def test_no_code_is_declared_twice() -> None:
    declared = [code.code for table in TABLES for code in table.CODES]
    assert sorted(declared) == sorted(set(declared)) == sorted(CODES)


def test_a_retired_code_is_given_no_more_and_leads_to_one_that_is() -> None:
    assert not set(RETIRED) & (set(CODES) | raised_codes())
    assert set(RETIRED.values()) <= set(CODES)


def test_every_code_is_raised() -> None:
    assert set(CODES) - raised_codes() == set()


def test_every_code_that_is_raised_is_declared() -> None:
    assert raised_codes() - set(CODES) == set()


def test_every_code_has_a_message() -> None:
    drawn = {path.name.split("_")[0] for kind in ("E????", "L???") for path in (ROOT / "tests").rglob(f"{kind}_*.txt")}
    assert set(CODES) - drawn - set(NO_MESSAGE) == set()
    assert drawn - set(CODES) == set()


@pytest.mark.parametrize("code", RECIPE_CODES, ids=lambda code: code.code)
def test_every_example_is_what_it_says(code: Code, tmp_path: Path) -> None:
    if code.code not in NO_RECIPE:
        assert found(code, code.example, tmp_path) == {code.code}
        assert found(code, code.instead, tmp_path) == set()


def test_the_page_of_errors_is_current() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == document()
