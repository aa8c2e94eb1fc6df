"""Models are open_clip's to the bit, preprocessing is torchvision's rule, and chance enters by seeds alone."""

import math
import random

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch
from dcql.runtime.clip_model import augment, create, crop_box, prepare
from dcql.runtime.scales import CLIP_VOCABULARY, SCALES
from dcql.runtime.small_model import word_ids
from dcql.runtime.train.state import optimizer_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from training.tiny import TINY, TINY_VIT, WORDS

from dcql import torchvision_remedy

torchvision_remedy.apply()
import open_clip  # noqa: E402
from torchvision.transforms import RandomResizedCrop  # noqa: E402

DEMO, SMALL = SCALES["demo"].model, SCALES["small"].model


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.slow
def test_weights_at_first_are_those_of_open_clip() -> None:
    ours = create(SMALL, 3).module.state_dict()
    torch.manual_seed(3)
    theirs = open_clip.create_model("ViT-B-32").state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("config", [TINY.model, TINY_VIT.model], ids=["small", "vit"])
def test_weights_at_first_are_of_the_seed(config: "object") -> None:
    state = torch.get_rng_state()
    one, same, other = (create(config, seed).module.state_dict() for seed in (1, 1, 2))  # type: ignore[arg-type]
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)


def test_decay_is_divided_as_in_open_clip() -> None:
    module = create(TINY_VIT.model, 0).module

    def excluded(name: str, parameter: torch.nn.Parameter) -> bool:
        named = any(part in name for part in ("bn", "ln", "bias", "logit_scale"))
        return parameter.ndim < 2 or named

    theirs = [parameter for name, parameter in module.named_parameters() if excluded(name, parameter)]
    free, decaying = optimizer_of(module, TINY_VIT).param_groups
    assert {id(parameter) for parameter in free["params"]} == {id(parameter) for parameter in theirs}
    assert (free["weight_decay"], decaying["weight_decay"]) == (0, TINY_VIT.weight_decay)
    assert len(free["params"]) + len(decaying["params"]) == len(list(module.parameters()))


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 2**64 - 1))
def test_a_crop_lies_within_the_image(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = crop_box(width, height, SMALL.pixels, random.Random(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_crops_are_drawn_as_torchvision_draws_them() -> None:
    width, height, count = 320, 240, 4000
    pixels = SMALL.pixels
    ours = np.array([crop_box(width, height, pixels, random.Random(seed)) for seed in range(count)], float)
    image = torch.zeros(3, height, width)
    torch.manual_seed(0)
    drawn = [RandomResizedCrop.get_params(image, list(pixels.crop_area), list(pixels.crop_ratio)) for _ in range(count)]
    theirs = np.array([(left, top, left + w, top + h) for top, left, h, w in drawn], float)
    # Means of 4,000 draws each: their standard errors are below a fifth of a pixel.
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 1.2
    assert np.abs(ours.std(0) - theirs.std(0)).max() < 1.2


def test_a_crop_is_resized_as_torchvision_resizes_it() -> None:
    from torchvision.transforms.functional import InterpolationMode, resized_crop

    image = picture(300, 200)
    left, top, right, bottom = crop_box(300, 200, SMALL.pixels, random.Random(11))
    theirs = resized_crop(image, top, left, bottom - top, right - left, [224, 224], InterpolationMode.BICUBIC)
    ours = augment(prepare(image, SMALL), SMALL, 11)
    assert np.array_equal(ours, np.asarray(theirs).transpose(2, 0, 1))


@pytest.mark.parametrize("config", [DEMO, SMALL], ids=["demo", "small"])
def test_an_image_of_training_is_of_its_seed(config: "object") -> None:
    model = create(TINY.model, 0)
    model = type(model)(config, model.module, model.eval_image, model.tokenize)  # type: ignore[arg-type]
    image = picture(70, 60)
    one, same, other = (model.train_image(image, seed) for seed in (1, 1, 5))
    assert one.shape == (3, model.config.image.size, model.config.image.size)
    assert torch.equal(one, same)
    assert not torch.equal(one, other) or not config.pixels.margin  # type: ignore[attr-defined]


def test_images_of_evaluation() -> None:
    model = create(TINY_VIT.model, 0)
    image = picture(70, 60)
    transform = open_clip.image_transform(16, is_train=False)
    assert torch.equal(model.eval_image(image), transform(image))
    small = create(TINY.model, 0)
    grey = Image.new("RGB", (30, 20), (255, 255, 255))
    assert torch.allclose(small.eval_image(grey), torch.full((3, 8, 8), 2.0))
    assert torch.allclose(small.train_image(grey, 7), small.eval_image(grey))
    assert small.eval_image(Image.new("L", (30, 20), 255)).shape == (3, 8, 8)


def test_captions_are_tokenized_as_open_clip_does() -> None:
    captions = ["a red thing", "Ünïcode, 東京 & emoji 🎈", "", "word " * 100]
    theirs = open_clip.get_tokenizer("ViT-B-32", context_length=8)(captions)
    assert torch.equal(create(TINY_VIT.model, 0).tokenize(captions), theirs)
    assert CLIP_VOCABULARY.startswith("sha256:")


def test_words_of_a_bag() -> None:
    ids = word_ids(WORDS, ["A red, RED thing", "", "one two three four five six seven eight nine"])
    assert ids.shape == (3, 8)
    assert ids[0, 1] == ids[0, 2] != 0
    assert ids[0, 4:].tolist() == [0] * 4
    assert ids[1].tolist() == [0] * 8
    assert (ids[2] > 0).all()
    assert ids.max() < WORDS.table


def test_words_are_left_out_by_their_seed() -> None:
    model = create(TINY.model, 0)
    captions = ["one two three four five six seven eight"] * 2000
    tokens = model.tokenize_for_training(captions, range(2000))
    assert torch.equal(tokens, model.tokenize_for_training(captions, range(2000)))
    left_out = float((tokens == 0).double().mean())
    # 16,000 words: a standard error of .003.
    assert left_out == pytest.approx(TINY.model.word_dropout, abs=0.015)


@settings(max_examples=30)
@given(st.lists(st.text(max_size=20), max_size=5), st.data())
def test_a_caption_means_the_same_in_any_company(captions: list[str], data: st.DataObject) -> None:
    together = word_ids(WORDS, captions)
    for number, caption in enumerate(captions):
        assert np.array_equal(together[number], word_ids(WORDS, [caption])[0])


def test_the_temperature_begins_where_clip_does() -> None:
    assert create(TINY.model, 0).module.logit_scale.item() == pytest.approx(math.log(1 / 0.07))
