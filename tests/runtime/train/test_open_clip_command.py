"""The command for open_clip's own training: it parses, and says what the scale says."""

from dataclasses import replace

import pytest
from dcql.runtime.scales import SCALES
from dcql.runtime.train.open_clip_command import open_clip_command
from dcql.runtime.train.settings import Settings
from training.tiny import shard_set

from dcql.errors import RunError

DATACOMP = [name for name in SCALES if name != "demo"]


@pytest.mark.parametrize("name", DATACOMP)
def test_it_parses_to_what_the_scale_states(name: str) -> None:
    params = pytest.importorskip("open_clip_train.params")
    scale = SCALES[name]
    settings = Settings.of(scale, seed=3, workers=6, accumulate=2)
    found = params.parse_args(open_clip_command(shard_set(), scale, settings, processes=4))
    assert found.model == scale.model.name
    assert found.batch_size * 4 * 2 == scale.batch
    assert (found.accum_freq, found.workers, found.seed) == (2, 6, 3)
    assert found.train_num_samples * found.epochs == scale.samples
    assert (found.lr, found.warmup, found.wd) == (scale.learning_rate, scale.warmup, scale.weight_decay)
    assert (found.beta1, found.beta2, found.eps) == (scale.beta1, scale.beta2, scale.eps)
    assert found.precision == ("amp_bfloat16" if name == "xlarge" else "amp")
    assert found.train_data == "shards/{00000000..00000002}.tar"
    assert found.lr_scheduler == "cosine"
    assert found.opt == "adamw"
    assert all((found.dataset_resampled, found.local_loss, found.gather_with_grad, found.grad_checkpointing))
    assert all((found.ddp_static_graph, found.save_most_recent))
    assert (found.dataset_type, found.resume, found.save_frequency) == ("webdataset", "latest", 0)


def test_what_was_chosen_is_in_it() -> None:
    params = pytest.importorskip("open_clip_train.params")
    scale = SCALES["small"]
    settings = Settings.of(scale, sampling="permute", precision="fp32")
    found = params.parse_args(open_clip_command(shard_set([7]), scale, settings, logs="elsewhere"))
    assert (found.precision, found.dataset_resampled, found.logs) == ("fp32", False, "elsewhere")
    assert found.train_data == "shards/00000000.tar"


def test_what_open_clip_cannot_do_is_refused() -> None:
    small, demo = SCALES["small"], SCALES["demo"]
    with pytest.raises(RunError, match=r"(?s)E1113.*no model `demo`"):
        open_clip_command(shard_set(), demo, Settings.of(demo))
    with pytest.raises(RunError, match=r"(?s)E1113.*not copied"):
        open_clip_command(replace(shard_set(), copied=False), small, Settings.of(small))
    with pytest.raises(RunError, match="E1102"):
        open_clip_command(shard_set(), small, Settings.of(small), processes=3)
