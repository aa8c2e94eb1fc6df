"""Blurred faces: what img2dataset's algorithm gives, written down once more in numpy, and which boxes are used."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dcql.runtime.reshard import Settings, reshard
from dcql.runtime.reshard.blur import blur, boxes_of, identity
from dcql.runtime.shard_reader import ShardReader
from features.tars import sample, uid, write_tar
from small_pools import by_tarfile, make_run

from dcql.errors import DcqlError, RunError

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
ERRORS = Path(__file__).parent / "reshard_errors"
BOXES = [[0.25, 0.25, 0.5, 0.625], [0.7, 0.0, 1.0, 0.2]]


def picture(width: int = 96, height: int = 64, seed: int = 0) -> np.ndarray:
    """Return pixels that are rough everywhere, (height, width, 3) uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


def encoded(pixels: np.ndarray, kind: str = "png", **options: Any) -> bytes:
    """Return an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def decoded(content: bytes) -> np.ndarray:
    """Return the pixels of an image file, as float64."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.float64)


def by_numpy(pixels: np.ndarray, boxes: list[list[float]]) -> np.ndarray:
    """Return what img2dataset's blurrer gives, with a true Gaussian."""
    height, width = pixels.shape[:2]
    mask, longest = np.zeros((height, width)), 0
    for box in boxes:
        x0, y0, x1, y1 = int(box[0] * width), int(box[1] * height), int(box[2] * width), int(box[3] * height)
        side = max(x1 - x0, y1 - y0)
        longest = max(longest, side)
        grown = int(x0 - 0.1 * side), int(y0 - 0.1 * side), int(x1 + 0.1 * side), int(y1 + 0.1 * side)
        left, right = np.clip(grown[0::2], 0, width)
        top, bottom = np.clip(grown[1::2], 0, height)
        mask[top:bottom, left:right] = 1
    sigma = 0.1 * longest
    reach = int(np.ceil(4 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()

    def smooth(plane: np.ndarray) -> np.ndarray:
        for axis in (0, 1):
            wide = np.pad(plane, [(reach, reach) if axis == at else (0, 0) for at in (0, 1)], "edge")
            plane = np.apply_along_axis(lambda line: np.convolve(line, kernel, "valid"), axis, wide)
        return plane

    soft = smooth(mask)[:, :, None]
    blurred = np.stack([smooth(pixels[:, :, at].astype(float)) for at in range(3)], axis=2)
    return pixels * (1 - soft) + blurred * soft


@pytest.mark.parametrize("boxes", [BOXES[:1], BOXES, [[0.0, 0.0, 1.0, 1.0]], [[0.9, 0.9, 0.99, 0.99]]])
def test_it_is_what_img2dataset_does(boxes: list[list[float]]) -> None:
    pixels = picture()
    found = blur(encoded(pixels), boxes_of(boxes) or [])
    assert isinstance(found, bytes)
    assert Image.open(io.BytesIO(found)).format == "WEBP"
    wanted = by_numpy(pixels, boxes)
    # PIL's Gaussian is three boxes; WebP keeps colours at half the resolution.
    reference = decoded(encoded(wanted.round().astype(np.uint8), "webp", quality=100))
    assert np.abs(decoded(found) - reference).mean() < 2.5


def test_what_is_far_from_a_box_stays() -> None:
    pixels = picture(256, 128)
    found = blur(encoded(pixels), [(0.1, 0.1, 0.2, 0.2)])
    plain = decoded(encoded(pixels, "webp", quality=100))
    assert isinstance(found, bytes)
    assert np.array_equal(decoded(found)[:, 128:], plain[:, 128:])
    assert np.abs(decoded(found)[16:24, 28:48] - plain[16:24, 28:48]).mean() > 10


def test_it_is_the_same_each_time() -> None:
    content = encoded(picture(), "jpeg", quality=90)
    assert blur(content, [(0.1, 0.1, 0.9, 0.9)]) == blur(content, [(0.1, 0.1, 0.9, 0.9)])


@pytest.mark.parametrize(
    ("stated", "boxes"),
    [
        ([], []),
        ([[0, 0, 1, 1]], [(0.0, 0.0, 1.0, 1.0)]),
        ([[-0.5, 0.25, 1.5, 2]], [(0.0, 0.25, 1.0, 1.0)]),
        ([[0.1, 0.2, 0.3]], None),
        ([[0.1, 0.2, 0.3, "0.4"]], None),
        ([[0.1, 0.2, 0.3, float("nan")]], None),
        ("[]", None),
        ({}, None),
    ],
)
def test_boxes_are_lists_of_four_numbers(stated: Any, boxes: Any) -> None:
    assert boxes_of(stated) == boxes


# In a reshard.


def with_faces(tmp: Path, faces: dict[int, Any]) -> Path:
    """Write a tar of images of which some .json give boxes, and a run of all; return the run."""
    files: list[tuple[str, bytes]] = []
    for number in range(4):
        described = {"face_bboxes": faces[number]} if number in faces else {}
        _, caption, json_ = sample(f"{number:09d}", number, **described)
        files += [(f"{number:09d}.jpg", encoded(picture(seed=number), "jpeg", quality=95)), caption, json_]
    write_tar(tmp / "tars" / "00000000.tar", files)
    return make_run(tmp / "run", range(4), [1, 2, 1, 1])


def write_boxes(path: Path, faces: dict[int, Any]) -> Path:
    """Write the parquet file of a pool."""
    path.mkdir()
    table = {"uid": [uid(number) for number in faces], "face_bboxes": list(faces.values())}
    schema = pa.schema([("uid", pa.string()), ("face_bboxes", pa.list_(pa.list_(pa.float64())))])
    pq.write_table(pa.table(table, schema=schema), path / "a.parquet")
    return path


def test_faces_are_blurred_and_counted(tmp_path: Path) -> None:
    run = with_faces(tmp_path, {0: [], 1: BOXES, 2: [], 3: BOXES[:1]})
    made = reshard(run, tmp_path / "tars", settings=Settings(blur=True, shard_size=2))
    assert made.blurred == 3
    assert made.policy["blur"] == "apply"
    assert set(identity()) <= set(made.policy)
    reader = ShardReader(made)
    found = {reader.key(at): reader.read(at) for at in range(len(reader))}
    assert {key.partition("-")[0]: one.image_format for key, one in found.items()} == {
        uid(0): "jpg",
        uid(1): "webp",
        uid(2): "jpg",
        uid(3): "webp",
    }
    assert found[f"{uid(1)}-0"].image == found[f"{uid(1)}-1"].image
    original = encoded(picture(seed=1), "jpeg", quality=95)
    assert found[f"{uid(1)}-0"].image == blur(original, boxes_of(BOXES) or [])
    assert {key: files.get("webp", files.get("jpg")) for key, files in by_tarfile(run / "shards")} == {
        key: one.image for key, one in found.items()
    }


def test_without_blurring_images_stay_as_they_are(tmp_path: Path) -> None:
    run = with_faces(tmp_path, {1: BOXES})
    made = reshard(run, tmp_path / "tars", tmp_path / "plain", Settings(shard_size=2))
    assert (made.blurred, made.policy["blur"]) == (0, "none")
    write_boxes(tmp_path / "pool", {number: [] for number in range(4)})
    blurred = reshard(
        run, tmp_path / "tars", tmp_path / "out", Settings(shard_size=2, blur=True, boxes=tmp_path / "pool")
    )
    assert blurred.digest != made.digest


def test_boxes_come_from_the_parquet_files_where_no_json_has_them(tmp_path: Path) -> None:
    run = with_faces(tmp_path, {3: []})
    pool = write_boxes(tmp_path / "pool", {7: BOXES, 2: BOXES[1:], 1: BOXES, 0: [], 3: BOXES})
    made = reshard(run, tmp_path / "tars", settings=Settings(blur=True, boxes=pool, workers=2, shard_size=2))
    reader = ShardReader(made)
    found = {reader.key(at): reader.read(at).image for at in range(len(reader))}
    for number, boxes in ((1, BOXES), (2, BOXES[1:])):
        original = encoded(picture(seed=number), "jpeg", quality=95)
        assert found[f"{uid(number)}-0"] == blur(original, boxes_of(boxes) or [])
    # What a .json says of an image is what holds.
    assert found[f"{uid(3)}-0"] == encoded(picture(seed=3), "jpeg", quality=95)


def test_blurred_bytes_are_equal_for_any_number_of_workers(tmp_path: Path) -> None:
    run = with_faces(tmp_path, dict.fromkeys(range(4), BOXES))
    one = reshard(run, tmp_path / "tars", tmp_path / "one", Settings(blur=True, shard_size=2))
    two = reshard(run, tmp_path / "tars", tmp_path / "two", Settings(blur=True, shard_size=2, workers=2))
    assert one.sha256 == two.sha256


def test_blurred_images_are_not_in_the_tars_that_a_plan_points_into(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="blur"):
        Settings(blur=True, copy=False)


# What goes wrong.


def unknown_faces(tmp: Path) -> None:
    reshard(with_faces(tmp, {0: []}), tmp / "tars", settings=Settings(blur=True))


def unknown_faces_of_one(tmp: Path) -> None:
    pool = write_boxes(tmp / "pool", {0: [], 1: [], 2: None, 3: []})
    reshard(with_faces(tmp, {}), tmp / "tars", settings=Settings(blur=True, boxes=pool))


def no_boxes(tmp: Path) -> None:
    reshard(with_faces(tmp, {0: [[0.1, 0.2, 0.3]]}), tmp / "tars", settings=Settings(blur=True))


def no_column(tmp: Path) -> None:
    (tmp / "pool").mkdir()
    pq.write_table(pa.table({"uid": [uid(0)]}), tmp / "pool" / "a.parquet")
    reshard(with_faces(tmp, {}), tmp / "tars", settings=Settings(blur=True, boxes=tmp / "pool"))


def undecodable(tmp: Path) -> None:
    write_tar(tmp / "tars" / "0.tar", sample("0", 0, face_bboxes=BOXES))
    reshard(make_run(tmp / "run", [0]), tmp / "tars", settings=Settings(blur=True))


CASES: dict[str, Callable[[Path], None]] = {
    "E1014_unknown_faces": unknown_faces,
    "E1014_unknown_faces_of_one": unknown_faces_of_one,
    "E1014_no_boxes": no_boxes,
    "E1014_no_column": no_column,
    "E1015_undecodable": undecodable,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_every_message_of_blurring_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt") if path.stem >= "E1014"} == set(CASES)


def test_an_error_of_a_worker_is_told_as_others_are(tmp_path: Path) -> None:
    run = with_faces(tmp_path, {0: []})
    with pytest.raises(RunError, match=re.escape("E1014")):
        reshard(run, tmp_path / "tars", settings=Settings(blur=True, workers=2, shard_size=1))
    assert json.loads((run / "manifest.json").read_text())
