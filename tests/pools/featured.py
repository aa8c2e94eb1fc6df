"""The adversarial pools with what models need beside them: captions in many scripts, embeddings, centroids, ImageNet.

Inner products are exact in float32 (whole numbers of few bits over powers of two), so that they are the same in every
order of summation, and ties are ties. Where vectors are normalised, as CLIP's are, the best centroid leads by a margin.
"""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import ADVERSARIAL, Pool, base, choices
from .build import Layout, parts, write
from .captions import CAPTIONS, drawn

DIMENSIONS = {"b32_img": 8, "b32_txt": 8, "l14_img": 16, "l14_txt": 16, "dedup": 16}
WIDTH = DIMENSIONS["l14_img"]
MARGIN = 1e-2
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Featured:
    """A pool, its embeddings in row order by their names in an .npz, and its assets by their names in assets.toml."""

    rows: Pool
    embeddings: dict[str, Array]
    assets: dict[str, Array]


def centroids() -> Array:
    """Make (22, 16) float32 centroids of norms far apart.

    Numbers 2i and 2i+1, i < 8, differ only in the sign of the last dimension; the last six repeat others.
    """
    r = np.random.default_rng(5)
    directions = r.integers(-8, 9, (8, WIDTH)) / 32
    directions[:, -1] = 0.125
    scales = np.array([2.0, 2.0, 4.0, 4.0, 2.0, 4.0, 2.0, 4.0])
    pairs = np.repeat(directions * scales[:, None], 2, axis=0)
    pairs[1::2, -1] *= -1
    pairs[[0, 1, 6, 7]] *= 0.5
    return np.concatenate([pairs, pairs[[3, 8, 0, 14, 5, 5]]]).astype(np.float32)


def exact_images(rows: int, seed: int) -> Array:
    """Make (rows, 16) float16 vectors near some centroid; a third have 0 last, and tie between a pair."""
    r = np.random.default_rng(seed)
    directions = centroids()[r.integers(0, 16, rows)]
    largest = np.abs(directions).max(axis=1, keepdims=True) if rows else directions
    vectors = np.round(np.clip(directions / largest * 40 + r.integers(-50, 51, (rows, WIDTH)), -128, 127))
    vectors[r.random(rows) < 0.34, -1] = 0
    return (vectors / 128).astype(np.float16)


def exact_imagenet() -> Array:
    """Make (60, 16) float16 vectors, each near one of pairs 0 to 4: on its first side, for odd pairs on its second."""
    images = exact_images(4000, 77)
    images = images[images[:, -1] != 0]
    near = np.einsum("ik,jk->ij", images.astype(np.float32), centroids()).argmax(axis=1)
    return images[np.isin(near, [0, 3, 4, 7, 8])][:60]


def others(rows: int, seed: int) -> dict[str, Array]:
    """Make the embeddings that no baseline reads: float16, dedup float32 as DataComp's may be."""
    r = np.random.default_rng(seed)
    return {
        name: r.standard_normal((rows, size)).astype(np.float32 if name == "dedup" else np.float16)
        for name, size in DIMENSIONS.items()
        if name != "l14_img"
    }


def featured(pool: Pool, seed: int, *, own_captions: float = 0.4) -> Featured:
    """Give a pool embeddings and assets, and captions to a share of its rows."""
    r = random.Random(seed)
    text = [own if r.random() < own_captions else drawn(r) for own in pool.columns["text"]]
    images = {"l14_img": exact_images(pool.rows, seed)}
    assets = {"centroids_l14": centroids(), "imagenet_l14": exact_imagenet()}
    return Featured(pool.with_columns(text=text), images | others(pool.rows, seed), assets)


def many_scripts() -> Featured:
    """Every caption that there is, on images of which few are too small, with scores right at the thresholds."""
    rows = 3 * len(CAPTIONS)
    next_up = float(np.nextafter(np.float32(0.28), np.float32(1)))
    next_down = float(np.nextafter(np.float32(0.28), np.float32(0)))
    pool = base(rows, 201).with_columns(
        text=CAPTIONS * 3,
        original_width=choices(rows, 202, [200, 300, 400, 600, 601, 199]),
        original_height=choices(rows, 203, [200, 300, 400, 600]),
        clip_b32_similarity_score=choices(rows, 204, [0.28, 0.28, next_up, next_down, 0.3, 0.25, 0.2499]),
    )
    return featured(pool, 205, own_captions=1.0)


def not_a_number_images() -> Featured:
    """Embeddings of which some hold NaN in one place, and some everywhere."""
    made = featured(base(300, 211), 212, own_captions=0.0)
    images = made.embeddings["l14_img"].copy()
    r = np.random.default_rng(213)
    kind = r.random(len(images))
    images[kind < 0.2, 3] = np.nan
    images[kind < 0.1] = np.nan
    return Featured(made.rows, made.embeddings | {"l14_img": images}, made.assets)


def normalised_images() -> Featured:
    """Embeddings of length 1, as CLIP's are, and centroids that are shorter, each by another factor."""
    pool = base(300, 221)
    r = np.random.default_rng(222)
    centres = r.standard_normal((32, WIDTH))
    centres *= (r.uniform(0.5, 0.95, 32) / np.linalg.norm(centres, axis=1))[:, None]
    centres = np.concatenate([centres, centres[[3, 3, 9]]]).astype(np.float32)

    def clear(rows: int, around: int) -> Array:
        """Draw vectors until there are enough whose best centroid is ahead of the best of another value."""
        kept: list[Array] = []
        while len(kept) < rows:
            vector = centres[r.integers(0, around)] + r.standard_normal(WIDTH) * 0.15
            vector = (vector / np.linalg.norm(vector)).astype(np.float16)
            products = np.unique(centres.astype(np.float64) @ vector.astype(np.float64))
            if products[-1] - products[-2] > MARGIN:
                kept.append(vector)
        return np.array(kept)

    made = featured(pool, 223, own_captions=0.2)
    return Featured(
        made.rows,
        made.embeddings | {"l14_img": clear(pool.rows, 32)},
        {"centroids_l14": centres, "imagenet_l14": clear(60, 12)},
    )


FEATURED: dict[str, Callable[[], Featured]] = {
    **{
        name: lambda name=name, seed=seed: featured(ADVERSARIAL[name](), seed)  # type: ignore[misc]
        for seed, name in enumerate(ADVERSARIAL, 101)
    },
    "many_scripts": many_scripts,
    "not_a_number_images": not_a_number_images,
    "normalised_images": normalised_images,
}
# Files of no row and of one among them.
LAYOUTS = {
    "tiny_files": Layout(files=9, empty_file=True),
    "not_a_number": Layout(row_group=7),
    "exact_cut": Layout(files=3, row_group=16, renamed=True),
    "mixed": Layout(files=3, permutation=5, row_group=500, empty_file=True),
    "many_scripts": Layout(files=4, permutation=2, row_group=50),
    "not_a_number_images": Layout(files=5, permutation=3),
}
# Pools without a folder metadata/: their files lie beside assets.toml.
FLAT = {"exact_cut", "null_scores"}


def write_featured(made: Featured, folder: Path, *, layout: Layout | None = None, is_flat: bool = False) -> None:
    """Write parquet files and .npz beside them under metadata/ (or in the folder itself), assets/ and assets.toml."""
    layout = layout or Layout()
    metadata = folder if is_flat else folder / "metadata"
    write(made.rows, metadata, layout=layout)
    for stem, rows in parts(made.rows, layout):
        np.savez(metadata / f"{stem}.npz", **{name: array[rows] for name, array in made.embeddings.items()})
    (folder / "assets").mkdir()
    listed = []
    for name, array in made.assets.items():
        path = folder / "assets" / f"{name}.npy"
        np.save(path, array)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        listed.append(f'[{name}]\nfile = "assets/{path.name}"\nsha256 = "{digest}"\n')
    (folder / "assets.toml").write_text("\n".join(listed), encoding="utf-8")


def write_named(name: str, folder: Path) -> Featured:
    """Write one of the pools above in its own layout."""
    made = FEATURED[name]()
    write_featured(made, folder, layout=LAYOUTS.get(name), is_flat=name in FLAT)
    return made
