"""DataComp's seven baselines, sample by sample, by their published rules: a pool's folder in, a subset's file out.

The models are handed in (see models.py). Two rules are ours, for DataComp's code has none. A NULL caption passes no
caption rule: there it is a crash. An embedding that holds NaN belongs to no cluster: there it is cluster 0, because
torch's argmax takes NaN as the largest.
"""

import hashlib
import io
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

UID_PAIR = np.dtype("u8,u8")
LAION_THRESHOLD = 0.28
# What ends a token for fastText: no blank beyond ASCII is among them.
FASTTEXT_BLANKS = b" \t\v\f\r\0\n"


@dataclass(frozen=True)
class Models:
    """The models of the baselines; each language identifier is given one line of text."""

    fasttext: Callable[[str], str]  # text -> "en"
    gcld3: Callable[[str], str]  # text -> "en"
    first_synset: Callable[
        [str], int | None
    ]  # word -> the bare offset of its first synset, whatever its part of speech
    imagenet21k: frozenset[int]  # offsets


@dataclass(frozen=True)
class Sample:
    uid: str
    text: str | None
    width: int | None
    height: int | None
    scores: Mapping[str, np.float32]  # by "l14" and "b32"; NULL is NaN
    image: npt.NDArray[Any] | None  # l14_img, (d,)


@dataclass(frozen=True)
class Opened:
    """A pool as its folder holds it: the samples in file and row order, and the arrays that assets.toml names."""

    samples: list[Sample]
    assets: Mapping[str, npt.NDArray[Any]]


def open_pool(folder: Path) -> Opened:
    """Read metadata/*.parquet (or *.parquet where there is no metadata/), the .npz files beside them, and assets.toml.

    A parquet file without an .npz has samples without embeddings; an .npz of another length or an asset with another
    digest is a ValueError.
    """
    metadata = folder / "metadata" if (folder / "metadata").is_dir() else folder
    samples = [sample for path in sorted(metadata.glob("*.parquet")) for sample in _read(path)]
    return Opened(samples, _assets(folder))


def _read(path: Path) -> list[Sample]:
    rows = pq.read_table(path).to_pylist()
    images: npt.NDArray[Any] | list[None] = [None] * len(rows)
    if path.with_suffix(".npz").exists():
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
            images = arrays["l14_img"]
    return [
        Sample(
            uid=row["uid"],
            text=row["text"],
            width=row["original_width"],
            height=row["original_height"],
            scores={arch: _float32(row[f"clip_{arch}_similarity_score"]) for arch in ("l14", "b32")},
            image=image,
        )
        for row, image in zip(rows, images, strict=True)
    ]


def _float32(value: float | None) -> np.float32:
    return np.float32(math.nan if value is None else value)


def _assets(folder: Path) -> dict[str, npt.NDArray[Any]]:
    listed = folder / "assets.toml"
    if not listed.exists():
        return {}
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, asset in tomllib.loads(listed.read_text(encoding="utf-8")).items():
        content = (folder / asset["file"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != asset["sha256"]:
            raise ValueError(f"{asset['file']} is not the file that assets.toml lists")
        arrays[name] = np.load(io.BytesIO(content), allow_pickle=False)
    return arrays


def npy(kept: list[Sample]) -> bytes:
    """Return the file that DataComp saves: pairs of uint64, sorted; a short uid is one with zeros before it."""
    padded = [sample.uid.zfill(32) for sample in kept]
    pairs = np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in padded], dtype=UID_PAIR)
    pairs.sort()
    out = io.BytesIO()
    np.save(out, pairs)
    return out.getvalue()


# --- captions ---------------------------------------------------------------------------------------------------------


def one_line(text: str) -> str:
    """Say a caption as both language identifiers are given it."""
    return text.replace("\n", " ")


def fasttext_tokens(text: str) -> list[bytes]:
    """Cut a caption as fasttext.tokenize does: at ASCII blanks and NUL, with one more token for every newline."""
    tokens: list[bytes] = []
    word = b""
    for byte in text.encode():
        if byte not in FASTTEXT_BLANKS:
            word += bytes([byte])
            continue
        if word:
            tokens.append(word)
            word = b""
        if byte == ord("\n"):
            tokens.append(b"</s>")
    return [*tokens, word] if word else tokens


def is_english(text: str | None, models: Models) -> bool:
    """Ask fastText for its first label; how sure it is does not matter."""
    return text is not None and models.fasttext(one_line(text)) == "en"


def basic_caption(text: str | None, models: Models) -> bool:
    return text is not None and is_english(text, models) and len(text.split()) > 2 and len(text) > 5


def image_based_caption(text: str | None, models: Models) -> bool:
    return text is not None and is_english(text, models) and len(fasttext_tokens(text)) > 1 and len(text) > 5


def names_a_thing(text: str, models: Models) -> bool:
    """Whether the first synset of some word has the offset of an ImageNet-21k synset, a noun's or not."""
    return any(models.first_synset(word) in models.imagenet21k for word in text.split())


# --- sizes, scores and clusters ---------------------------------------------------------------------------------------


def basic_size(width: int | None, height: int | None) -> bool:
    """Whether the shorter side is >= 200 and the longer at most 3 times that; sides become doubles to be divided."""
    if width is None or height is None:
        return False
    return min(width, height) >= 200 and float(max(width, height)) / float(min(width, height)) <= 3.0


def threshold_of(scores: list[np.float32], fraction: float) -> np.float32:
    """Take the score at 0-based place int(n f) from the top, the product in IEEE double, NaN below all."""
    values = np.array(scores, dtype=np.float32)
    descending = -np.sort(-values)
    return np.float32(descending[int(len(values) * fraction)])


def above(pool: Opened, arch: str, fraction: float | None, threshold: float | None) -> list[Sample]:
    """Keep score >= threshold in float32; a fraction is of the whole pool."""
    if fraction is not None:
        cut = threshold_of([sample.scores[arch] for sample in pool.samples], fraction)
    else:
        assert threshold is not None
        cut = np.float32(threshold)
    return [sample for sample in pool.samples if sample.scores[arch] >= cut]


def cluster(vector: npt.NDArray[Any], centroids: npt.NDArray[Any]) -> int | None:
    """Return the place of the centroid with the largest inner product in float32, the first of equals.

    Neither side is normalised. None where a product is NaN.
    """
    products = np.einsum("k,jk->j", vector.astype(np.float32), centroids.astype(np.float32))
    return None if np.isnan(products).any() else int(np.argmax(products))


def target_clusters(assets: Mapping[str, npt.NDArray[Any]]) -> set[int | None]:
    """Return the clusters that hold an image of ImageNet."""
    return {cluster(vector, assets["centroids_l14"]) for vector in assets["imagenet_l14"]} - {None}


# --- the baselines ----------------------------------------------------------------------------------------------------


def no_filter(pool: Opened) -> bytes:
    return npy(pool.samples)


def basic_filter(pool: Opened, models: Models) -> bytes:
    """Keep an English caption of > 2 words and > 5 characters, the shorter side >= 200, sides at most 3 to 1."""
    return npy(
        [
            sample
            for sample in pool.samples
            if basic_size(sample.width, sample.height) and basic_caption(sample.text, models)
        ]
    )


def clip_score(pool: Opened, arch: str, *, fraction: float | None = None, threshold: float | None = None) -> bytes:
    return npy(above(pool, arch, fraction, threshold))


def laion2b(pool: Opened, models: Models) -> bytes:
    """Keep what gcld3 says is English and CLIP B/32 scores 0.28 or more."""
    passed = above(pool, "b32", None, LAION_THRESHOLD)
    return npy([sample for sample in passed if sample.text is not None and models.gcld3(one_line(sample.text)) == "en"])


def text_based(pool: Opened, models: Models) -> bytes:
    """Keep an English caption with a word that names a thing of ImageNet-21k."""
    return npy(
        [
            sample
            for sample in pool.samples
            if sample.text is not None and is_english(sample.text, models) and names_a_thing(sample.text, models)
        ]
    )


def image_based(pool: Opened, models: Models) -> bytes:
    return npy(_near_imagenet(pool, pool.samples, models))


def image_based_intersect_clip_score(
    pool: Opened, models: Models, arch: str, *, fraction: float | None = None, threshold: float | None = None
) -> bytes:
    return npy(_near_imagenet(pool, above(pool, arch, fraction, threshold), models))


def _near_imagenet(pool: Opened, samples: list[Sample], models: Models) -> list[Sample]:
    targets = target_clusters(pool.assets)
    kept = []
    for sample in samples:
        assert sample.image is not None, "the pool has no embeddings"
        if cluster(sample.image, pool.assets["centroids_l14"]) in targets and image_based_caption(sample.text, models):
            kept.append(sample)
    return kept


# By the name of the recipe that says the same. DataComp-1B is the last baseline on the largest pool.
BASELINES: dict[str, Callable[[Opened, Models], bytes]] = {
    "baselines/no_filter": lambda pool, models: no_filter(pool),
    "baselines/basic_filter": basic_filter,
    "baselines/clip_score_l14_30": lambda pool, models: clip_score(pool, "l14", fraction=0.3),
    "baselines/clip_score_b32_25": lambda pool, models: clip_score(pool, "b32", threshold=0.25),
    "baselines/laion2b": laion2b,
    "baselines/text_based": text_based,
    "baselines/image_based": image_based,
    "baselines/image_based_intersect_clip_score": lambda pool, models: image_based_intersect_clip_score(
        pool, models, "l14", fraction=0.3
    ),
    "datacomp_1b": lambda pool, models: image_based_intersect_clip_score(pool, models, "l14", fraction=0.3),
}
