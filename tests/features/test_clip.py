"""CLIP on real samples of the demo pool, and open_clip on a tiny model: exact, repeatable, refusing what it cannot do.

Needs the extra `clip`; 10 to 20 seconds on one core, a third of it for importing torch and open_clip.
"""

import hashlib
import io
import itertools
import json
import os
import pickle
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch
from dcql.demo.expand import DATA, FEATURES, expand
from PIL import Image

import dcql
from dcql import torchvision_remedy
from dcql.engine.shards import index, read
from dcql.engine.udfs.answers import Answers
from dcql.engine.udfs.clip import (
    BATCH,
    DEMO_BATCH,
    DEVICE_TOLERANCE,
    NOT_A_NUMBER,
    load_clip_image,
    load_clip_score,
    load_clip_text,
)
from dcql.engine.uids import parse_uids
from dcql.errors import RunError
from dcql.images import NO_IMAGE
from dcql.subset import join_words

SAMPLES = 600  # more than two batches of the demo's models, and not a multiple of one
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@dataclass(frozen=True)
class Samples:
    """Samples of the demo pool: encoded images, captions, the shipped scores and embeddings."""

    images: list[bytes | None]
    texts: Any
    scores: dict[str, Any]
    embeddings: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """The first samples of the demo pool's first file."""
    folder = tmp_path_factory.mktemp("clip")
    pool = expand(folder / "demo")
    path = min((pool / "metadata").glob("*.parquet"))
    table = pq.read_table(path).slice(0, SAMPLES)
    asked = join_words(*parse_uids(table["uid"], file=path.name))
    images = list(itertools.chain(*read(index(pool, folder / "store"), asked)))
    stored = np.load(path.with_suffix(".npz"), allow_pickle=False)
    return Samples(
        images,
        table["text"].combine_chunks(),
        {name: table[f"clip_{name}_similarity_score"].to_numpy() for name in ("b32", "l14")},
        {name: stored[name][:SAMPLES] for name in FEATURES},
    )


def score(options: dict[str, Any], samples: Samples, weights: Path | None = None, order: Any = None) -> Answers:
    """Score samples, those of `order` in its order where one is given."""
    order = np.arange(len(samples.images)) if order is None else np.asarray(order)
    model = load_clip_score(weights=weights, assets={}, options=options)
    return model([samples.images[at] for at in order], samples.texts.take(pa.array(order)))


def matrix(answers: Answers) -> Any:
    """Return the embeddings that a model gave as (n, d) float32."""
    assert pa.types.is_fixed_size_list(answers.values.type)
    return answers.values.flatten().to_numpy().reshape(len(answers.values), -1)


# The demo pool's own models.


@pytest.mark.parametrize("name", ["l14", "b32"])
def test_the_shipped_scores_come_out_again(demo: Samples, name: str) -> None:
    found = score({"model": f"demo_{name}"}, demo)
    assert found.failures == {}
    assert found.values.type == pa.float32()
    shipped = demo.scores[name].astype(np.float16)
    assert len(np.unique(shipped)) > 100
    values = found.values.to_numpy()
    # Stored as float16: one step of it, or of 2^-14 where float16 is finer.
    step = np.maximum(np.spacing(np.abs(shipped)).astype(np.float64), 2.0**-14)
    assert (np.abs(values - shipped.astype(np.float64)) <= step).all()
    assert (values.astype(np.float16) == shipped).mean() > 0.95


@pytest.mark.parametrize("name", ["l14", "b32"])
def test_the_shipped_embeddings_come_out_again(demo: Samples, name: str) -> None:
    options = {"model": f"demo_{name}"}
    seen = matrix(load_clip_image(weights=None, assets={}, options=options)(demo.images))
    written = matrix(load_clip_text(weights=None, assets={}, options=options)(demo.texts))
    assert np.abs(seen - demo.embeddings[f"{name}_img"]).max() < 1e-3
    assert np.abs(written - demo.embeddings[f"{name}_txt"]).max() < 1e-3
    cosines = (seen.astype(np.float64) * written).sum(axis=1)
    assert np.allclose(score(options, demo).values.to_numpy(), cosines, atol=1e-7)


def test_an_answer_does_not_depend_on_the_other_samples(demo: Samples) -> None:
    options = {"model": "demo_l14"}
    whole = score(options, demo).values.to_numpy()
    order = np.random.default_rng(0).permutation(SAMPLES)
    assert np.array_equal(score(options, demo, order=order).values.to_numpy(), whole[order])
    for few in ([0], [SAMPLES - 1], range(DEMO_BATCH - 1, DEMO_BATCH + 2), [5, 5, 5]):
        assert np.array_equal(score(options, demo, order=few).values.to_numpy(), whole[list(few)])


def test_what_is_missing_is_null_and_said(demo: Samples) -> None:
    images = [demo.images[0], None, demo.images[2], b"nonsense", None, demo.images[5]]
    texts = pa.array(["a", "b", None, "d", None, ""], pa.string())
    whole = score({"model": "demo_l14"}, Samples([demo.images[0]], pa.array(["a"]), {}, {})).values[0].as_py()
    model = {"options": {"model": "demo_l14"}, "weights": None, "assets": {}}
    found = load_clip_score(**model)(images, texts)
    assert found.values[0].as_py() == whole
    assert found.values.is_null().to_pylist() == [False, True, True, True, True, False]
    assert found.failures == {1: NO_IMAGE, 3: "neither WebP, JPEG nor PNG", 4: NO_IMAGE}
    assert load_clip_image(**model)(images).values.is_null().to_pylist() == [False, True, False, True, True, False]
    written = load_clip_text(**model)(texts)
    assert written.values.is_null().to_pylist() == [False, False, True, False, True, False]
    assert written.failures == {}


def test_no_samples() -> None:
    model = {"options": {"model": "demo_l14"}, "weights": None, "assets": {}}
    empty = pa.array([], pa.string())
    assert len(load_clip_score(**model)([], empty).values) == 0
    assert load_clip_text(**model)(empty).values.type == pa.list_(pa.float32(), 64)


# open_clip.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A tiny model of open_clip with random weights, made by open_clip's own hand, and its files."""
    try:
        torchvision_remedy.apply()
    except ImportError:
        pytest.skip("torchvision is not installed")
    open_clip = pytest.importorskip("open_clip")
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "dcql-tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms("dcql-tiny")
    state = model.state_dict()
    save_file(state, folder / "tiny.safetensors")
    wrapped = {f"module.{name}": value for name, value in state.items()}
    torch.save({"epoch": 1, "state_dict": wrapped}, folder / "tiny.pt")
    return {"folder": folder, "model": model.eval(), "preprocess": preprocess, "open_clip": open_clip}


OPTIONS = {"model": "dcql-tiny", "device": "cpu"}


@pytest.mark.slow
def test_a_recipe_embeds_by_a_checkpoint_of_its_own(tiny: dict[str, Any], tmp_path: Path) -> None:
    """Image and caption embedded in float16 and multiplied are what the score in float32 says, but for the rounding."""
    weights = shutil.copy(tiny["folder"] / "tiny.safetensors", tmp_path)
    recipe = tmp_path / "recipe.dcql"
    recipe.write_text(f"""
        ASSET mine FROM 'tiny.safetensors' SHA256 '{hashlib.sha256(Path(weights).read_bytes()).hexdigest()}';
        FEATURE my_image EMBEDDING USING clip_image(image, mine, model = 'dcql-tiny');
        FEATURE my_text EMBEDDING USING clip_text(text, mine, model = 'dcql-tiny');
        FEATURE product FIXED(14) USING similarity(my_image, my_text);
        FEATURE score FIXED(14) USING clip_score(image, text, mine, model = 'dcql-tiny');
        SELECT uid FROM pool WHERE clip_l14 >= q(0.99) AND product - score <= 0.002 AND score - product <= 0.002;
    """)
    result = dcql.run(recipe, "demo").result
    assert result.features is not None
    uses = {use.spec.name: use.asked for use in result.features.uses}
    assert list(uses) == ["my_image", "my_text", "product", "score"]
    assert uses["my_image"] > 100
    assert result.subset.distinct == uses["my_image"]


def test_scores_are_those_of_open_clip(demo: Samples, tiny: dict[str, Any]) -> None:
    """The oracle encodes pair by pair, without batches, as open_clip's README does."""
    part = Samples(demo.images[:100], demo.texts[:100], {}, {})
    found = score(OPTIONS, part, tiny["folder"] / "tiny.safetensors").values.to_numpy()
    tokenizer = tiny["open_clip"].get_tokenizer("dcql-tiny")
    expected = []
    with torch.no_grad():
        for image, text in zip(part.images, part.texts.to_pylist(), strict=True):
            seen = tiny["model"].encode_image(tiny["preprocess"](Image.open(io.BytesIO(image or b""))).unsqueeze(0))
            written = tiny["model"].encode_text(tokenizer([text]))
            expected.append(float(torch.nn.functional.cosine_similarity(seen, written)))
    assert np.std(expected) > 1e-3
    assert np.abs(found - expected).max() < 1e-6


def test_both_forms_of_weights_give_the_same_bits(demo: Samples, tiny: dict[str, Any]) -> None:
    part = Samples(demo.images[:70], demo.texts[:70], {}, {})
    first, second = (score(OPTIONS, part, tiny["folder"] / name).values for name in ("tiny.safetensors", "tiny.pt"))
    assert first.equals(second)


def test_an_open_clip_answer_does_not_depend_on_the_other_samples(demo: Samples, tiny: dict[str, Any]) -> None:
    weights = tiny["folder"] / "tiny.safetensors"
    size = BATCH + 6
    part = Samples(demo.images[:size], demo.texts[:size], {}, {})
    whole = score(OPTIONS, part, weights).values.to_numpy()
    order = np.random.default_rng(0).permutation(size)
    assert np.array_equal(score(OPTIONS, part, weights, order).values.to_numpy(), whole[order])
    assert np.array_equal(score(OPTIONS, part, weights, [3]).values.to_numpy(), whole[[3]])


def test_the_preprocessing_of_a_tag(demo: Samples, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from open_clip import factory

    looked_up = []

    def of_a_tag(model: str, tag: str) -> dict[str, Any]:
        looked_up.append((model, tag))
        half = (0.5, 0.5, 0.5)
        return {"url": "unused", "mean": half, "std": half, "resize_mode": "squash", "quick_gelu": True}

    part = Samples(demo.images[:20], demo.texts[:20], {}, {})
    weights = tiny["folder"] / "tiny.safetensors"
    plain = score(OPTIONS, part, weights).values.to_numpy()
    monkeypatch.setattr(tiny["open_clip"], "get_pretrained_cfg", of_a_tag)
    tagged = score({**OPTIONS, "pretrained": "some"}, part, weights).values.to_numpy()
    assert looked_up == [("dcql-tiny", "some")]
    assert np.abs(tagged - plain).max() > 1e-3
    expected, _, squash = factory.create_model_and_transforms(
        "dcql-tiny", force_quick_gelu=True, image_mean=(0.5,) * 3, image_std=(0.5,) * 3, image_resize_mode="squash"
    )
    expected.load_state_dict(tiny["model"].state_dict())
    expected.eval()
    tokenizer = tiny["open_clip"].get_tokenizer("dcql-tiny")
    with torch.no_grad():
        seen = expected.encode_image(squash(Image.open(io.BytesIO(part.images[0] or b""))).unsqueeze(0))
        written = expected.encode_text(tokenizer([part.texts[0].as_py()]))
    assert abs(float(torch.nn.functional.cosine_similarity(seen, written)) - tagged[0]) < 1e-6


def test_weights_that_are_no_numbers_give_null(demo: Samples, tiny: dict[str, Any], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {name: value.clone() for name, value in tiny["model"].state_dict().items()}
    state["visual.proj"].fill_(float("nan"))
    save_file(state, tmp_path / "nan.safetensors")
    found = score(OPTIONS, Samples(demo.images[:2], demo.texts[:2], {}, {}), tmp_path / "nan.safetensors")
    assert found.values.null_count == 2
    assert found.failures == {0: NOT_A_NUMBER, 1: NOT_A_NUMBER}


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_code_in_weights_is_never_run(tiny: dict[str, Any], tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    torch.save({"state_dict": Planted(planted)}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Planted(planted)))
    for name in ("zip.pt", "plain.pt"):
        with pytest.raises(RunError) as caught:
            load_clip_score(weights=tmp_path / name, assets={}, options=OPTIONS)
        assert caught.value.diagnostics[0].code == "E0643"
        assert not planted.exists()


def test_a_torchscript_archive_is_refused(tiny: dict[str, Any], tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "script.pt"))
    with pytest.raises(RunError) as caught:
        load_clip_score(weights=tmp_path / "script.pt", assets={}, options=OPTIONS)
    assert caught.value.diagnostics[0].code == "E0643"


def test_weights_of_another_model_are_refused(tiny: dict[str, Any], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = {name: value.clone() for name, value in tiny["model"].state_dict().items()}
    fewer = {name: value for name, value in state.items() if name != "text_projection"}
    wider = {**state, "text_projection": torch.zeros(32, 20)}
    for wrong in (fewer, wider, {**state, "more": torch.zeros(1)}, {"x": torch.zeros(1)}):
        save_file(wrong, tmp_path / "wrong.safetensors")
        with pytest.raises(RunError) as caught:
            load_clip_score(weights=tmp_path / "wrong.safetensors", assets={}, options=OPTIONS)
        assert caught.value.diagnostics[0].code == "E0643"


@pytest.mark.parametrize("name", ["cut.safetensors", "empty.pt", "absent.safetensors", "weights.npz", None])
def test_weights_that_cannot_be_read(tiny: dict[str, Any], tmp_path: Path, name: str | None) -> None:
    (tmp_path / "cut.safetensors").write_bytes((tiny["folder"] / "tiny.safetensors").read_bytes()[:5000])
    (tmp_path / "empty.pt").touch()
    np.savez(tmp_path / "weights.npz", a=np.zeros(1))
    with pytest.raises(RunError) as caught:
        load_clip_score(weights=tmp_path / name if name else None, assets={}, options=OPTIONS)
    assert caught.value.diagnostics[0].code == "E0643"


def test_the_demo_pools_models_come_from_their_own_files(demo: Samples, tmp_path: Path) -> None:
    given = tmp_path / "model_l14.npz"
    given.write_bytes((DATA / "model_l14.npz").read_bytes())
    options = {"model": "demo_l14"}
    assert score(options, demo, given, [1]).values.equals(score(options, demo, order=[1]).values)
    given.write_bytes(given.read_bytes()[:1000])
    other = tmp_path / "model_b32.npz"
    other.touch()
    for wrong in (given, other, tmp_path / "absent" / "model_l14.npz"):
        with pytest.raises(RunError) as caught:
            load_clip_score(weights=wrong, assets={}, options=options)
        assert caught.value.diagnostics[0].code == "E0643"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "ViT-B32"}, "did you mean 'ViT-B-32'?"),
        ({"model": "demo_l15"}, "did you mean 'demo_l14'?"),
        ({}, "name a model of"),
        ({"model": "hf-hub:laion/CLIP-ViT-B-32"}, "no such architecture"),
        ({"model": "ViT-B-16-SigLIP"}, "would be downloaded"),
        ({"model": "xlm-roberta-base-ViT-B-32"}, "would be downloaded"),
        ({"model": "ViT-B-32", "pretrained": "opanai"}, "openai"),
        ({"model": "demo_l14", "device": "gpu"}, "no such device"),
        ({"model": "demo_l14", "device": "cuda:99"}, "finds no such device"),
        ({"model": "demo_l14", "batch": 5}, "there is no such option"),
    ],
)
def test_options_that_no_model_has(tiny: dict[str, Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(RunError) as caught:
        load_clip_text(weights=None, assets={}, options=options)
    assert caught.value.diagnostics[0].code == "E0644"
    assert said in str(caught.value)


def test_nothing_is_downloaded(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    with pytest.raises(RunError) as caught:
        load_clip_score(weights=None, assets={}, options={"model": "RN50", "pretrained": "openai"})
    assert caught.value.diagnostics[0].code == "E0643"
    load_clip_score(weights=tiny["folder"] / "tiny.pt", assets={}, options=OPTIONS)


def test_settings_of_torch_are_left_as_they_were(demo: Samples) -> None:
    def settings() -> tuple[object, ...]:
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
        )

    before = settings()
    torch.set_float32_matmul_precision("medium")
    try:
        changed = settings()
        found = score({"model": "demo_l14"}, demo, order=[0])
        assert settings() == changed
    finally:
        torch.set_float32_matmul_precision(before[1])
    assert settings() == before
    assert found.values.equals(score({"model": "demo_l14"}, demo, order=[0]).values)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["demo_l14", "demo_b32", "dcql-tiny"])
def test_devices_agree(demo: Samples, tiny: dict[str, Any], name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    weights = tiny["folder"] / "tiny.safetensors" if name == "dcql-tiny" else None
    on_cpu, on_cuda, again = (
        score({"model": name, "device": device}, demo, weights).values.to_numpy() for device in ("cpu", "cuda", "cuda")
    )
    assert np.abs(on_cpu - on_cuda).max() <= DEVICE_TOLERANCE
    assert np.array_equal(on_cuda, again)
