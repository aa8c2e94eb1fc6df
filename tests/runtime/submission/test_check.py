"""`dcql submit check`: what is at hand decides what can be checked, and what was not is said."""

import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import submissions
from dcql.runtime.reshard import Settings, reshard
from rich.console import Console
from submissions import AUTHOR, ran, read, write_json

from dcql.cli import main
from dcql.engine.features.report import Computing
from dcql.errors import render
from dcql.limits import STRANGERS, Limits, held
from dcql.locks.lock_file import read_lock, write_lock
from dcql.submission.check import check_submission
from dcql.submission.pack import pack
from dcql.submission.report import Report, State
from dcql.subset import Subset

LENGTHS = """\
def load(weights, assets, options):
    def answer(texts):
        return [None if text is None else len(text) for text in texts]

    return answer
"""


def state(report: Report, name: str) -> State:
    """Return the state of a check."""
    return next(check.state for check in report.checks if check.name == name)


def test_without_its_pool_nothing_is_recomputed(honest: Path) -> None:
    edited = (honest / "entry.toml").read_text().replace('scale = "demo"', 'scale = "small"')
    (honest / "entry.toml").write_text(edited)
    write_lock(replace(read_lock(honest / "recipe.lock"), pool_name="datacomp"), honest / "recipe.lock")
    report = check_submission(honest)
    assert state(report, "subset") is State.NOT_MADE
    told = next(check.told for check in report.checks if check.name == "subset")
    assert told == "no pool `small` or `datacomp` is at hand: name it by --pool"
    assert not report.passed


def test_who_brings_data_brings_the_pool(honest: Path) -> None:
    entry = honest / "entry.toml"
    text = entry.read_text().replace('track = "filtering"', 'track = "byod"\nsources = ["a crawl"]')
    entry.write_text(text)
    assert check_submission(honest).passed  # over the demo pool all the same
    lock = read_lock(honest / "recipe.lock")
    write_lock(replace(lock, key=replace(lock.key, pool="dcpool1:" + "0" * 64)), honest / "recipe.lock")
    report = check_submission(honest)
    assert state(report, "subset") is State.NOT_MADE
    assert not report.passed


def test_a_recipe_that_does_not_run_has_to_be_declined(honest: Path) -> None:
    report = check_submission(honest, recompute=False)
    assert state(report, "subset") is State.NOT_MADE
    assert report.passed
    assert report.verdict == "incomplete"


def test_own_code_is_not_run_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lengths.py").write_text(LENGTHS)
    digest = hashlib.sha256(LENGTHS.encode()).hexdigest()
    recipe = tmp_path / "mine.dcql"
    recipe.write_text(
        f"MODEL lengths(column TEXT) RETURNS INT VERSION 1 FROM 'lengths.py' SHA256 '{digest}';\n"
        "FEATURE size INT USING lengths(text);\nSELECT uid FROM pool WHERE size > 20;\n"
    )
    assert ended(["run", str(recipe), "--pool", "demo", "--own-code", "--out", str(tmp_path / "run")]) == 0
    submissions.complete(tmp_path / "run")
    pack(tmp_path / "run", tmp_path / "packed", AUTHOR)
    assert (tmp_path / "packed" / "lengths.py").is_file()
    # What it gave is stored here, and nowhere else.
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "elsewhere"))
    report = check_submission(tmp_path / "packed")
    assert state(report, "subset") is State.NOT_MADE
    assert not report.passed
    report = check_submission(tmp_path / "packed", computing=Computing(own_code=True))
    assert state(report, "subset") is State.HOLDS
    assert report.passed


def test_a_recipe_that_takes_too_long_is_not_recomputed(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*given: object) -> None:
        while True:
            pass

    monkeypatch.setattr("dcql.submission.recompute.run_again", endless)
    report = check_submission(honest, limits=Limits(time=0.3))
    assert state(report, "subset") is State.NOT_MADE
    told = next(check.told for check in report.checks if check.name == "subset")
    assert "it took longer than 0.3 seconds" in told
    assert not report.passed


def test_a_recipe_that_nests_too_deep_is_refused(honest: Path) -> None:
    report = check_submission(honest, limits=Limits(nesting=1))
    assert state(report, "recipe") is State.DIFFERS
    assert "more than 1 levels" in render(report.faults)


def test_strangers_are_limited_unless_told_otherwise(honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Limits] = []
    monkeypatch.setattr("dcql.submission.recompute.run_again", lambda *given: seen.append(held()))
    for arguments in ([], ["--limits", "time=7"]):
        ended(["submit", "check", str(honest), *arguments])
    assert seen == [STRANGERS, Limits(time=7)]


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_and_ends_as_the_check_does(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["submit", "check", str(honest)]) == 0
    assert "holds     subset" in capsys.readouterr().out
    (honest / "weights.json").unlink()
    assert ended(["submit", "check", str(honest), "--no-recompute", "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "differs"
    assert told["checks"][0]["differs"][0]["code"] == "E1310"


def test_a_check_fits_a_narrow_terminal(
    honest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(["submit", "check", str(honest)]) == 0
    wide = capsys.readouterr().out
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None, soft_wrap=True, markup=False)
    monkeypatch.setattr("dcql.cli.submit.stdout", lambda: console)
    assert ended(["submit", "check", str(honest)]) == 0
    assert file.getvalue().split() == wide.split()
    assert max(map(len, wide.splitlines())) > 80
    assert max(map(len, file.getvalue().splitlines())) <= 80


def test_submit_packs_without_a_word(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    assert ended(["submit", str(run), "-o", str(out)]) == 0
    assert "to fill in" in capsys.readouterr().out
    more = ["--name", "Mine", "--author", "A", "--track", "byod", "--source", "our crawl", "--created", "2026-01-31"]
    assert ended(["submit", "-o", str(out), *more, str(run), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["to_fill_in"] == []
    assert ended(["submit", "check", str(out)]) == 0


def test_there_is_no_submission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["submit", "check", str(tmp_path / "nothing")]) == 1
    assert "E1310" in capsys.readouterr().err


def ended(arguments: list[str]) -> int:
    """Run a command; return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


# --- shards and weights -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def tars(store: Path) -> Path:
    """Return the demo pool's own tars."""
    from dcql.demo.expand import add_images  # type: ignore[import-not-found]

    add_images(store / "demo")
    return store / "demo" / "shards"


def test_shards_are_those_of_the_pool(store: Path, tars: Path, tmp_path: Path) -> None:
    run = ran("clip30", tmp_path / "run", store)
    submissions.complete(run, shards=reshard(run, tars, tmp_path / "shards", Settings(copy=False)))
    pack(run, tmp_path / "packed", AUTHOR)
    report = check_submission(tmp_path / "packed", shards=str(tars))
    assert report.faults == ()
    assert state(report, "shards digest") is State.HOLDS


def test_edited_captions_are_found(store: Path, tars: Path, tmp_path: Path, update: bool) -> None:
    """One caption of the training data is another one than the pool's; every hash is as it has to be for that."""
    run = ran("clip30", tmp_path / "run", store)
    edited = tmp_path / "edited"
    uid = next(Subset.load(run / "subset.npy").hex())
    edited.mkdir()
    for path in tars.iterdir():
        if path.suffix == ".tar" and uid.encode() in path.read_bytes():
            (edited / path.name).write_bytes(with_caption(path, uid, b"a clean and well described object"))
        else:
            os.link(path, edited / path.name)
    submissions.complete(run, shards=reshard(run, edited, tmp_path / "shards", Settings(copy=False)))
    pack(run, tmp_path / "packed", AUTHOR)
    assert check_submission(tmp_path / "packed").passed  # from the documents alone nobody can tell
    report = check_submission(tmp_path / "packed", shards=str(tars))
    assert state(report, "shards digest") is State.DIFFERS
    drawn = render(report.faults)
    assert "1 of 1 shards hold other images or captions than the pool" in drawn
    assert report.faults[0].code == "E1312"


def with_caption(path: Path, uid: str, caption: bytes) -> bytes:
    """Return a tar with another caption for one sample, where it holds that sample."""
    content = {}
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            content[member.name] = file.read()
    keys = [
        name.rpartition(".")[0] for name, body in content.items() if name.endswith(".json") and uid in body.decode()
    ]
    out = BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, body in content.items():
            changed = caption if name in {f"{key}.txt" for key in keys} else body
            info = tarfile.TarInfo(name)
            info.size = len(changed)
            tar.addfile(info, BytesIO(changed))
    return out.getvalue()


def test_shards_that_are_not_there_are_no_pass(honest: Path, tmp_path: Path) -> None:
    report = check_submission(honest, recompute=False, shards=str(tmp_path / "none"))
    assert state(report, "shards digest") is State.NOT_MADE
    assert not report.passed


def test_weights_are_those_that_were_evaluated(honest: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from dcql.runtime.train import checkpoint

    tensors = {"logit_scale": torch.ones(()), "weight": torch.arange(6.0).reshape(2, 3)}
    run = read(honest / "run.json")["run_hash"]
    checkpoint.save(tmp_path / "weights.safetensors", tensors, {"run_hash": run})
    write_json(honest / "weights.json", {**read(honest / "weights.json"), "weights_sha256": checkpoint.digest(tensors)})
    submissions.reseal(honest)
    report = check_submission(honest, recompute=False, weights=tmp_path / "weights.safetensors")
    assert state(report, "weights digest") is State.HOLDS
    assert report.faults == ()
    tensors["weight"][0, 0] = 1.0
    checkpoint.save(tmp_path / "other.safetensors", tensors, {"run_hash": run})
    report = check_submission(honest, recompute=False, weights=tmp_path / "other.safetensors")
    assert state(report, "weights digest") is State.DIFFERS
    assert "are not the weights of weights.json" in report.faults[0].message
