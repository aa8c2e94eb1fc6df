"""Completion: what may follow a line, and real shells that ask for it."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dcql.cli.completion import Shell, answers

Dcql = Callable[..., Any]


def words(line: str, shell: Shell = Shell.BASH) -> list[str]:
    """Return what may follow, `file` for any file."""
    return [value if kind == "plain" else f"<{kind}>" for kind, value, _ in answers(line, shell)]


@pytest.fixture
def typed(here: Path) -> Path:
    """A folder with what lines are completed by, and nothing else."""
    folder = here / "typed"
    (folder / "sub dir").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("run.lock", "kept.npy", "some.parquet", "notes.txt", "sub dir/c d.dcql", "\x1b.dcql"):
        (folder / name).touch()
    (folder / "mine.dcql").write_text("PARAM keep DEFAULT 0.3; -- PARAM not_this\nPARAM side DEFAULT 2;\nSELECT uid FR")
    os.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("dcql rep", ["report"]),
        ("dcql run clip3", ["clip30"]),
        ("dcql run mi", ["mine.dcql"]),
        ("dcql run ./mi", ["./mine.dcql"]),
        ("dcql check sub", ["sub dir/"]),
        ("dcql check 'sub dir/", ["sub dir/c d.dcql"]),
        ("dcql check sub\\ dir/c", ["sub dir/c d.dcql"]),
        ("dcql fmt ", ["mine.dcql", "sub dir/"]),
        ("dcql show run", ["run.lock"]),
        ("dcql diff kep", ["kept.npy"]),
        ("dcql why 0123456 mi", ["mine.dcql"]),
        ("dcql run clip30 --po", ["--pool"]),
        ("dcql run clip30 --pool mix", ["mixed"]),
        ("dcql run clip30 -p so", ["some.parquet"]),
        ("dcql run clip30 --pool=mi", ["mixed"]),
        ("dcql run mine.dcql --set ", ["keep=", "side="]),
        ("dcql run mine.dcql -s k", ["keep="]),
        ("dcql run -s k", ["<file>"]),
        ("dcql run mine.dcql --set keep=0.2 --set si", ["side="]),
        ("dcql run mine.dcql --set keep=0.2 --memor", ["--memory"]),
        ("dcql run mine.dcql --out ", ["<file>"]),
        ("dcql sql mine.dcql --dialect s", ["spark"]),
        ("dcql recipes sh", ["show"]),
        ("dcql pool show mix", ["mixed"]),
        ("dcql explain-error E152", ["E1521", "E1522", "E1523"]),
        ("dcql completion f", ["fish"]),
        ("dcql nonsense x", ["<file>"]),
        ("dcql run --absent --al", []),
    ],
)
def test_what_may_follow(typed: Path, line: str, found: list[str]) -> None:
    assert words(line) == found


def test_every_command_is_offered_with_its_help(dcql: Dcql) -> None:
    offered = {value: help_ for _, value, help_ in answers("dcql ", Shell.ZSH)}
    listed = dcql("--help").out
    assert len(offered) > 20
    for name, help_ in offered.items():
        assert name in listed
        assert help_[:40] in listed


def test_a_value_after_an_equals_sign_is_whole_where_the_shell_does_not_split_there() -> None:
    assert words("dcql run clip30 --pool=mi", Shell.ZSH) == ["--pool=mixed"]
    assert words("dcql run clip30 --pool=mi", Shell.FISH) == ["--pool=mixed"]


def test_scripts_say_where_they_belong(dcql: Dcql) -> None:
    for shell in Shell:
        first, second, *_ = dcql("completion", shell.value).out.splitlines()
        assert f"dcql completion {shell.value}" in first + second


def test_completing_imports_no_engine(child: list[str], typed: Path) -> None:
    code = (
        "import sys\nfrom dcql.cli import main\ntry:\n    main(['completion', 'bash', 'dcql run mine.dcql --set '])\n"
        "except SystemExit:\n    pass\n"
        "print(sorted({'duckdb', 'pyarrow', 'sqlglot', 'numpy', 'torch', 'lark', 'rich'} & set(sys.modules)))"
    )
    told = subprocess.run([child[0], "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["plain\tkeep=\t", "plain\tside=\t", "[]"]


# --- shells -----------------------------------------------------------------------------------------------------------


class Terminal:
    """A shell that a person types into; what it prints is read until it has been silent for a while."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.environ |= {"TERM": "dumb", "PS1": "$ ", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
            os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
            os.execvp(command[0], command)

    def type(self, keys: str, until: str) -> str:
        """Type keys; return what the shell prints, up to what is waited for."""
        os.write(self._screen, keys.encode())
        said, ends = "", time.monotonic() + 300
        while until not in said and time.monotonic() < ends:
            if select.select([self._screen], [], [], 0.2)[0]:
                # Without bells, and what moves the cursor back over letters that are drawn again.
                said += re.sub(r"[\x07\r]", "", os.read(self._screen, 1 << 16).decode(errors="replace"))
        return said

    def close(self) -> None:
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        os.close(self._screen)


SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(dcql completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u -D; eval "$(dcql completion zsh)"'),
}


@pytest.fixture(params=SETUP)
def terminal(request: pytest.FixtureRequest, typed: Path) -> Iterator[Terminal]:
    """Bash and zsh with the completion of dcql in them."""
    command, setup = SETUP[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    (typed / "bin").mkdir()
    (typed / "bin/dcql").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dcql "$@"\n')
    (typed / "bin/dcql").chmod(0o755)
    opened = Terminal(command, typed)
    opened.type(f"{setup}; echo rea''dy\n", "ready")
    yield opened
    opened.close()


@pytest.mark.slow
def test_a_shell_that_is_typed_into(terminal: Terminal) -> None:
    for keys, until in (
        ("dcql chec\t", "check "),
        ("mi\t", "mine.dcql "),
        ("--set k\t", "keep="),
        ("0.2 --pool=mi\t", "--pool=mixed "),
    ):
        # The keys come back first; what follows them was completed.
        said = terminal.type(keys, until)
        assert until in said, said
    # Ctrl-U empties the line. Ctrl-C would throw away what is typed before the shell has seen it.
    assert "sub\\ dir/" in terminal.type("\x15dcql check sub\t", "dir/")


@pytest.mark.slow
def test_fish(typed: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("needs fish")
    ask = f"function dcql; {sys.executable} -m dcql $argv; end; dcql completion fish | source; complete -C "
    environment = {**os.environ, "HOME": str(typed)}
    for line, wanted in (
        ("dcql run mi", ["mine.dcql"]),
        ("dcql run mine.dcql --set ", ["keep=", "side="]),
        ("dcql chec", ["check\tCheck a recipe without running it"]),
    ):
        command = [fish, "-c", f"{ask} '{line}'"]
        told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert told.stdout.splitlines() == wanted
