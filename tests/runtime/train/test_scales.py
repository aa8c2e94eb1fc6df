"""The scales are DataComp's, number by number, and their models open_clip's."""

import math

import pytest
from dcql.runtime.scales import SCALES, BagOfWords, Vit, model_of, plain, scale_named

from dcql import torchvision_remedy
from dcql.errors import RunError

# DataComp's table of scales and what its training fixes: model, batch, learning rate, samples, warm-up, beta2.
DATACOMP = {
    "debug": ("ViT-B-32", 1024, 1e-4, 128_000, 500, 0.98),
    "small": ("ViT-B-32", 4096, 5e-4, 12_800_000, 500, 0.98),
    "medium": ("ViT-B-32", 4096, 5e-4, 128_000_000, 500, 0.98),
    "large": ("ViT-B-16", 8192, 5e-4, 1_280_000_000, 500, 0.98),
    "xlarge": ("ViT-L-14", 90112, 1e-3, 12_800_000_000, 10_000, 0.95),
}
STEPS = {"debug": 125, "small": 3_125, "medium": 31_250, "large": 156_250, "xlarge": 142_046}


@pytest.mark.parametrize("name", DATACOMP)
def test_a_scale_is_that_of_datacomp(name: str) -> None:
    scale = SCALES[name]
    found = (scale.model.name, scale.batch, scale.learning_rate, scale.samples, scale.warmup, scale.beta2)
    assert found == DATACOMP[name]
    assert (scale.beta1, scale.eps, scale.weight_decay) == (0.9, 1e-6, 0.2)
    assert scale.precision == ("amp_bf16" if name == "xlarge" else "amp")
    assert scale.sampling == "resampled"
    assert scale.steps == STEPS[name]
    assert scale.model.image.size == 224
    assert scale.model.pixels.crop_area == (0.9, 1.0)
    assert scale.model.max_logit_scale == math.log(100)
    assert not scale.model.word_dropout


def test_the_scales_in_their_order() -> None:
    assert list(SCALES) == ["demo", *DATACOMP]


@pytest.mark.parametrize("name", ["ViT-B-32", "ViT-B-16", "ViT-L-14"])
def test_a_model_is_that_of_open_clip(name: str) -> None:
    pytest.importorskip("torch")
    torchvision_remedy.apply()
    open_clip = pytest.importorskip("open_clip")
    from dcql.runtime.clip_model import open_clip_config

    model = next(scale.model for scale in SCALES.values() if scale.model.name == name)
    theirs = open_clip.get_model_config(name)
    ours = open_clip_config(model)
    defaults = {
        "vision_cfg": {"head_width": open_clip.model.CLIPVisionCfg.head_width, "mlp_ratio": 4.0},
        "text_cfg": {},
    }
    assert ours == {
        part: {**defaults[part], **value} if isinstance(value, dict) else value for part, value in theirs.items()
    }
    assert model.pixels.mean == open_clip.OPENAI_DATASET_MEAN
    assert model.pixels.std == open_clip.OPENAI_DATASET_STD


@pytest.mark.parametrize("name", SCALES)
def test_the_schedule_is_that_of_open_clip(name: str) -> None:
    scheduler = pytest.importorskip("open_clip_train.scheduler")
    scale = SCALES[name]

    class Optimizer:
        param_groups = ({},)

    theirs = scheduler.cosine_lr(Optimizer(), scale.learning_rate, scale.warmup, scale.steps)
    middle, last = scale.steps // 2, scale.steps - 1
    steps = {0, 1, min(scale.warmup, last), min(scale.warmup + 1, last), middle, last}
    assert {step: scale.rate(step) for step in steps} == {step: theirs(step) for step in steps}


def test_debug_never_leaves_its_warm_up() -> None:
    debug = SCALES["debug"]
    assert max(debug.rate(step) for step in range(debug.steps)) == pytest.approx(debug.learning_rate / 4)


@pytest.mark.parametrize("name", SCALES)
def test_settings_survive_as_plain_data(name: str) -> None:
    assert model_of(plain(SCALES[name].model)) == SCALES[name].model


@pytest.mark.parametrize("data", [None, [], {"kind": "Scale"}, {"kind": "Vit", "size": 1}, {"kind": "Pixels"}])
def test_other_data_are_no_model(data: object) -> None:
    with pytest.raises(ValueError, match="no settings of a model"):
        model_of(data)


def test_towers_of_two_kinds_do_not_mix() -> None:
    small = SCALES["small"].model
    with pytest.raises(ValueError, match="together"):
        type(small)("x", 8, Vit(8, 4, 1, 64), BagOfWords(1, 2, 3), small.pixels)


def test_a_scale_by_name() -> None:
    assert scale_named("small") is SCALES["small"]
    with pytest.raises(RunError, match="did you mean `medium`"):
        scale_named("mediun")
