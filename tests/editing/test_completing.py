"""What is offered at a place: the cases of completion.txt."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dcql.catalog.types import DATACOMP
from dcql.editing.completing import completions
from dcql.editing.document import Document

Marked = Callable[[str], tuple[Document, int]]

CASES = (Path(__file__).parent / "completion.txt").read_text(encoding="utf-8").rstrip("\n").split("\n\n")[1:]


@pytest.mark.parametrize("case", CASES, ids=[case.split("\n")[0] for case in CASES])
def test_completion(case: str, marked: Marked) -> None:
    text, *expected = case.split("\n")
    document, offset = marked(text)
    found = {one.label for one in completions(document, offset, DATACOMP)}
    assert expected
    for line in expected:
        words = set(line.removeprefix("not ").split())
        if line.startswith("not "):
            assert not words & found
        else:
            assert words <= found, f"only {sorted(found)}"


def test_a_candidate_takes_the_place_of_the_word_that_is_there(marked: Marked) -> None:
    document, offset = marked("SELECT uid FROM pool WHERE original_w|idth > 3")
    one = next(one for one in completions(document, offset, DATACOMP) if one.label == "original_height")
    text = document.source.text
    assert text[: one.start] + one.text + text[one.end :] == "SELECT uid FROM pool WHERE original_height > 3"


@pytest.mark.parametrize(
    ("text", "label", "written"),
    [
        ("IMPORT 'ba|' AS b", "base.dcql", "IMPORT 'base.dcql' AS b"),
        ("IMPORT 'ba|", "base.dcql", "IMPORT 'base.dcql"),
        ("IMPORT 'ba|se.old' AS b", "base.dcql", "IMPORT 'base.dcql' AS b"),
    ],
)
def test_a_file_takes_the_place_of_the_text_that_is_there(text: str, label: str, written: str, marked: Marked) -> None:
    document, offset = marked(text)
    (one,) = (one for one in completions(document, offset, DATACOMP) if one.label == label)
    assert document.source.text[: one.start] + one.text + document.source.text[one.end :] == written


def test_files_outside_of_the_folder_are_not_told(folder: Path, marked: Marked) -> None:
    (folder / "link").symlink_to(folder.parent, target_is_directory=True)
    for text in ("IMPORT '../|", "IMPORT '/|", "IMPORT 'link/|", "IMPORT 'sub/../../|"):
        document, offset = marked(text)
        assert completions(document, offset, DATACOMP) == ()


def test_a_text_without_a_file_has_no_files() -> None:
    from dcql.source import Source

    assert completions(Document(Source("new", "IMPORT '")), 8, DATACOMP) == ()
