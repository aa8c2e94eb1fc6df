"""`%%dcql` in a real kernel: what cells show, what they leave behind, and what they say of errors."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import nbclient
import nbformat
import pools
import pytest

from dcql.compiler import run
from dcql.source import Source

Cells = Callable[[str], dict[str, str]]

RECIPE = "SELECT uid FROM pool\nWHERE clip_l14 >= q(0.7) -- <b>the best</b>\n"
CELLS = {
    "load": "%load_ext dcql",
    "run": f"%%dcql --pool files --as kept\n{RECIPE}",
    "hash": "print(kept.hash)",
    "subset": "kept.subset",
    "recipe": "kept.compiled",
    "plan": "kept.compiled.plan",
    "param": "%%dcql --set keep=0.1\nPARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep)",
    "wrong": "%%dcql\nSELECT uid\nFROM pool WHERE clip_l4 > '<script>' AND wdth > 3",
    "set": "%%dcql\nSET best FROM 'best.txt' SHA256 '{sha}';\nSELECT uid FROM pool WHERE uid IN best",
    "promise": f"%%dcql\n{RECIPE}EXPECT kept BETWEEN 0 AND 1",
    "check": "%dcql clip30 --check",
    "help": "%dcql --help",
    "nothing": "%dcql",
    "setting": "%dcql clip30 --set keep",
    "raised": "import dcql\ndcql.run('clip30', 'no_such_pool')",
    "frames": "[type(each).__module__.split('.')[0] for each in (kept.subset.to_pandas(), kept.subset.to_polars())]",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a notebook."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def cells(folder: Path) -> Cells:
    """Run CELLS in a kernel; return what gives the outputs of one, as text by their type."""
    pools.write(pools.ADVERSARIAL["mixed"](), folder / "files")
    best = "0" * 31 + "1\n"
    (folder / "best.txt").write_text(best)
    sha = hashlib.sha256(best.encode()).hexdigest()
    codes = [nbformat.v4.new_code_cell(code.replace("{sha}", sha)) for code in CELLS.values()]
    book = nbformat.v4.new_notebook(cells=codes)
    client = nbclient.NotebookClient(
        book, timeout=120, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(folder / "home"))
        client.execute()
    outputs = dict(zip(CELLS, (cell.outputs for cell in book.cells), strict=True))

    def shown(name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in outputs[name]:
            if one.output_type == "error":
                found["error"] = "\n".join(one.traceback)
            elif one.output_type == "stream":
                found[one.name] = found.get(one.name, "") + one.text
            else:
                found |= one.data
        return found

    return shown


def test_a_cell_runs_and_is_kept_by_its_name(cells: Cells, folder: Path) -> None:
    expected = run(Source("cell.dcql", RECIPE), folder / "files")
    assert "error" not in cells("load")
    shown = cells("run")["text/html"]
    assert expected.hash in shown
    assert f"keeps <strong>{expected.subset.distinct:,}</strong> of 3,000 samples" in shown
    assert "clip_l14 &gt;= q(0.7)" in shown
    assert cells("hash")["stdout"].strip() == expected.hash
    assert expected.hash in cells("subset")["text/html"]
    assert next(expected.subset.hex()) in cells("subset")["text/html"]


def test_the_pool_is_kept_for_the_cells_after(cells: Cells) -> None:
    shown = cells("param")["text/html"]
    assert "of 3,000 samples" in shown
    assert "<code>keep = 0.1</code>" in shown


def test_recipes_and_plans_are_shown(cells: Cells) -> None:
    recipe, plan = cells("recipe")["text/html"], cells("plan")["text/html"]
    assert '<span class="t-keyword">SELECT</span>' in recipe
    assert "&lt;b&gt;the best&lt;/b&gt;" in recipe
    assert "q1 FLOAT = q(7/10)" in plan
    assert "clip30" in cells("check")["text/html"]


def test_all_errors_of_a_cell_are_shown_where_they_are(cells: Cells) -> None:
    shown = cells("wrong")["text/html"]
    assert "error" not in cells("wrong")
    assert shown.count('<span class="code">error[E0201]</span>') == 2
    assert "<mark>clip_l4</mark>" in shown
    assert "<mark>wdth</mark>" in shown
    assert "a similar name exists: `clip_l14`" in shown
    assert "<script" not in shown


def test_paths_are_those_of_the_notebooks_folder(cells: Cells) -> None:
    assert "keeps <strong>0</strong>" in cells("set")["text/html"]


def test_a_broken_promise_is_an_error(cells: Cells) -> None:
    assert "EXPECT" in cells("promise")["text/html"]
    assert "dcql-error" in cells("promise")["text/html"]


@pytest.mark.parametrize("name", ["help", "nothing", "setting"])
def test_wrong_options_say_what_there_is(cells: Cells, name: str) -> None:
    assert "error" not in cells(name)
    assert "usage: %%dcql" in cells(name)["stdout"]
    assert "--pool" in cells(name)["stdout"]


def test_an_error_that_is_raised_has_no_traceback(cells: Cells) -> None:
    assert cells("raised")["error"].startswith("error[E0701]: no pool `no_such_pool`")
    assert "compiler.py" not in cells("raised")["error"]


def test_subsets_become_frames(cells: Cells) -> None:
    assert cells("frames")["text/plain"] == "['pandas', 'polars']"
