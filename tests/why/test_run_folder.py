"""`dcql why` with a run folder or a lock: what they record decides, and is held to what is computed."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pools
import pytest

from dcql.cli import main
from dcql.engine.add import add
from dcql.run_folder import SUBSET
from dcql.subset import Subset

ERRORS = Path(__file__).parent / "errors"
Dcql = Callable[..., tuple[int, str, str]]


@pytest.fixture
def dcql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dcql:
    """Run `dcql` in a folder with a pool, a recipe, its run with another PARAM and its lock."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    pools.write(pools.base(200, 7), tmp_path / "pool")
    add("small", tmp_path / "pool")
    recipe = "PARAM keep DEFAULT 0.5;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);\n"
    (tmp_path / "half.dcql").write_text(recipe)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        told = capsys.readouterr()
        return int(end.value.code or 0), told.out, told.err

    assert run("run", "half.dcql", "--pool", "small", "--set", "keep=0.1", "--out", "run")[0] == 0
    assert run("lock", "half.dcql", "--pool", "small")[0] == 0
    return run


def middle() -> str:
    """Return a uid that the default of the PARAM keeps, and 0.1 does not."""
    pool = pools.base(200, 7)
    scored = sorted((s, u) for s, u in zip(pool.columns["clip_l14_similarity_score"], pool.columns["uid"], strict=True))
    return str(scored[150][1])


def test_the_pool_and_the_params_are_those_of_the_record(dcql: Dcql) -> None:
    for target, kept in (("run", False), ("half.lock", True), ("half.dcql", True)):
        pool = ["--pool", "small"] if target == "half.dcql" else []
        code, out, err = dcql("why", middle(), target, *pool, "--format", "json")
        assert code == 0, err
        told = json.loads(out)
        assert told["kept"] is kept
        assert told["pool"]["name"] == "small"


def test_a_record_takes_no_params(dcql: Dcql) -> None:
    code, _, err = dcql("why", middle(), "run", "--set", "keep=0.2")
    assert code == 2
    assert "records what its PARAMs were" in err


def test_a_run_folder_of_another_verdict(dcql: Dcql, tmp_path: Path, update: bool) -> None:
    uid = middle()
    words = np.array([(int(uid[:16], 16), int(uid[16:], 16))], "u8,u8")
    Subset.from_uids(words).save(tmp_path / "run" / SUBSET)
    manifest = tmp_path / "run" / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**told, "hash": Subset.from_uids(words).hash}))
    code, _, err = dcql("why", uid, "run")
    assert code == 1
    expected = ERRORS / "E1434_another_verdict.txt"
    if update:
        expected.write_text(err, encoding="utf-8", newline="\n")
    assert err == expected.read_text(encoding="utf-8")
