"""What README.md and docs/ show is what happens: their recipes are checked, their commands and Python run, in order.

| block | what is done |
|---|---|
| ```sql | checked, or refused where its first line ends with `refused: E0402`; `-- NAME.dcql` there keeps the file |
|   | of the language's page it runs too, and gives an error where its first line ends with `fails: E0727` |
| ```console | each `$ dcql ..` and `$ git ..` is run; what it prints is compared, `...` standing for any lines |
| ```python | run, and compared, as a doctest |
| ```text NAME | kept as the file NAME |

`pytest tests/test_docs.py --update` writes what commands print, except over `...`.
"""

import contextlib
import doctest
import fnmatch
import hashlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dcql.catalog.recipes import find_recipe
from dcql.cli import main
from dcql.compiler import check
from dcql.errors import RecipeError
from dcql.subset import UID, Subset

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    "README.md",
    "docs/ci.md",
    "docs/cluster.md",
    "docs/coverage.md",
    "docs/diff.md",
    "docs/editors.md",
    "docs/evaluation.md",
    "docs/fmt.md",
    "docs/grammar.md",
    "docs/language.md",
    "docs/leaderboard.md",
    "docs/lints.md",
    "docs/loop.md",
    "docs/models.md",
    "docs/notebook.md",
    "docs/pools.md",
    "docs/remote.md",
    "docs/report.md",
    "docs/reshard.md",
    "docs/semantics.md",
    "docs/threat_model.md",
    "docs/training.md",
    "docs/verify.md",
    "docs/why.md",
)
# Who commits is of no matter, and git finds the `dcql` of this Python.
AS_SOMEBODY = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{role}_{what}": "me@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}
BLOCK = re.compile(r"^```(\w+)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|\]\(#([^)\s]+)\)")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document(
    document: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool, demo: None
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs" / "scores.parquet", tmp_path)
    text = (ROOT / document).read_text(encoding="utf-8")
    written = text
    for block in BLOCK.finditer(text):
        language, name, body = block.groups()
        match language:
            case "text" if name is not None:
                Path(name).write_text(body, encoding="utf-8", newline="\n")
            case "sql":
                check_recipe(body)
            case "python":
                run_python(body, f"{document}, line {line_of(text, block.start())}")
            case "console":
                printed = "".join(
                    f"$ {command}\n{run(command, shown, home)}" for command, shown in COMMAND.findall(body)
                )
                if update:
                    written = written.replace(body, printed)
                else:
                    assert printed == body, f"{document}, line {line_of(text, block.start())}"
    if written != text:
        (ROOT / document).write_text(written, encoding="utf-8", newline="\n")


def test_every_example_of_the_language_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: None) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "docs" / "scores.parquet", tmp_path)
    ran = 0
    for block in BLOCK.finditer((ROOT / "docs/language.md").read_text(encoding="utf-8")):
        language, name, body = block.groups()
        if language == "text" and name is not None:
            Path(name).write_text(body, encoding="utf-8", newline="\n")
        elif language == "sql" and check_recipe(body) is not None:
            printed, code = call(f"dcql count {check_recipe(body)} --pool demo")
            fails = re.search(r"\bfails: (E\d{4})$", body.split("\n", 1)[0])
            assert (code == 0) if fails is None else (f"error[{fails[1]}]" in printed), printed
            ran += 1
    assert ran > 20


@pytest.fixture
def demo(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the store, with the demo pool in it and no feature of it, whatever other documents computed."""
    monkeypatch.setenv("DCQL_HOME", str(home))
    shutil.rmtree(home / "features", ignore_errors=True)
    if not (home / "pools").exists():
        call("dcql count no_filter")


def check_recipe(text: str) -> Path | None:
    """Check a recipe and return its file; or check that it is refused with the code that it states."""
    first = text.split("\n", 1)[0]
    named = re.match(r"-- (\w+\.dcql)\b", first)
    path = Path(named[1] if named else "recipe.dcql")
    path.write_text(text, encoding="utf-8", newline="\n")
    refused = re.search(r"\brefused: (E\d{4})$", first)
    if refused is None:
        check(find_recipe(path)[0], path=path)
        return path
    with pytest.raises(RecipeError) as caught:
        check(find_recipe(path)[0], path=path)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [refused[1]], text
    return None


def run_python(text: str, name: str) -> None:
    """Run a doctest."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    report = io.StringIO()
    failed, tried = doctest.DocTestRunner().run(test, out=report.write)
    assert tried
    assert not failed, report.getvalue()


def run(command: str, shown: str, home: Path) -> str:
    """Return what a command prints; where `shown` has `...` for some of it and the rest agrees, `shown` itself."""
    printed, code = call(command)
    printed = printed.replace(str(home), "~/.dcql").rstrip("\n")
    assert (code != 0) == ("error[" in printed), printed
    text = shown.rstrip("\n")
    pattern = "\n".join("*" if line == "..." else re.sub(r"[*?[]", r"[\g<0>]", line) for line in text.split("\n"))
    if fnmatch.fnmatchcase(printed, pattern):
        return shown
    after = shown[len(text) :]
    return printed + after if text else f"{printed}\n{after}"


def call(command: str) -> tuple[str, int]:
    """Run a `dcql` command in this process, or git; return all that it prints and its exit code."""
    program, *arguments = shlex.split(command)
    if program == "git":
        ended = subprocess.run([program, *arguments], env=AS_SOMEBODY, capture_output=True, text=True, check=False)
        return ended.stdout + ended.stderr, ended.returncode
    assert program == "dcql", command
    terminated = signal.getsignal(signal.SIGTERM)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), pytest.raises(SystemExit) as ended:
            main(arguments)
    finally:
        signal.signal(signal.SIGTERM, terminated)
    assert isinstance(ended.value.code, int)
    return out.getvalue(), ended.value.code


@pytest.mark.parametrize("document", [*DOCUMENTS, "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_links(document: str) -> None:
    for path, anchor in links(ROOT / document):
        assert path.exists(), path
        if anchor:
            assert anchor in anchors(path), f"{path.name}#{anchor}"


def test_vectors_of_the_hash() -> None:
    md5 = [hashlib.md5(str(i).encode()).hexdigest() for i in range(1000)]
    bags = [[], ["0" * 32], ["0" * 32] * 2, ["f" * 32], ["0" * 32, "f" * 32], md5]
    bags.append([uid for i, uid in enumerate(md5) for _ in range(i % 3 + 1)])
    rules = (ROOT / "docs/semantics.md").read_text(encoding="utf-8")
    assert re.findall(r"\| (dcql1:[0-9a-f]{64}) \|", rules) == [hash_of(bag) for bag in bags]


def hash_of(uids: list[str]) -> str:
    """Return the hash of a bag of uids."""
    return Subset.from_uids(np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in uids], UID)).hash


def test_every_rule_has_a_number_of_its_own() -> None:
    rules = (ROOT / "docs/semantics.md").read_text(encoding="utf-8")
    numbers = [(int(section), int(rule)) for section, rule in re.findall(r"^\*\*(\d+)\.(\d+)\*\*", rules, re.MULTILINE)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 40


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files that a document links to, and the heading in each, or ""."""
    for path, anchor, here in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" not in path:
            yield document.parent / path if path else document, anchor or here


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def line_of(text: str, place: int) -> int:
    """Return the line of a position."""
    return text.count("\n", 0, place) + 1
