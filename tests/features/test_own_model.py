"""A user's own model, from its file to the subset: trust, answers, failures, and what it does to its process."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pools
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD
from features.own import OwnModel, own_model, recipe_file
from pools.featured import featured, write_featured

import dcql
from dcql.catalog.features import stored_features
from dcql.catalog.pool import open_pool
from dcql.engine.add import add
from dcql.engine.features import files
from dcql.engine.features.report import Computing, Use
from dcql.engine.run import Result
from dcql.errors import DcqlError, RecipeError, RunError

ROWS = 100
ONE_WORKER = Computing(own_code=True, workers=1)
# Most tests know each caption: "0" to "99".
CAPTIONS = [str(number) for number in range(ROWS)]
SCORE = """
def load(weights, assets, options):
    def answer(captions):
        return [one(caption) for caption in captions]

    return answer


def one(caption):
"""


@pytest.fixture
def pool(tmp_path: Path) -> str:
    rows = pools.base(ROWS, 3).with_columns(text=CAPTIONS)
    pools.write(rows, tmp_path / "pool", layout=pools.Layout(files=2, renamed=True))
    return add("small", tmp_path / "pool").name


def scoring(folder: Path, body: str, returns: str = "INT") -> OwnModel:
    """Write a model; `body` is Python that returns the answer for `caption`."""
    indented = "".join(f"    {line}\n" for line in body.splitlines())
    return own_model(folder, "mark_of", SCORE + indented, "caption TEXT", returns)


def run(
    model: OwnModel, pool: str | Path, *, output: str = "INT", where: str = "mark IS NULL", call: str = "text",
    computing: Computing = ONE_WORKER,
) -> Result:  # fmt: skip
    text = f"{model.statement}FEATURE mark {output} USING mark_of({call});\nSELECT uid FROM pool WHERE {where};"
    path = recipe_file(model.path.parent, text)
    return dcql.run(path, pool, resources=ONE_THREAD, computing=computing).result


def use(result: Result) -> Use:
    assert result.features is not None
    (one,) = result.features.uses
    return one


def code_of(error: pytest.ExceptionInfo[DcqlError]) -> str:
    return error.value.diagnostics[0].code


def many(share: str) -> Computing:
    return Computing(own_code=True, workers=1, max_failures=Fraction(share))


# --- trust ------------------------------------------------------------------------------------------------------------


def test_it_runs_where_it_is_allowed(pool: str, tmp_path: Path) -> None:
    result = run(scoring(tmp_path, "return int(caption) ** 2"), pool, where="mark >= 2500")
    assert result.subset.distinct == 50
    assert (use(result).asked, use(result).computed, use(result).failed) == (100, 100, 0)


def test_it_does_not_run_unless_it_is_allowed(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "open(__file__ + '.ran', 'w')\nreturn 1")
    with pytest.raises(RunError) as caught:
        run(model, pool, computing=Computing())
    assert code_of(caught) == "E0604"
    assert list(tmp_path.glob("*.ran")) == []
    run(model, pool)
    assert len(list(tmp_path.glob("*.ran"))) == 1


def test_what_is_stored_is_read_without_running_it(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "return int(caption)")
    first = run(model, pool, where="mark < 20")
    assert run(model, pool, where="mark < 20", computing=Computing()).subset.hash == first.subset.hash


def test_another_file_than_the_recipe_names(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "return 1")
    model.path.write_text(model.path.read_text() + "\n")
    with pytest.raises(RecipeError) as caught:
        run(model, pool)
    assert code_of(caught) == "E0210"


def test_a_file_that_changes_after_it_was_checked(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "return 1")
    text = f"{model.statement}FEATURE mark INT USING mark_of(text);\nSELECT uid FROM pool WHERE mark = 1;"
    opened = open_pool(pool)
    compiled = dcql.compile(recipe_file(tmp_path, text), opened.schema)
    model.path.write_text(model.path.read_text() + "\nopen(__file__ + '.ran', 'w')\n")
    with pytest.raises(RunError) as caught:
        dcql.compiler.run_compiled(compiled, opened, computing=ONE_WORKER)
    assert code_of(caught) == "E0609"
    assert list(tmp_path.glob("*.ran")) == []


def test_changed_code_is_another_feature(pool: str, tmp_path: Path) -> None:
    one = run(scoring(tmp_path, "return 1"), pool, where="mark = 1")
    other = run(scoring(tmp_path, "return  1"), pool, where="mark = 1")
    assert use(one).id != use(other).id
    assert use(other).computed == ROWS
    assert one.subset.hash == other.subset.hash


# --- loading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def answer(captions): return captions\n", "it has no function `load`"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def load(:\n", "SyntaxError"),
        ("def load(): pass\n", "TypeError"),
        ("def load(weights, assets, options): raise OSError('no such model')\n", "OSError: no such model"),
    ],
)
def test_a_file_that_cannot_be_loaded(code: str, said: str, pool: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run(own_model(tmp_path, "mark_of", code, "caption TEXT", "INT"), pool)
    assert code_of(caught) == "E0611"
    assert said in str(caught.value)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_one_sample_on_which_it_raises(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "if caption == '42':\n    raise ValueError('the answer')\nreturn int(caption)")
    result = run(model, pool)
    assert result.subset.distinct == 1
    assert (use(result).failed, use(result).reasons) == (1, {"ValueError: the answer": 1})
    (stored,) = stored_features()
    reasons = [pq.read_table(stored.versions(key)[-1]).column("failure").to_pylist() for key in stored.keys()]  # noqa: SIM118
    assert [text for each in reasons for text in each if text is not None] == ["ValueError: the answer"]


def test_too_many_samples_on_which_it_raises(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "return int(caption) if int(caption) % 20 else 1 // 0")
    with pytest.raises(RunError) as caught:
        run(model, pool)
    assert code_of(caught) == "E0612"
    assert "`mark` failed on 5 of 100 samples" in str(caught.value)
    assert "5 times ZeroDivisionError: integer division or modulo by zero" in str(caught.value)
    with pytest.raises(RunError):
        run(model, pool, computing=many("1/21"))
    result = run(model, pool, computing=many("1/20"))
    assert result.subset.distinct == 5
    assert use(result).computed == 0  # what was computed is kept
    assert use(result).failed == 5


WRONG = {
    "text for a number": ("return caption", "INT", "TypeError: str '0' is no INT"),
    "a fraction for a whole number": ("return 0.5", "INT", "TypeError: float 0.5 is no INT"),
    "TRUE for a number": ("return True", "INT", "TypeError: bool True is no INT"),
    "a number for text": ("return 7", "TEXT", "TypeError: int 7 is no TEXT"),
    "a number for TRUE": ("return 1", "BOOL", "TypeError: int 1 is no BOOL"),
    "text for a number on a grid": ("return '0.5'", "FLOAT", "TypeError: str '0.5' is no FLOAT"),
    "a list": ("return [1]", "INT", "TypeError: list [1] is no INT"),
    "half a character": ("return '\\ud800'", "TEXT", "UnicodeEncodeError"),
    "beyond 64 bits": ("return 2 ** 63", "INT", "OverflowError"),
}


@pytest.mark.thinned(3)
@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_of_another_type_is_a_failure(wrong: str, pool: str, tmp_path: Path) -> None:
    body, returns, said = WRONG[wrong]
    model = scoring(tmp_path, f"if caption != '0':\n    return None\n{body}", returns)
    output = "FIXED(14)" if returns == "FLOAT" else returns
    result = run(model, pool, output=output)
    assert result.subset.distinct == ROWS
    ((reason, count),) = use(result).reasons.items()
    assert (reason[: len(said)], count) == (said, 1)


@pytest.mark.parametrize("given", ["captions[1:]", "captions + captions", "[]", "None", "7"])
def test_another_number_of_answers_is_a_failure_of_all(given: str, pool: str, tmp_path: Path) -> None:
    code = f"def load(weights, assets, options):\n    return lambda captions: {given}\n"
    with pytest.raises(RunError) as caught:
        run(own_model(tmp_path, "mark_of", code, "caption TEXT", "TEXT"), pool, output="TEXT")
    assert code_of(caught) == "E0612"
    assert "failed on 100 of 100" in str(caught.value)


def test_none_and_not_a_number_are_null_and_no_failure(pool: str, tmp_path: Path) -> None:
    body = "return {'0': None, '1': float('nan'), '2': NAN}.get(caption, 0.25)"
    model = scoring(tmp_path, f"import numpy\nNAN = numpy.float32('nan')\n{body}", "FLOAT")
    result = run(model, pool, output="FIXED(14)")
    assert result.subset.distinct == 3
    assert use(result).failed == 0


def test_numbers_of_numpy_are_numbers(pool: str, tmp_path: Path) -> None:
    body = "import numpy\nreturn numpy.int32(caption)"
    assert run(scoring(tmp_path, body), pool, where="mark < 10").subset.distinct == 10


def test_an_array_of_numpy_is_a_list_of_answers(pool: str, tmp_path: Path) -> None:
    code = "import numpy\ndef load(weights, assets, options):\n"
    code += "    return lambda captions: numpy.array([int(c) for c in captions]) % 10\n"
    model = own_model(tmp_path, "mark_of", code, "caption TEXT", "INT")
    assert run(model, pool, where="mark = 3").subset.distinct == 10


def test_a_null_caption_is_none(tmp_path: Path) -> None:
    rows = pools.base(ROWS, 3).with_columns(text=[None, *CAPTIONS[1:]])
    pools.write(rows, tmp_path / "nulls")
    model = scoring(tmp_path, "return -1 if caption is None else int(caption)")
    assert run(model, tmp_path / "nulls", where="mark = -1").subset.distinct == 1


# --- the grid ---------------------------------------------------------------------------------------------------------


def test_halves_go_to_even(pool: str, tmp_path: Path) -> None:
    """Caption n is the number (n - 50) / 2 in steps of 2^-14."""
    result = run(
        scoring(tmp_path, "return (int(caption) - 50) / 2 * 2.0 ** -14", "FLOAT"),
        pool,
        output="FIXED(14)",
        where="mark >= 0",
    )
    (stored,) = stored_features()
    steps = [pq.read_table(stored.versions(key)[-1]).column("value") for key in stored.keys()]  # noqa: SIM118
    assert {str(each.type) for each in steps} == {"int16"}
    found = sorted(step for each in steps for step in each.to_pylist())
    # By hand: n / 2, and a half to the even one of its neighbours.
    exact = [(n // 2) if n % 2 == 0 else (n // 2) + (n // 2) % 2 for n in range(-50, 50)]
    assert found == sorted(exact)
    assert result.subset.distinct == sum(step >= 0 for step in exact)


@pytest.mark.thinned(3)
@pytest.mark.parametrize(
    ("output", "number", "fits"),
    [
        ("FIXED(14)", "-2.0", True),
        ("FIXED(14)", "2.0 - 2.0 ** -14", True),
        ("FIXED(14)", "2.0 - 2.0 ** -15", False),  # rounds to 2
        ("FIXED(14)", "2.0 - 2.0 ** -15 - 2.0 ** -30", True),
        ("FIXED(14)", "-2.0 - 2.0 ** -15", True),  # rounds to -2
        ("FIXED(14)", "-2.0001", False),
        ("FIXED(14)", "float('inf')", False),
        ("FIXED(0)", "2.0 ** 31 - 1", True),
        ("FIXED(0)", "2.0 ** 31", False),
        ("FIXED(0)", "-2.0 ** 31", True),
        ("FIXED(30)", "-2.0", True),
        ("FIXED(30)", "2.0", False),
    ],
)
def test_what_fits_a_grid(output: str, number: str, fits: bool, pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, f"return {number} if caption == '77' else 0.0", "FLOAT")
    if fits:
        assert run(model, pool, output=output, where="mark <> 0").subset.distinct == 1
        return
    with pytest.raises(RunError) as caught:
        run(model, pool, output=output)
    assert code_of(caught) == "E0606"
    (stored,) = stored_features()
    assert all(not files.read_values(stored.versions(key)[-1], 50).known[27] for key in stored.keys()[1:])


def test_recipes_read_a_number_on_a_grid_exactly(pool: str, tmp_path: Path) -> None:
    model = scoring(tmp_path, "return int(caption) / 100", "FLOAT")
    # 0.28 lies between steps: the nearest one is a little more.
    step = round(0.28 * 2**14) / 2**14
    assert step > 0.28
    assert run(model, pool, output="FIXED(14)", where=f"mark = {step}").subset.distinct == 1
    assert run(model, pool, output="FIXED(14)", where="mark > 0.28").subset.distinct == 72
    # 20 bits are read as DOUBLE.
    fine = round(0.3 * 2**20) / 2**20
    assert run(model, pool, output="FIXED(20)", where=f"mark = {fine!r}").subset.distinct == 1


# --- what it does to its process --------------------------------------------------------------------------------------


def test_what_it_prints_does_not_come_between(pool: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = "import os, sys\nprint('x' * 10_000)\nsys.stdout.flush()\nos.write(1, b'raw')\nreturn int(caption)"
    result = run(scoring(tmp_path, body), pool, where="mark >= 50")
    assert result.subset.distinct == 50
    out, error = capfd.readouterr()
    assert out == ""
    assert "raw" in error


def test_what_it_reads_from_standard_input_is_nothing(pool: str, tmp_path: Path) -> None:
    body = "import os, sys\nreturn len(sys.stdin.read()) + len(os.read(0, 100))"
    assert run(scoring(tmp_path, body), pool, where="mark = 0").subset.distinct == ROWS


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os; os._exit(7)", "it ended with status 7"),
        ("import sys; sys.exit(3)", "it ended with status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it was ended by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
    ],
)
def test_a_process_that_ends(body: str, said: str, pool: str, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run(scoring(tmp_path, f"{body}\nreturn 1"), pool)
    assert code_of(caught) == "E0610"
    assert caught.value.diagnostics[0].label == said


def test_it_cannot_change_the_process_that_asks(pool: str, tmp_path: Path) -> None:
    body = "import os\nos.environ['DCQL_HOME'] = '/nowhere'\nos.chdir('/')\nreturn 1"
    before = os.getcwd(), os.environ["DCQL_HOME"]
    run(scoring(tmp_path, body), pool)
    assert (os.getcwd(), os.environ["DCQL_HOME"]) == before


# --- what it is given -------------------------------------------------------------------------------------------------


def test_options_and_their_defaults(pool: str, tmp_path: Path) -> None:
    code = "def load(weights, assets, options):\n"
    code += "    assert weights is None and assets == {}\n"
    code += "    return lambda captions: [f\"{options['n']!r} {options['name']} {options['on']}\" for c in captions]\n"
    parameters = "caption TEXT, n INT DEFAULT 3, name TEXT DEFAULT 'x', on BOOL DEFAULT TRUE"
    model = own_model(tmp_path, "mark_of", code, parameters, "TEXT")
    for call, said in [
        ("text", "3 x True"),
        ("text, 5", "5 x True"),
        ("text, on = FALSE, n = 1 + 1", "2 x False"),
    ]:
        result = run(model, pool, output="TEXT", call=call, where=f"mark = '{said}'")
        assert result.subset.distinct == ROWS, said


def test_numbers_and_booleans_of_the_pool(pool: str, tmp_path: Path) -> None:
    code = "def load(weights, assets, options):\n"
    code += "    def one(width, mark, safe):\n"
    code += "        return None if safe is None else bool(safe and width > 300 and (mark or 0) > 0)\n"
    code += "    return lambda *columns: [one(*row) for row in zip(*columns)]\n"
    parameters = "width INT, mark DOUBLE, safe BOOL"
    model = own_model(tmp_path, "mark_of", code, parameters, "BOOL")
    call = "original_width, score, safe"
    ours = run(model, pool, output="BOOL", call=call, where="mark")
    rows = pools.base(ROWS, 3).columns
    wanted = {
        uid
        for uid, width, mark, safe in zip(
            *(rows[name] for name in ("uid", "original_width", "score", "safe")), strict=True
        )
        if safe and width > 300 and (mark or 0) > 0
    }
    assert set(ours.subset.hex()) == wanted
    assert wanted


def test_not_a_number_in_a_column_is_none(tmp_path: Path) -> None:
    rows = pools.base(3, 3).with_columns(clip_l14_similarity_score=[float("nan"), -0.0, None])
    pools.write(rows, tmp_path / "odd", layout=pools.Layout(files=1))
    code = "def load(weights, assets, options):\n    return lambda scores: [repr(score) for score in scores]\n"
    model = own_model(tmp_path, "mark_of", code, "score FLOAT", "TEXT")
    for said, kept in {"None": rows.columns["uid"][::2], "0.0": rows.columns["uid"][1:2]}.items():
        result = run(model, tmp_path / "odd", output="TEXT", call="clip_l14", where=f"mark = '{said}'")
        assert sorted(result.subset.hex()) == sorted(kept)


def test_assets_and_embeddings(tmp_path: Path) -> None:
    made = featured(pools.base(ROWS, 3), 12)
    write_featured(made, tmp_path / "pool", layout=pools.Layout(files=3, renamed=True))
    code = "import numpy\ndef load(weights, assets, options):\n"
    code += "    centres = assets['centres'].astype('f4')\n"
    code += "    def answer(vectors):\n"
    code += "        assert vectors.dtype == numpy.float16 and vectors.shape[1] == 16, vectors.dtype\n"
    code += "        return (vectors.astype('f4') @ centres.T).argmax(1)\n"
    code += "    return answer\n"
    model = own_model(tmp_path, "mark_of", code, "vectors EMBEDDING, centres ASSET", "INT")
    result = run(model, tmp_path / "pool", call="l14_img, centroids_l14", where="mark = 4")
    products = made.embeddings["l14_img"].astype("f4") @ made.assets["centroids_l14"].T
    wanted = {made.rows.columns["uid"][row] for row in np.flatnonzero(products.argmax(1) == 4)}
    assert set(result.subset.hex()) == wanted
    assert wanted
    assert result.features is not None
    assert set(result.features.assets) == {"centroids_l14"}


def test_weights_of_its_own(pool: str, tmp_path: Path, home: Path) -> None:
    code = "def load(weights, assets, options):\n"
    code += "    limit = int(weights.read_text())\n"
    code += "    return lambda captions: [int(caption) < limit for caption in captions]\n"
    digest = "c75cb66ae28d8ebc6eded002c28a8ba0d06d3a78c6b5cbf9b2ade051f0775ac4"  # of "69"
    extra = f"\n    WEIGHTS 'limit.txt' SHA256 '{digest}'"
    model = own_model(tmp_path, "mark_of", code, "caption TEXT", "BOOL", extra)
    with pytest.raises(RunError) as caught:
        run(model, pool, output="BOOL", where="mark")
    assert code_of(caught) == "E0613"
    (home / "weights").mkdir(parents=True)
    (home / "weights" / "limit.txt").write_text("70")
    with pytest.raises(RunError) as caught:
        run(model, pool, output="BOOL", where="mark")
    assert code_of(caught) == "E0609"
    (home / "weights" / "limit.txt").write_text("69")
    result = run(model, pool, output="BOOL", where="mark")
    assert result.subset.distinct == 69
    assert use(result).weights == "limit.txt"
