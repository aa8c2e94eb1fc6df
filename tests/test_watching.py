"""What `dcql watch` sees: each case writes to files between two looks, and names the events that come of it.

The clock is a script: a step is what happens between two looks at the files. A count is the number of `keep` in the
recipe, so that an event tells which text it is about.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dcql.errors import Diagnostic, RecipeError
from dcql.watching import Clause, Counted, Event, Failed, Line, State, lines, named_files, parameter_changes, watch

Step = Callable[[], object]
SETTLED = 2  # looks after which a change counts


def nothing() -> None:
    """Let time pass."""


class EndedError(Exception):
    """The script is over."""


def recipe(keep: int, *names: str) -> str:
    """Return a recipe that says `keep`, and names files."""
    head = "".join(f"IMPORT '{name}' AS i{number};\n" for number, name in enumerate(names))
    return f"{head}SELECT uid FROM pool WHERE width > {keep};\n"


def events(path: Path, steps: Sequence[Step], look: Callable[[], State] | None = None) -> list[Event]:
    """Watch a recipe while the steps happen, and for a while after them."""
    left = [*steps, *[nothing] * (SETTLED + 1)]

    def wait() -> None:
        if not left:
            raise EndedError
        left.pop(0)()

    def read() -> State:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            return Failed(RecipeError(Diagnostic("E0155", "cannot read it")))
        found = re.search(r"width > (\d+);", text)
        if found is None:
            return Failed(RecipeError(Diagnostic("E0102", "it ends too early")))
        return Counted(100, int(found[1]), f"dcql1:{found[1]}", ())

    found: list[Event] = []
    with pytest.raises(EndedError):
        found.extend(watched(path, look or read, wait, found))
    return found


def watched(path: Path, look: Callable[[], State], wait: Step, found: list[Event]) -> Sequence[Event]:
    for event in watch(path, look, wait):  # type: ignore[arg-type]
        found.append(event)
    return ()


def told(found: list[Event]) -> list[int | str]:
    """Return what each event says: a count, or the code of an error."""
    return [one.after.kept if isinstance(one.after, Counted) else one.after.error.diagnostics[0].code for one in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A recipe that keeps 1."""
    file = tmp_path / "mine.dcql"
    file.write_text(recipe(1))
    return file


def replace(path: Path, text: str) -> None:
    """Save as many editors do: write beside, then rename."""
    other = path.with_name(".new")
    other.write_text(text)
    os.replace(other, path)


def test_without_a_change_there_is_one_event(path: Path) -> None:
    assert told(events(path, [nothing] * 5)) == [1]


@pytest.mark.parametrize("save", [lambda path, text: path.write_text(text), replace], ids=["in place", "rename"])
def test_a_save_is_an_event(path: Path, save: Callable[[Path, str], object]) -> None:
    found = events(path, [lambda: save(path, recipe(2)), nothing, nothing, lambda: save(path, recipe(3))])
    assert told(found) == [1, 2, 3]
    assert [one.files for one in found] == [(), (path,), (path,)]
    assert found[2].before == found[1].after == found[2].counted


def test_a_save_of_the_same_text_is_none(path: Path) -> None:
    assert told(events(path, [lambda: replace(path, recipe(1)), lambda: os.utime(path, (1, 1))])) == [1]


def test_another_text_of_the_same_size_and_time_is_one(path: Path) -> None:
    def save() -> None:
        before = path.stat()
        path.write_text(recipe(2))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert told(events(path, [save])) == [1, 2]


def test_a_half_saved_file_is_waited_for(path: Path) -> None:
    steps: list[Step] = [lambda: path.write_text(recipe(2)[:20]), lambda: path.write_text(recipe(2))]
    assert told(events(path, steps)) == [1, 2]


def test_a_file_that_is_away_for_a_moment_is_waited_for(path: Path) -> None:
    assert told(events(path, [path.unlink, lambda: path.write_text(recipe(2))])) == [1, 2]


def test_what_stays_half_saved_is_told_and_then_what_it_becomes(path: Path) -> None:
    found = events(path, [lambda: path.write_text("SELECT"), nothing, nothing, lambda: path.write_text(recipe(2))])
    assert told(found) == [1, "E0102", 2]
    # What it kept before the error is what the next count is compared with.
    assert found[2].counted == found[0].after


def test_deleting_and_writing_again(path: Path) -> None:
    found = events(path, [path.unlink, nothing, nothing, nothing, lambda: path.write_text(recipe(1))])
    assert told(found) == [1, "E0155", 1]


def test_a_file_that_never_rests_is_counted_all_the_same(path: Path) -> None:
    steps: list[Step] = [lambda keep=keep: path.write_text(recipe(keep)) for keep in range(2, 40)]  # type: ignore[misc]
    found = told(events(path, steps))
    assert found[0] == 1
    assert found[-1] == 39
    assert len(found) > 2


def test_a_save_while_it_counts_is_the_next_event(path: Path) -> None:
    looks = iter([1, 2, 3])

    def look() -> State:
        number = next(looks)
        if number == 2:
            path.write_text(recipe(3))  # while the count of 2 runs
        return Counted(100, number, str(number), ())

    assert told(events(path, [lambda: path.write_text(recipe(2)), nothing, nothing, nothing], look)) == [1, 2, 3]


def test_an_imported_recipe_and_what_it_names(tmp_path: Path, path: Path) -> None:
    base, words = tmp_path / "parts" / "base.dcql", tmp_path / "parts" / "words.txt"
    base.parent.mkdir()
    base.write_text(f"SET words FROM 'words.txt' SHA256 '{'0' * 64}';\n{recipe(1)}")
    words.write_text("a\n")
    path.write_text(recipe(1, "parts/base.dcql"))
    assert named_files(path, ()) == (path, base, words)
    steps: list[Step] = [
        *(lambda: words.write_text("b\n"), nothing, nothing),
        *(lambda: base.write_text(recipe(7)), nothing, nothing),  # no longer names the words
        *(lambda: words.write_text("c\n"), nothing, nothing),
        *(base.unlink, nothing, nothing),
        *(lambda: base.write_text(recipe(7)), nothing, nothing),
    ]
    found = events(path, steps)
    assert [one.files for one in found] == [(), (words,), (base,), (base,), (base,)]


def test_what_a_wrong_recipe_named_before_is_watched_still(tmp_path: Path, path: Path) -> None:
    base = tmp_path / "base.dcql"
    base.write_text(recipe(1))
    path.write_text(recipe(1, "base.dcql"))
    steps: list[Step] = [
        *(lambda: path.write_text("IMPORT 'ba"), nothing, nothing),
        *(lambda: base.write_text(recipe(2)), nothing, nothing),
    ]
    assert [one.files for one in events(path, steps)] == [(), (path,), (base,)]


def test_nothing_outside_of_the_folder_and_no_pipe_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "outside.dcql").write_text(recipe(1))
    os.mkfifo(folder / "pipe.dcql")
    (folder / "link.dcql").symlink_to(tmp_path / "outside.dcql")
    path = folder / "mine.dcql"
    path.write_text(recipe(1, "../outside.dcql", "pipe.dcql", "link.dcql", "mine.dcql"))
    assert named_files(path, ()) == (path, folder / "pipe.dcql", folder / "link.dcql")
    assert told(events(path, [lambda: path.write_text(recipe(2, "pipe.dcql"))])) == [1, 2]


# --- what changed -----------------------------------------------------------------------------------------------------


def counted(*clauses: tuple[str, int], **parameters: str) -> Counted:
    return Counted(100, 1, "", tuple(Clause("query", *one) for one in clauses), tuple(parameters.items()))


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([("a", 9), ("b", 5)], [("a", 9), ("b", 5)], [("a", 9, 9), ("b", 5, 5)]),
        ([("a", 9), ("b", 5)], [("a", 8), ("b", 4)], [("a", 9, 8), ("b", 5, 4)]),
        ([("a", 9), ("b", 5)], [("a", 9), ("new", 7), ("b", 4)], [("a", 9, 9), ("new", None, 7), ("b", 5, 4)]),
        ([("a", 9), ("b", 5)], [("b", 6)], [("a", 9, None), ("b", 5, 6)]),
        ([("a > 1", 9)], [("a > 2", 5)], [("a > 1", 9, None), ("a > 2", None, 5)]),
        ([], [("a", 5)], [("a", None, 5)]),
    ],
)
def test_lines(
    before: list[tuple[str, int]], after: list[tuple[str, int]], changes: list[tuple[str, int | None, int | None]]
) -> None:
    assert lines(counted(*before), counted(*after)) == tuple(Line("query", *one) for one in changes)


def test_parameter_changes() -> None:
    assert parameter_changes(counted(a="1", b="2", c="3"), counted(a="1", b="3", d="4")) == (
        ("b", "2", "3"),
        ("c", "3", None),
        ("d", None, "4"),
    )
