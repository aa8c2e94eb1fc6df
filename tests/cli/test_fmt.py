"""`dcql fmt`: what is written, what is left alone, and what is said."""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcql.syntax.texts import MAX_BYTES

Dcql = Callable[..., Any]

MESSY = "select  uid from pool where lang='en' -- English\n"
NEAT = "SELECT uid FROM pool WHERE lang = 'en';   -- English\n"
WRONG = "SELECT uid FRM pool;  \n"


@pytest.fixture
def tree(here: Path) -> Path:
    """A folder with recipes in folders, one of them hidden, and something else."""
    files = {
        "a.dcql": MESSY,
        "below/b.dcql": NEAT,
        "below/c.dcql": MESSY,
        "below/notes.txt": MESSY,
        ".hidden/d.dcql": MESSY,
    }
    for name, text in files.items():
        path = here / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return here / "tree"


def texts(folder: Path) -> dict[str, str]:
    """Return the files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes().decode()
        for path in sorted(folder.rglob("*.*"))
        if path.is_file()
    }


def test_folders_are_formatted_but_for_what_is_hidden(dcql: Dcql, tree: Path) -> None:
    told = dcql("fmt", "tree", "tree/a.dcql")
    assert (told.code, told.err) == (0, "")
    assert told.out == "formatted  tree/a.dcql\nformatted  tree/below/c.dcql\n1 file is formatted already\n"
    assert texts(tree) == {
        ".hidden/d.dcql": MESSY,
        "a.dcql": NEAT,
        "below/b.dcql": NEAT,
        "below/c.dcql": NEAT,
        "below/notes.txt": MESSY,
    }
    assert dcql("fmt", "tree").out == "3 files are formatted already\n"


def test_a_named_file_may_have_any_name(dcql: Dcql, tree: Path) -> None:
    assert dcql("fmt", "tree/below/notes.txt", "tree/.hidden").code == 0
    assert texts(tree)["below/notes.txt"] == texts(tree)[".hidden/d.dcql"] == NEAT


def test_what_is_formatted_is_not_written(dcql: Dcql, tree: Path) -> None:
    (tree / "below").chmod(0o500)
    os.utime(tree / "below/b.dcql", ns=(1, 1))
    before = (tree / "below/b.dcql").stat()
    assert dcql("fmt", "tree/below/b.dcql").code == 0
    after = (tree / "below/b.dcql").stat()
    (tree / "below").chmod(0o700)
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, 1, before.st_ctime_ns)


@pytest.mark.parametrize("options", [("--check",), ("--diff",), ("--check", "--diff")], ids=" ".join)
def test_check_and_diff_write_nothing(dcql: Dcql, tree: Path, options: tuple[str, ...]) -> None:
    before = texts(tree)
    told = dcql("fmt", *options, "tree")
    assert texts(tree) == before
    assert told.code == (1 if "--check" in options else 0)
    assert ("error[E1491]: 2 files are not formatted\n  tree/a.dcql\n  tree/below/c.dcql\n" in told.err) == bool(
        told.code
    )
    assert dcql("fmt", *options, "tree/below/b.dcql").code == 0


def test_a_diff_is_one_that_patch_takes(dcql: Dcql, tree: Path) -> None:
    if shutil.which("patch") is None:
        pytest.skip("needs patch")
    (tree / "e.dcql").write_bytes(
        b"\xef\xbb\xbfDEFINE odd AS  text = 'a\xc2\xa0\xe2\x80\xa8b';\r\nSELECT uid FROM pool WHERE  odd"
    )
    told = dcql("fmt", "--diff", "tree")
    assert told.out.startswith("--- tree/a.dcql\n+++ tree/a.dcql\n@@ -1 +1 @@\n-select  uid from")
    subprocess.run(["patch", "-p0", "--binary"], input=told.out.encode(), check=True, capture_output=True)
    assert texts(tree)["e.dcql"] == "DEFINE odd AS text = 'a\xa0\u2028b';\nSELECT uid FROM pool WHERE odd;\n"
    assert dcql("fmt", "--check", "tree").out == "4 files are formatted already\n"


def test_a_file_with_errors_is_left_alone_and_the_others_are_not(dcql: Dcql, tree: Path) -> None:
    (tree / "a.dcql").write_text(WRONG)
    (tree / "below/aa.dcql").write_text("SELECT uid FROM pool; SELECT uid FROM pool;")
    told = dcql("fmt", "tree", "absent.dcql")
    assert told.code == 2
    assert told.out == "formatted  tree/below/c.dcql\n1 file is formatted already\n"
    assert [line for line in told.err.splitlines() if line.startswith("error")] == [
        "error[E0101]: unexpected `FRM`",
        "error[E0141]: a second query",
        "error[E0155]: cannot read `absent.dcql`",
    ]
    assert texts(tree)["a.dcql"] == WRONG
    assert (dcql("check", "tree/a.dcql").err in told.err) is True


def test_formatting_changes_nothing_in_a_lock(dcql: Dcql, here: Path) -> None:
    messy = "param keep default .3;\nselect uid from pool where (clip_l14>=q(1-keep)) and not(text is null)"
    (here / "m.dcql").write_text(messy)
    assert dcql("lock", "m.dcql", "--pool", "mixed").code == 0
    before = (here / "m.lock").read_bytes()
    assert [clause["text"] for clause in tomllib.loads(before.decode())["clause"]] == [
        "FROM pool",
        "clip_l14 >= q(1 - keep)",
        "NOT text IS NULL",
    ]
    assert dcql("fmt", "m.dcql").out == "formatted  m.dcql\n"
    for held in (("lock", "--check", "m.dcql"), ("run", "m.dcql", "--pool", "mixed", "--locked"), ("verify", "m.dcql")):
        assert dcql(*held).code == 0
    assert dcql("lock", "m.dcql").code == 0
    assert (here / "m.lock").read_bytes() == before


def test_line_ends_and_a_byte_order_mark(dcql: Dcql, here: Path) -> None:
    path = here / "windows.dcql"
    path.write_bytes(b"\xef\xbb\xbf" + NEAT.replace("\n", "\r\n").encode())
    assert dcql("fmt", "--check", path).code == 1
    assert dcql("fmt", path).code == 0
    assert path.read_bytes() == NEAT.encode()


def test_a_file_keeps_its_mode_and_its_links(dcql: Dcql, tree: Path) -> None:
    (tree / "a.dcql").chmod(0o640)
    (tree / "link.dcql").symlink_to("a.dcql")
    assert dcql("fmt", "tree/link.dcql").code == 0
    assert (tree / "link.dcql").is_symlink()
    assert (tree / "a.dcql").stat().st_mode & 0o777 == 0o640
    assert (tree / "a.dcql").read_text() == NEAT
    assert not list(tree.glob("*unfinished*")) + list(tree.glob(".*unfinished*"))


def test_a_write_that_fails_leaves_the_file(dcql: Dcql, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    before = texts(tree)
    told = dcql("fmt", "tree")
    assert (told.code, told.err.count("error[E0758]")) == (1, 2)
    assert told.out == "1 file is formatted already\n"
    assert texts(tree) == before


@pytest.mark.parametrize(
    ("options", "given", "out", "code"),
    [
        ((), MESSY.encode(), NEAT, 0),
        ((), NEAT.encode(), NEAT, 0),
        ((), b"\xef\xbb\xbfSELECT uid FROM pool\r\n", "SELECT uid FROM pool;\n", 0),
        ((), "SELECT uid FROM pool WHERE text = '日本'".encode(), "SELECT uid FROM pool WHERE text = '日本';\n", 0),
        ((), b"", "", 0),
        (("--check",), MESSY.encode(), "", 1),
        (("--check",), NEAT.encode(), "", 0),
        (("--diff",), b"SELECT uid FROM pool", "--- <stdin>\n+++ <stdin>\n@@ -1 +1 @@\n", 0),
        ((), WRONG.encode(), "", 2),
        ((), b"\xff", "", 2),
    ],
)
def test_standard_input(child: list[str], options: tuple[str, ...], given: bytes, out: str, code: int) -> None:
    told = subprocess.run([*child, "fmt", *options, "-"], input=given, capture_output=True, check=False)
    assert told.returncode == code
    assert told.stdout.decode() == out or (options == ("--diff",) and told.stdout.decode().startswith(out))
    assert (b"<stdin>" in told.stderr) == (code != 0)


def test_standard_input_stands_alone(dcql: Dcql) -> None:
    assert dcql("fmt", "-", "clip.dcql").code == 2
    assert dcql("fmt").code == 2


def test_names_cannot_steer_the_terminal(dcql: Dcql, here: Path) -> None:
    (here / "\x1b[31m.dcql").write_text(MESSY)
    for options in (("--check",), ()):
        told = dcql("fmt", *options, "\x1b[31m.dcql")
        assert "\x1b" not in told.out + told.err
        assert "\\x1b[31m.dcql" in told.out + told.err


def test_formatting_imports_no_engine(child: list[str], here: Path) -> None:
    code = (
        "import sys\nfrom dcql.cli import main\ntry:\n    main(['fmt', '--check', 'clip.dcql'])\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'duckdb', 'pyarrow', 'sqlglot', 'numpy', 'torch', 'lark', 'fsspec'} & set(sys.modules)))"
    )
    told = subprocess.run([child[0], "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"


def too_large() -> list[str]:
    end = "SELECT uid FROM pool WHERE width IN (1,2,3)"
    Path("large.dcql").write_text(f"-- {'a' * (MAX_BYTES - 4 - len(end))}\n{end}")
    return ["large.dcql"]


def without_recipes() -> list[str]:
    Path("empty").mkdir()
    return ["empty"]


def unformatted() -> list[str]:
    for name in ("one.dcql", "two.dcql"):
        Path(name).write_text(MESSY)
    return ["--check", "one.dcql", "two.dcql"]


MESSAGES = {
    "E1491_not_formatted": (unformatted, 1),
    "E1492_too_large": (too_large, 2),
    "E1493_no_recipes": (without_recipes, 1),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages(dcql: Dcql, here: Path, name: str, update: bool) -> None:
    make, code = MESSAGES[name]
    told = dcql("fmt", *make())
    path = Path(__file__).parent / "fmt_errors" / f"{name}.txt"
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(told.err, encoding="utf-8", newline="\n")
    assert (told.code, told.err) == (code, path.read_text(encoding="utf-8"))
