"""What holds for every command: exit codes, plain text, quick answers, no stack traces."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from dcql.catalog.pool import open_pool
from dcql.catalog.types import Type
from dcql.cli import check
from dcql.cli.locks import _line as condition
from dcql.cli.options import memory_size, settings
from dcql.cli.render import draw_funnel, number, share, short
from dcql.compiler import compile, run, run_compiled
from dcql.inspect.funnel import funnel
from dcql.pages.text import decimal
from dcql.verify import Outcome

Dcql = Callable[..., Any]


def test_check_imports_neither_engine_nor_numpy(here: Path) -> None:
    code = (
        "import sys\nfrom dcql.cli import main\ntry:\n    main(['check', 'clip.dcql'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'duckdb', 'pyarrow', 'sqlglot', 'numpy', 'torch', 'lark', 'fsspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "[]"
    assert told.stdout.startswith("ok  clip.dcql")


def test_importing_dcql_gives_its_names() -> None:
    import dcql

    assert all(getattr(dcql, name) is not None for name in dcql.__all__)
    with pytest.raises(AttributeError):
        _ = dcql.nothing


def test_a_closed_pipe_is_silent(here: Path, child: list[str]) -> None:
    running = subprocess.Popen([*child, "sql", "dedup.dcql"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == b""
    assert running.wait() == 0


@pytest.mark.parametrize("command", [("sql", "dedup.dcql"), ("check", "clip.dcql", "--format", "json"), ("pool", "ls")])
def test_a_disk_that_takes_no_more_output_is_no_bug(here: Path, child: list[str], command: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        told = subprocess.run([*child, *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert told.returncode == 1
    assert told.stderr == (
        "error[E0758]: cannot write standard output\n  No space left on device\n"
        " = help: free some space on the disk, or send the output elsewhere\n"
    )


def test_a_bug_is_told_without_a_stack_trace(dcql: Dcql, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(plan: object) -> None:
        raise ZeroDivisionError("a \x1b[31mbug")

    monkeypatch.setattr(check, "_summary", fail)
    told = dcql("check", "clip.dcql")
    assert told.code == 1
    assert told.err.startswith("error[E0901]: internal error\n  ZeroDivisionError: a \\x1b[31mbug (test_shell.py:")
    assert "Traceback" not in told.err
    told = dcql("check", "clip.dcql", "--format", "json")
    assert json.loads(told.out)["errors"][0]["code"] == "E0901"
    assert "Traceback" in dcql("--traceback", "check", "clip.dcql").err


def test_text_of_a_recipe_cannot_steer_the_terminal(dcql: Dcql, here: Path) -> None:
    (here / "odd.dcql").write_text("SELECT uid FROM pool WHERE contains(caption, '\ue000[bold red]:smile:[/]')")
    told = dcql("run", "odd.dcql", "--pool", "mixed")
    assert "\ue000" not in told.out
    assert "contains(caption, '\\ue000[bold red]:smile:[/]')" in told.out
    (here / "\x1b[31m.dcql").write_text("SELECT uid FROM poool")
    for command in (("check",), ("run", "--pool", "mixed"), ("diff", "clip.dcql", "--pool", "mixed")):
        told = dcql(*command, "\x1b[31m.dcql")
        assert told.code == 2
        assert "\x1b" not in told.out + told.err


def test_the_demo_pool_is_made_on_first_use(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dcql.demo.expand")
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    first = dcql("count", "clip30")
    assert first.code == 0
    assert first.err.startswith("note: no --pool was given, so this is the demo pool")
    assert (here / "home" / "demo" / "metadata").is_dir()
    assert dcql("count", "clip30").out == first.out == dcql("count", "clip30", "--pool", "demo").out


def test_the_demo_pool_is_made_where_it_is_named(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dcql.demo.expand")
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    done = run("clip30", "demo")
    assert done.pool.added
    monkeypatch.setenv("DCQL_HOME", str(here / "other"))
    locked = dcql("lock", "clip30", "--pool", "demo")
    assert locked.code == 0
    assert done.hash in locked.out
    monkeypatch.setenv("DCQL_HOME", str(here / "third"))
    assert dcql("lock", "clip30", "--check").code == 0


def test_a_demo_pool_that_is_missing_is_told(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    monkeypatch.setitem(sys.modules, "dcql.demo.expand", None)
    told = dcql("count", "clip30")
    assert told.code == 1
    assert told.err.startswith("error[E0764]: no demo pool")


def test_a_demo_pool_that_cannot_be_written_is_told(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dcql.demo.expand")
    (here / "home").write_text("a file")
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    told = dcql("count", "clip30")
    assert told.code == 1
    assert told.err.startswith("error[E0764]: no demo pool")
    assert "set DCQL_HOME" in told.err


def test_a_wrong_recipe_does_not_make_the_demo_pool(dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(here / "home"))
    assert dcql("run", "wrong.dcql").code == 2
    assert not (here / "home").exists()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_funnel_fits_its_terminal(width: int) -> None:
    pool = open_pool("mixed")
    compiled = compile("groups.dcql", pool.schema)
    done = run_compiled(compiled, pool)
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None, soft_wrap=True, markup=False)
    draw_funnel(console, funnel(compiled.program, done.result))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[0].rstrip().endswith("█" * 12)


@pytest.mark.parametrize("width", [60, 80, 87, 200])
@pytest.mark.parametrize("command", [("why", "8e0c84a0961f", "why.dcql"), ("run", "words.dcql")], ids=" ".join)
def test_nothing_is_cut_where_a_terminal_is_narrow(
    width: int, command: tuple[str, ...], dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "words.dcql").write_text("SELECT uid FROM pool WHERE lang = 'en';")
    dcql(*command, "--pool", "mixed")
    whole = dcql(*command, "--pool", "mixed")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None, soft_wrap=True, markup=False)
    monkeypatch.setattr(f"dcql.cli.{command[0]}.stdout", lambda: console)
    dcql(*command, "--pool", "mixed")
    lines = [line for line in file.getvalue().splitlines() if "dcql1:" not in line]
    assert max(map(len, lines)) <= width
    # A clause of the funnel is cut, and has a bar.
    start = 0 if command[0] == "why" else -len(whole.out[whole.out.index("\nfeatures") :].split())
    assert file.getvalue().split()[start:] == whole.out.split()[start:]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_conditions_and_stored_features_fit_a_narrow_terminal(
    width: int, dcql: Dcql, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = f"dcql1:{'0' * 64}"
    line = condition(Outcome("new process: 2", whole), width - 27)
    assert len(line) <= width - len("  DIFFERS")
    assert line.startswith("new process: 2    dcql1:0000")
    assert condition(Outcome("new process: 2", whole), None).endswith(whole)

    (here / "words.dcql").write_text("SELECT uid FROM pool WHERE lang = 'en';")
    dcql("run", "words.dcql", "--pool", "mixed")
    wide = dcql("feature", "ls").out
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None, soft_wrap=True, markup=False)
    monkeypatch.setattr("dcql.cli.features.stdout", lambda: console)
    dcql("feature", "ls")
    assert file.getvalue().split() == wide.split()
    assert max(map(len, file.getvalue().splitlines())) <= width


def test_advice_is_broken_between_words(dcql: Dcql, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=50, color_system=None, soft_wrap=True, markup=False)
    monkeypatch.setattr("dcql.cli.shell.stderr", lambda: console)
    dcql("run", "wrong.dcql", "--pool", "mixed")
    assert file.getvalue().splitlines()[:7] == [
        "error[E0201]: unknown name `clip_l41`",
        " --> wrong.dcql:2:7",
        "  |",
        "2 | WHERE clip_l41 >= q(0.7)",
        "  |       ^^^^^^^^ not a column of the pool, a DEFINE or a PARAM",  # under the line that it is about
        "  = help: a similar name exists: `clip_l14`",
        "",
    ]
    assert file.getvalue().splitlines()[-2:] == [
        "  = help: nothing is converted: text is written in",
        "          quotes, `'2'`, a number without, `2`",
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MB", 512_000_000), ("1GB", 10**9), ("2GiB", 2 << 30), ("1.5GB", 1_500_000_000), ("64 mb", 64_000_000)],
)
def test_memory_sizes(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["", "12", "GB", "-1GB", "1 XB", "1e3MB", "0MB", "999B", "nan GB", "1GBB", "٣GB"])
def test_what_is_no_memory_size(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="1"):
        memory_size(text)


def test_settings_are_pairs() -> None:
    assert settings(["a=1", "b = 'x=y'"]) == {"a": "1", "b": "'x=y'"}
    for wrong in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(typer.BadParameter):
            settings(wrong)


def test_shares_say_all_and_nothing_only_where_it_is_so() -> None:
    assert [share(count, 100_000) for count in (0, 1, 49_999, 99_999, 100_000)] == [
        "   0.0 %",
        "  <0.1 %",
        "  50.0 %",
        "  99.9 %",
        " 100.0 %",
    ]
    assert share(0, 0).strip() == "-"


def test_numbers_are_the_shortest_of_their_type() -> None:
    assert number(0.28125, Type.FLOAT) == "0.28125"
    assert number(0.10000000149011612, Type.FLOAT) == "0.1"
    assert number(0.1, Type.DOUBLE) == "0.1"
    assert number(-1234567, Type.INT) == "-1,234,567"
    assert number(None, Type.INT) == "NULL"
    assert short(2**62, Type.INT) == "4.612e+18"
    assert [decimal(text) for text in ("3/10", "1/3", "7", "'1/2'", "-1/8")] == ["0.3", "1/3", "7", "'1/2'", "-0.125"]
