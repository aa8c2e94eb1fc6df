"""What a command imports before its work, and what it prints where no terminal is."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from dcql.cli import app, plain, shell

LATE = (
    "pyarrow",
    "duckdb",
    "rich",
    "sqlglot",
    "lark",
    "dcql.catalog.models",
    "dcql.locks.lock",
    "dcql.engine.features.asking",
)
RUN = f"""\
import sys
sys.argv = ["dcql", "run", "clip30", "--pool", sys.argv[1]]
from dcql.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("late:", *(name for name in {LATE!r} if name in sys.modules))
"""


def test_a_warm_run_of_an_added_pool_imports_what_it_needs(dcql, here: Path) -> None:  # type: ignore[no-untyped-def]
    """Each of these takes longer to import than many a run takes."""
    assert dcql("run", "clip30").code == 0  # makes the demo pool, and the program
    found = subprocess.run([sys.executable, "-c", RUN, "demo"], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "late:"


def test_every_command_is_there_under_its_name() -> None:
    group = app.typer.main.get_command(app.app)
    assert list(group.commands) == list(group.table)
    for name, (short, _) in group.table.items():
        command = group.get_command(None, name)
        assert (command.name, command.get_short_help_str(200)) == (name, short)
    assert {name for names in app._SECTIONS.values() for name in names} == set(group.table)


def test_a_command_imports_its_own_module_alone() -> None:
    code = RUN.replace('"run", "clip30", "--pool", sys.argv[1]', '"fmt", "-h"')
    code += "print(*sorted(name for name in sys.modules if name.startswith('dcql.cli.')))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.removeprefix("dcql.cli.") for name in found.stdout.splitlines()[-1].split()}
    assert "fmt" in names
    assert names.isdisjoint({"run", "diff", "pools", "train", "submit"})


@pytest.mark.parametrize(
    "text", ["plain", "", "a [bold]word[/bold] :smile:", "two\nlines", "ünïcödé ✓", "a\tb", "bell\a"]
)
def test_a_text_without_a_terminal_is_what_rich_prints(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in plain._FORCED:
        monkeypatch.delenv(name, raising=False)
    ours, theirs = io.StringIO(), io.StringIO()
    shell._console(ours).print(text, style="bold")
    plain.console_of(theirs).print(text, style="bold")
    assert ours.getvalue() == theirs.getvalue()


def test_texts_without_a_terminal_are_what_rich_prints() -> None:
    printed = []
    for stream, console in ((one := io.StringIO(), plain.Plain(one)), (two := io.StringIO(), plain.console_of(two))):
        text = plain.text_of(console)
        line = text("first", "bold")
        line.append(" more", "dim")
        line.pad_right(3)
        whole = text.assemble("a ", ("b", "red"))
        whole.append_text(line)
        console.print(whole)
        console.print()
        console.print(text("one"), "two")
        printed.append(stream.getvalue())
    assert printed[0] == printed[1]


def test_a_forced_terminal_is_riches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shell._console(io.StringIO()).is_terminal
