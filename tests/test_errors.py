"""Each recipe of tests/errors/ gives one message: the .txt beside it. The file name starts with the code.

A comment line at the top of a recipe says how it is checked:

    -- set: keep=0.2        as with `--set keep=0.2`
    -- column: lang TEXT    against a pool with this column beside DataComp's
    -- no column: text      against a pool without it
    -- path: none           as text that lies in no file
    -- compile              all the way to a program, rather than only checked
    -- library              as a file of the library
"""

import re
from pathlib import Path

import pytest

from dcql.catalog.types import DATACOMP, Column, Schema, Type
from dcql.compiler import check, compile
from dcql.errors import DcqlError, render
from dcql.source import Source
from dcql.syntax.parser import parse_library, read

FOLDER = Path(__file__).parent / "errors"
RECIPES = sorted(FOLDER.glob("E*.dcql"))


def lines(source: Source, wanted: str) -> list[str]:
    """Return what stands after each comment line that starts with `-- wanted`."""
    return re.findall(rf"^-- {wanted}(.*)$", source.text, re.MULTILINE)


def run(source: Source, path: Path) -> None:
    """Check a recipe in the way that its comments ask for."""
    without = {name.strip() for name in lines(source, "no column:")}
    added = [Column(name, Type[type_]) for name, type_ in map(str.split, lines(source, "column:"))]
    columns = (*(column for column in DATACOMP.columns if column.name not in without), *added)
    settings = dict(line.strip().split("=", 1) for line in lines(source, "set:"))
    if lines(source, "library"):
        parse_library(source)
    elif lines(source, "compile"):
        compile(source, Schema(columns), settings)
    else:
        check(source, Schema(columns), settings, None if lines(source, "path: none") else path)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_error(path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        run(read(path, path.name), path)
    drawn = render(caught.value.diagnostics) + "\n"
    expected = path.with_suffix(".txt")
    if update:
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert path.name[:5] in [diagnostic.code for diagnostic in caught.value.diagnostics]
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_recipe() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in RECIPES}
