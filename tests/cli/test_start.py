"""What a command imports before its work, and what it prints where no terminal is."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dcql.cli import app, plain, shell

# All of dcql that a warm run of an added pool imports. Another module costs every run: what few runs need is imported
# where it is needed.
WARM = """
arrays dataclass digest displayed errors files frames home json_text limits merkle npy run_folder scratch source subset
syntax syntax.texts catalog catalog.coverage catalog.files catalog.lengths catalog.pool catalog.recipes
catalog.store catalog.types plan plan.values lower lower.program lower.statement lower.stored
lower.tails
engine engine.arrow_stream engine.buckets engine.copies engine.counts engine.distribution engine.duck engine.features
engine.features.report engine.folder engine.light engine.marked engine.ranks engine.run engine.sources engine.statistics
engine.uids engine.unsorted inspect inspect.coverage inspect.features inspect.funnel inspect.manifest
compiler demo_pool recipes
cli cli.app cli.cluster cli.computing cli.demo cli.lazy cli.options cli.plain cli.progress cli.render cli.run cli.shell
"""
# What it imports more where all features are stored.
WITH_FEATURES = """
catalog.features catalog.models cli.render_features engine.embeddings engine.features.asking engine.features.assets
engine.features.columns engine.features.digest engine.features.fitting engine.features.footer engine.features.inputs
engine.features.margins engine.features.weights engine.udfs engine.udfs.answers engine.udfs.captions
engine.udfs.language engine.udfs.table extras
"""
# What it imports beside Python's own: typer brings the last three.
PACKAGES = {"dcql", "numpy", "_duckdb", "typer", "annotated_doc", "shellingham", "click"}
RUN = """\
import sys
from pathlib import Path
sys.argv = ["dcql", "run", sys.argv[1], "--pool", "demo", "--out", "warm"]
before = {*sys.modules}
from dcql.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
new = {name: module for name, module in sys.modules.items() if name not in before}
print(*sorted(name.removeprefix("dcql.") for name in new if name.startswith("dcql.")))
print(*{name.partition(".")[0] for name in new} - sys.stdlib_module_names)
values = [each for name in new if name.startswith("dcql") for each in vars(new[name]).values()]
classes = [each for each in values if isinstance(each, type)]
print(*(each.__name__ for each in classes if each.__module__[:4] == "dcql" and "__dataclass_params__" in vars(each)))
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for a store of these runs' own: of a run that a cluster began, another one imports more."""
    return tmp_path_factory.mktemp("warm")


def imported(recipe: str, here: Path) -> list[set[str]]:
    """Return what a warm run imports of dcql, of which packages, and the classes that `dataclasses` makes for it."""
    command = [sys.executable, "-c", RUN, recipe]
    environment = {**os.environ, "DCQL_HOME": str(here / "home")}
    subprocess.run(command, env=environment, capture_output=True, check=True, cwd=here)  # makes pool and program
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=here)
    return [set(line.split()) for line in found.stdout.splitlines()[-3:]]


@pytest.fixture(scope="module")
def warm(here: Path) -> list[set[str]]:
    return imported("clip30", here)


def test_a_warm_run_of_an_added_pool_imports_what_it_needs(warm: list[set[str]]) -> None:
    assert warm[0] == set(WARM.split())


def test_a_warm_run_brings_in_no_large_package(warm: list[set[str]]) -> None:
    """No pyarrow, rich, sqlglot, lark, and no duckdb around `_duckdb`: each takes longer than many a run."""
    assert warm[1] <= PACKAGES


def test_a_warm_run_waits_for_no_data_class(warm: list[set[str]]) -> None:
    """What is on its way has those of `dcql.dataclass`, half a millisecond less for each."""
    assert warm[2] == set()


def test_a_warm_run_with_features_imports_a_little_more(here: Path) -> None:
    """No pyarrow either: footers of features and values come by DuckDB."""
    modules, packages, made = imported("datacomp_1b", here)
    assert modules == {*WARM.split(), *WITH_FEATURES.split()}
    assert packages <= PACKAGES
    assert made == set()


@pytest.mark.parametrize(("given", "wanted"), [({}, "16"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_threads_of_matrix_products_soon_sleep(given: dict[str, str], wanted: str) -> None:
    """OpenBLAS reads the variable as numpy is imported; what a user set stays."""
    code = (
        "import os, sys, contextlib, dcql.cli\n"
        "with contextlib.suppress(SystemExit): dcql.cli.main(['--version'])\n"
        "assert 'numpy' not in sys.modules\n"
        "print(os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"} | given
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == wanted


def test_every_command_is_there_under_its_name() -> None:
    group = app.typer.main.get_command(app.app)
    assert list(group.commands) == list(group.table)
    for name, (short, _) in group.table.items():
        command = group.get_command(None, name)
        assert (command.name, command.get_short_help_str(200)) == (name, short)
    assert {name for names in app._SECTIONS.values() for name in names} == set(group.table)


def test_a_command_imports_its_own_module_alone() -> None:
    code = RUN.replace('"run", sys.argv[1], "--pool", "demo", "--out", "warm"', '"fmt", "-h"')
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
