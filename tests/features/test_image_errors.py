"""The messages about images and the models that look at them; a file of errors/ is one, <tmp> for the test's folder."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from features.tars import sample, uid, uids, write_tar

from dcql.codes import CODES
from dcql.engine.shards import index, read
from dcql.engine.udfs.clip import load_clip_score
from dcql.engine.udfs.safety import file_sha256, load_open_nsfw
from dcql.errors import RunError
from dcql.images import decode

ERRORS = Path(__file__).parent / "errors"
Case = Callable[[Path, pytest.MonkeyPatch], None]


def without_pil(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "PIL", None)
    decode(b"")


def without_torch(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "torch", None)
    load_clip_score(weights=None, assets={}, options={"model": "demo_l14"})


def without_onnxruntime(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(sys.modules, "onnxruntime", None)
    load_open_nsfw(weights=None, assets={}, options={})


def no_folder(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    index(tmp / "nowhere", tmp / "store")


def metadata_alone(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    (tmp / "pool" / "metadata").mkdir(parents=True)
    (tmp / "pool" / "shards").mkdir()
    index(tmp / "pool", tmp / "store")


def another_tar(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp / "0.tar", [*sample("000", 1), *sample("001", 2)])
    found = index(tmp, tmp / "store")
    write_tar(path, [*sample("001", 2), *sample("000", 1)])
    list(read(found, uids(uid(1), uid(2))))


def shorter_tar(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp / "0.tar", sample("000", 1))
    found = index(tmp, tmp / "store")
    path.write_bytes(path.read_bytes()[:600])
    list(read(found, uids(uid(1))))


def no_weights(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    file_sha256(tmp / "open_nsfw.onnx")


def unknown_option(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    load_clip_score(weights=None, assets={}, options={"model": "demo_l14", "precision": "fp16"})


CASES: dict[str, Case] = {
    "E0640_clip": without_torch,
    "E0640_images": without_pil,
    "E0640_open_nsfw": without_onnxruntime,
    "E0641_metadata_alone": metadata_alone,
    "E0641_no_folder": no_folder,
    "E0642_another_tar": another_tar,
    "E0642_shorter_tar": shorter_tar,
    "E0643_no_weights": no_weights,
    "E0644_unknown_option": unknown_option,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path, monkeypatch)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")
    assert re.search(r"= help: \S", said)


def test_every_code_about_images_has_a_message() -> None:
    assert {name[:5] for name in CASES} == {code for code in CODES if "E0640" <= code < "E0650"}
    assert set(CASES) <= {path.stem for path in ERRORS.glob("E064*.txt")}
