"""Others read our shards as they are: webdataset, and open_clip's own training."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from dcql.runtime.reshard import Settings, reshard
from dcql.runtime.shard_reader import ShardReader
from features.tars import sample, write_tar
from small_pools import by_tarfile, make_run, make_tars


def test_webdataset_reads_what_we_read(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    make_tars(tmp_path / "tars", 2, 10)
    run = make_run(tmp_path / "run", range(20), [2] + [1] * 19)
    reader = ShardReader(reshard(run, tmp_path / "tars", settings=Settings(shard_size=6)))
    meta = json.loads((run / "shards" / "meta.json").read_text())
    urls = [str(run / "shards" / meta["output_shard_format"].format(at)) for at in range(meta["output_shard_count"])]
    found = [
        (one["__key__"], one["jpg"], one["txt"].decode(), json.loads(one["json"])["uid"])
        for one in wds.WebDataset(urls, shardshuffle=False)
    ]
    ours = [reader.read(at) for at in range(len(reader))]
    assert [one[:3] for one in found] == [(one.key, one.image, one.caption) for one in ours]
    assert [f"{uid}-" == key[:33] for key, _, _, uid in found]
    assert len(found) == 21
    assert by_tarfile(run / "shards")[0][0] == ours[0].key


# open_clip_train's own loop, on a model of a size for tests; torchvision as dcql imports it.
TRAIN = """
import sys
from dcql.torchvision_remedy import apply
apply()
import open_clip
open_clip.add_model_config(sys.argv[1])
from open_clip_train.main import main
main(sys.argv[2:])
"""
MODEL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.mark.slow
def test_open_clip_trains_on_the_shards_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    pytest.importorskip("open_clip_train", reason="open_clip_torch is not installed")
    from PIL import Image

    draw = random.Random(0)
    files: list[tuple[str, bytes]] = []
    for number in range(64):
        picture = tmp_path / "picture.jpg"
        Image.new("RGB", (40, 36), tuple(draw.choices(range(256), k=3))).save(picture)
        _, caption, described = sample(f"{number:09d}", number)
        files += [(f"{number:09d}.jpg", picture.read_bytes()), caption, described]
    write_tar(tmp_path / "tars" / "00000000.tar", files)
    run = make_run(tmp_path / "run", range(64))
    made = reshard(run, tmp_path / "tars", settings=Settings(shard_size=16))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny-for-tests.json").write_text(json.dumps(MODEL))
    arguments = [
        f"--train-data={run / 'shards'}/{{00000000..{len(made.sizes) - 1:08d}}}.tar",
        "--dataset-type=webdataset",
        "--model=tiny-for-tests",
        "--batch-size=16",
        "--epochs=2",
        "--warmup=1",
        "--workers=1",
        "--precision=fp32",
        "--device=cpu",
        "--log-every-n-steps=1",
        f"--logs={tmp_path / 'logs'}",
        "--name=smoke",
    ]
    told = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "models"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    log = (tmp_path / "logs" / "smoke" / "out.log").read_text()
    assert "Train Epoch: 1" in log
    assert "Handling webdataset error" not in log
    assert (tmp_path / "logs" / "smoke" / "checkpoints" / "epoch_2.pt").is_file()
