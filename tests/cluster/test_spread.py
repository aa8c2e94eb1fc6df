"""A run that is spread over files has the result of a run that is not, and keeps what the oracle keeps."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pools
import pytest
from cluster.spreading import Together, kept_in
from conformance import ONE_THREAD, RECIPES, _shared, adversarial, compared, compiled, expected, shared_sessions

from dcql.engine.cluster.run import run_spread
from dcql.engine.run import run

SEVERAL_FILES = "tiny_files"


def differences(name: str, pool: str, folder: Path) -> list[str]:
    ready = adversarial(pool)
    answer = expected(RECIPES[name].read_text(encoding="utf-8"), pool)
    assert not isinstance(answer, str)
    program = compiled(RECIPES[name], ready.raw.schema)
    found: list[str] = []
    for form, opened in ready.opened:
        with shared_sessions(), patch("dcql.engine.cluster.statements.session", _shared):
            cluster = kept_in(folder / form, Together(1))
            spread = run_spread(cluster, program, opened, ONE_THREAD)
            found += [f"{form}: {one}" for one in compared(spread, answer)]
            assert cluster.done > 0
            again = kept_in(folder / form)
            assert run_spread(again, program, opened, ONE_THREAD) == spread
            assert again.done == 0
            here = run(program, opened, ONE_THREAD)
        told: tuple[Any, Any] = (here.stages, here.funnel)
        assert (spread.stages, spread.funnel) == told, form
    return found


@pytest.mark.thinned(2)
@pytest.mark.parametrize("name", [name for number, name in enumerate(RECIPES) if number % 3 == 0 or "join" in name])
def test_recipe(name: str, tmp_path: Path) -> None:
    assert differences(name, SEVERAL_FILES, tmp_path) == []


def test_a_process_in_which_nothing_else_was_done(tmp_path: Path) -> None:
    """What one run imports, the next one finds. This recipe stores a table of few rows, which needs no import."""
    name = "a_column_called_copies"
    code = "from pathlib import Path; from cluster.test_spread import differences\n"
    code += f"print(differences({name!r}, {SEVERAL_FILES!r}, Path({str(tmp_path)!r})))"
    tests = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("pool", pools.ADVERSARIAL)
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_on_every_pool(name: str, pool: str, tmp_path: Path) -> None:
    assert differences(name, pool, tmp_path) == []
