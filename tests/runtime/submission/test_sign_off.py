"""`dcql verify --submission`: every hash that follows from metadata and stored features, and who signs it off."""

import os
import re
from pathlib import Path

import pytest
import submissions
from submissions import AUTHOR, ran

from dcql.cli import main
from dcql.errors import RunError, render
from dcql.submission.entry import read_entry
from dcql.submission.pack import pack
from dcql.submission.sign_off import SignOff, Verdict, sign_off

MESSAGES = Path(__file__).parent / "sign_off"
# The hashes of what a submission does not hold: shards and weights.
ELSEWHERE = {"shards", "weights"}


def verdicts(found: SignOff) -> dict[str, Verdict]:
    return {link.name: link.verdict for link in found.links}


def ended(*arguments: str) -> int:
    """Run a command; return its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_an_honest_submission_is_signed_off(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = sign_off(honest)
    assert found.signed == read_entry((honest / "entry.toml").read_text()).digest
    names = ["pool", "recipe", "subset", "shards", "run", "weights", "evaluation", "entry"]
    assert [link.name for link in found.links] == names
    assert verdicts(found) == {name: Verdict.NOT_CHECKED if name in ELSEWHERE else Verdict.OK for name in names}
    assert ended("verify", "--submission", str(honest)) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[-1] == f"signed off: {found.signed}"
    for link in found.links:
        assert re.search(rf"^{link.verdict} +{link.name} +{link.hash}$", told, re.MULTILINE)


def test_hashes_are_those_of_the_documents(honest: Path) -> None:
    found = {link.name: link.hash for link in sign_off(honest).links}
    documents = {name: submissions.read(honest / f"{name}.json") for name in ("manifest", "shards", "run", "weights")}
    assert found["subset"] == documents["manifest"]["hash"]
    assert found["pool"] == documents["manifest"]["pool"]["fingerprint"]
    assert found["shards"] == documents["shards"]["digest"]
    assert found["run"] == documents["run"]["run_hash"]
    assert found["weights"] == documents["weights"]["weights_sha256"]
    assert found["evaluation"] == read_entry((honest / "entry.toml").read_text()).evaluation


def test_what_differs_is_named(honest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = submissions.read(honest / "run.json")
    record["key"]["seed"] = 1
    submissions.write_json(honest / "run.json", record)
    found = sign_off(honest)
    assert found.signed is None
    assert {name for name, verdict in verdicts(found).items() if verdict is Verdict.DIFFERS} == {"run"}
    assert ended("verify", "--submission", str(honest)) == 1
    told = capsys.readouterr().out
    assert "E1312" in told
    assert told.splitlines()[-1] == "not signed off"


def test_a_subset_that_the_recipe_does_not_give(honest: Path) -> None:
    text = (honest / "recipe.dcql").read_text()
    assert "q(0.7)" in text
    (honest / "recipe.dcql").write_text(text.replace("q(0.7)", "q(0.71)"))
    found = sign_off(honest)
    assert found.signed is None
    assert verdicts(found)["recipe"] is Verdict.DIFFERS
    assert verdicts(found)["subset"] is not Verdict.OK
    assert ended("verify", "--submission", str(honest), "--format", "json") == 1


@pytest.fixture(scope="module")
def with_lang(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a submission of english_clip30, whose feature is stored."""
    folder = tmp_path_factory.mktemp("english")
    ran("english_clip30", folder / "run", store)
    submissions.complete(folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(store))
        pack(folder / "run", folder / "packed", AUTHOR)
    return folder / "packed"


def test_no_model_is_called(with_lang: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcql.engine.features.running.Running", lambda *_: pytest.fail("a model was called"))
    found = sign_off(with_lang)
    assert found.signed is not None
    assert verdicts(found)["feature lang"] is Verdict.OK


@pytest.mark.parametrize("name", ["E1451_feature_that_is_not_stored", "E1451_no_pool"])
def test_message(
    name: str, with_lang: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    """Of a pool, or of values of a feature that are not here: nothing differs, and nothing is signed off."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "entry").symlink_to(with_lang)
    home = tmp_path / "home"
    monkeypatch.setenv("DCQL_HOME", str(home))
    if name == "E1451_feature_that_is_not_stored":
        home.mkdir()
        for there in ("demo", "pools", "locks"):
            os.symlink(store / there, home / there)
    else:
        monkeypatch.setattr("dcql.submission.check.DEMO", "no_demo")
    with pytest.raises(RunError) as caught:
        sign_off(Path("entry"))
    drawn = render(caught.value.diagnostics) + "\n"
    if update:
        MESSAGES.mkdir(exist_ok=True)
        (MESSAGES / f"{name}.txt").write_text(drawn, encoding="utf-8", newline="\n")
    assert drawn == (MESSAGES / f"{name}.txt").read_text(encoding="utf-8")
    assert caught.value.exit_code == 1


def test_other_conditions_are_for_recipes(honest: Path) -> None:
    assert ended("verify", "--submission", str(honest), "--perturb") == 2
