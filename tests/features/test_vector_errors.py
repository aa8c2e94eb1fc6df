"""The messages of embeddings, of models on them and of k-means; errors/NAME.txt is one, <tmp> the test's folder."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dcql.engine.embeddings import Embeddings
from dcql.engine.fit import kmeans
from dcql.engine.udfs.vectors import load_knn, load_nearest, load_similarity
from dcql.errors import RunError

ERRORS = Path(__file__).parent / "errors"
ROWS: Any = np.ones((5, 8), "f2")


def written(tmp: Path, **arrays: Any) -> str:
    """Write an .npz and return its path."""
    np.savez(tmp / "0a.npz", **(arrays or {"b32_img": ROWS, "l14_img": ROWS}))
    return str(tmp / "0a.npz")


def cut_off(tmp: Path) -> None:
    path = Path(written(tmp))
    path.write_bytes(path.read_bytes()[:-30])
    Embeddings.open(str(path), "l14_img")


def compressed(tmp: Path) -> None:
    np.savez_compressed(tmp / "0a.npz", l14_img=ROWS)
    Embeddings.open(str(tmp / "0a.npz"), "l14_img")


def nearest(matrix: Any, x: Any = ROWS, **options: int | str) -> None:
    load_nearest(weights=None, assets={"centroids_l14": matrix}, options={"device": "cpu", **options})(x)


def no_assets(tmp: Path) -> None:
    load_nearest(weights=None, assets={}, options={})


def not_finite(tmp: Path) -> None:
    nearest(np.array([[1, np.nan]], "f4"))


def rank(tmp: Path) -> None:
    load_knn(weights=None, assets={"imagenet_l14": ROWS}, options={"k": 6})


def no_cuda(tmp: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda name: None)
        nearest(ROWS, device="cuda")


def no_faiss(tmp: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "faiss", None)
        kmeans([ROWS], 2)


CASES: dict[str, Callable[[Path], object]] = {
    "E0660_no_embeddings": lambda tmp: Embeddings.open(str(tmp / "0a.npz"), "l14_img"),
    "E0661_cut_off": cut_off,
    "E0662_misspelled": lambda tmp: Embeddings.open(written(tmp), "l14_image"),
    "E0662_unlike_any": lambda tmp: Embeddings.open(written(tmp), "clip"),
    "E0663_compressed": compressed,
    "E0663_whole_numbers": lambda tmp: Embeddings.open(written(tmp, l14_img=np.ones((5, 8), "i4")), "l14_img"),
    "E0664_other_rows": lambda tmp: Embeddings.open(written(tmp), "l14_img", rows=6),
    "E0665_no_assets": no_assets,
    "E0665_not_finite": not_finite,
    "E0665_whole_numbers": lambda tmp: nearest(np.ones((5, 8), "i8")),
    "E0666_widths": lambda tmp: nearest(np.ones((5, 4), "f4")),
    "E0666_widths_of_two": lambda tmp: load_similarity(weights=None, assets={}, options={})(ROWS, ROWS[:, :3]),
    "E0667_rank": rank,
    "E0668_misspelled": lambda tmp: nearest(ROWS, device="gpu"),
    "E0668_no_cuda": no_cuda,
    "E0669_option": lambda tmp: nearest(ROWS, k=2),
    "E0670_few_points": lambda tmp: kmeans([ROWS], 6),
    "E0671_nan": lambda tmp: kmeans([ROWS, np.full((1, 8), np.nan)], 2),
    "E0671_widths": lambda tmp: kmeans([ROWS, ROWS[:, :3]], 2),
    "E0672_no_faiss": no_faiss,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    if name[:5] in {"E0670", "E0671"}:
        pytest.importorskip("faiss")
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_case() -> None:
    known = {path.stem for path in ERRORS.glob("*.txt") if "E0660" <= path.stem[:5] <= "E0679"}
    assert known == set(CASES)
