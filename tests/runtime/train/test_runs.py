"""From a run folder over its shards to weights: the same with shards that were copied and without, and by the command.

Needs the extra `runtime`; about ten seconds on one core.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

from dcql.runtime import scales
from dcql.runtime.reshard import Settings as Resharding
from dcql.runtime.reshard import reshard
from dcql.runtime.train.run import train_run
from dcql.runtime.train.settings import Settings
from dcql.runtime.train.weights import load
from features.tars import uid, write_tar
from small_pools import make_run
from training.tiny import TINY, drawn

from dcql.cli import main

COUNT = 60


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two tars of drawn samples."""
    folder = tmp_path_factory.mktemp("pool")
    for tar in range(2):
        members = []
        for number, sample in list(enumerate(drawn(COUNT)))[tar::2]:
            described = json.dumps({"uid": uid(number)})
            members += [
                (f"{number:09d}.png", sample.image),
                (f"{number:09d}.txt", sample.caption.encode()),
                (f"{number:09d}.json", described.encode()),
            ]
        write_tar(folder / f"{tar:08d}.tar", members)
    return folder


@pytest.fixture
def run(tmp_path: Path, pool: Path) -> Path:
    """Return a run of most samples, one of them twice, that is resharded."""
    made = make_run(tmp_path / "run", range(5, COUNT), [1] * 20 + [2] + [1] * 34)
    reshard(made, pool, settings=Resharding(shard_size=20))
    return made


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_copied_or_not_it_is_the_same_training(run: Path, pool: Path, tmp_path: Path) -> None:
    reshard(run, pool, str(tmp_path / "plan"), settings=Resharding(shard_size=20, copy=False))
    assert not list((tmp_path / "plan").glob("*.tar"))
    copied = train_run(run, TINY, Settings.of(TINY))
    planned = train_run(
        run, TINY, Settings.of(TINY, workers=2), shards_folder=str(tmp_path / "plan"), out=tmp_path / "out"
    )
    assert planned.record.run_hash == copied.record.run_hash
    assert planned.summary["weights_sha256"] == copied.summary["weights_sha256"]
    assert copied.folder == run / "train" / "tiny-seed0"


def test_another_shard_size_is_another_run(run: Path, pool: Path, tmp_path: Path) -> None:
    reshard(run, pool, str(tmp_path / "other"), settings=Resharding(shard_size=30))
    one = train_run(run, TINY, Settings.of(TINY))
    two = train_run(run, TINY, Settings.of(TINY), shards_folder=str(tmp_path / "other"), out=tmp_path / "out")
    assert one.record.run_hash != two.record.run_hash


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo scale be the tiny one."""
    monkeypatch.setitem(scales.SCALES, "demo", TINY)


def test_the_command(run: Path, demo: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", str(run), "--scale", "demo", "--seed", "4", "--workers", "0") == 0
    summary: dict[str, Any] = json.loads((run / "train" / "tiny-seed4" / "weights.json").read_text())
    printed = capsys.readouterr().out
    assert summary["run_hash"] in printed
    assert summary["weights_sha256"] in printed
    assert "wrote" in printed
    assert call("train", str(run), "--scale", "demo", "--seed", "4", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["weights_sha256"] == summary["weights_sha256"]
    model, record = load(run / "train" / "tiny-seed4")
    assert record.key["seed"] == 4
    assert not model.module.training


def test_the_command_for_open_clip(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = pytest.importorskip("open_clip_train.params")
    assert call("train", str(run), "--scale", "small", "--print-open-clip-command") == 0
    command = shlex.split(capsys.readouterr().out)
    assert command[:3] == ["python", "-m", "open_clip_train.main"]
    assert params.parse_args(command[3:]).train_data == f"{run}/shards/{{00000000..00000002}}.tar"
    assert not (run / "train").exists()


def test_what_is_wrong_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("train", str(run), "--scale", "dmeo") == 1
    assert "error[E1101]" in capsys.readouterr().err
    assert call("train", str(run), "--scale", "debug", "--device", "cpu") == 1
    assert "error[E1110]" in capsys.readouterr().err
    assert call("train", str(run), "--scale", "demo", "--print-open-clip-command") == 1
    assert "error[E1113]" in capsys.readouterr().err
