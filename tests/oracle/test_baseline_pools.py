"""The pools with features tell each rule of DataComp's baselines from its nearest mistake."""

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pools.featured import FEATURED, MARGIN, Featured, centroids, write_named

from oracle import baselines
from oracle.baselines import BASELINES, Opened, Sample, fasttext_tokens
from oracle.baselines import cluster as right_cluster
from oracle.baselines import is_english as english
from oracle.baselines import threshold_of as right_threshold
from oracle.models import models, wordnet_reader


def kept(npy: bytes) -> int:
    return len(np.load(io.BytesIO(npy)))


@cache
def opened(name: str) -> Opened:
    with TemporaryDirectory() as folder:
        write_named(name, Path(folder))
        return baselines.open_pool(Path(folder))


@cache
def answer(baseline: str, pool: str) -> bytes:
    return BASELINES[baseline](opened(pool), models())


@pytest.mark.parametrize("baseline", BASELINES)
def test_every_baseline_keeps_a_part_of_most_pools(baseline: str) -> None:
    parted = [name for name in FEATURED if 0 < kept(answer(baseline, name)) < len(opened(name).samples)]
    assert len(parted) >= (0 if baseline == "baselines/no_filter" else 10), parted


@pytest.mark.parametrize("name", FEATURED)
def test_the_best_centroid_does_not_depend_on_the_order_of_summation(name: str) -> None:
    pool = opened(name)
    centres = pool.assets["centroids_l14"].astype(np.float32)
    images = [one.image for one in pool.samples if one.image is not None and not np.isnan(one.image).any()]
    for vector in [*images, *pool.assets["imagenet_l14"]]:
        products = vector.astype(np.float64) * centres.astype(np.float64)
        best = np.unique(products.sum(axis=1))[-2:]
        in_any_order = [np.cumsum(products.astype(np.float32)[:, order], axis=1, dtype=np.float32)[:, -1]
                        for order in (slice(None), slice(None, None, -1))]  # fmt: skip
        if name != "normalised_images":
            assert all(np.array_equal(sums, products.sum(axis=1)) for sums in in_any_order)
        else:
            assert best[1] - best[0] > MARGIN
        assert {int(np.argmax(sums)) for sums in in_any_order} == {baselines.cluster(vector, centres)}


def test_files_of_no_row_and_of_one_are_among_them() -> None:
    with TemporaryDirectory() as folder:
        write_named("tiny_files", Path(folder))
        sizes = []
        for path in sorted(Path(folder).glob("metadata/*.npz")):
            with np.load(path, allow_pickle=False) as arrays:
                sizes.append(arrays["l14_img"].shape)
        assert {(0, 16), (1, 16)} == set(sizes)


def test_centroids_repeat_and_differ_in_length() -> None:
    assert len(np.unique(centroids(), axis=0)) == 16
    lengths = np.linalg.norm(centroids(), axis=1)
    assert lengths.max() > 3 * lengths.min()


def nearest(vector: npt.NDArray[Any], centres: npt.NDArray[Any]) -> int | None:
    distances = ((vector.astype(np.float32) - centres) ** 2).sum(axis=1)
    return None if np.isnan(distances).any() else int(np.argmin(distances))


def cosine(vector: npt.NDArray[Any], centres: npt.NDArray[Any]) -> int | None:
    return right_cluster(vector, centres / np.linalg.norm(centres, axis=1, keepdims=True))


def last_of_equals(vector: npt.NDArray[Any], centres: npt.NDArray[Any]) -> int | None:
    found = right_cluster(vector, centres[::-1])
    return None if found is None else len(centres) - 1 - found


def nan_is_cluster_0(vector: npt.NDArray[Any], centres: npt.NDArray[Any]) -> int | None:
    return int(np.argmax(centres @ vector.astype(np.float32)))


def with_strict_comparison(pool: Opened, arch: str, fraction: float | None, threshold: float | None) -> list[Sample]:
    cut = np.float32(threshold or 0)
    if fraction is not None:
        cut = baselines.threshold_of([one.scores[arch] for one in pool.samples], fraction)
    return [one for one in pool.samples if one.scores[arch] > cut]


def of_known_scores(scores: list[np.float32], fraction: float) -> np.float32:
    known = [score for score in scores if not math.isnan(score)]
    return right_threshold(known, fraction) if known else np.float32(math.nan)


# What an implementation may do in place of a rule: the name in baselines.py, and another meaning for it.
MISTAKES: dict[str, tuple[str, Callable[..., Any]]] = {
    "image_based splits as Python does": ("fasttext_tokens", str.split),
    "image_based counts no newlines": ("fasttext_tokens", lambda text: [
        one for one in fasttext_tokens(text) if one != b"</s>"]),
    "basic splits as fastText does": ("basic_caption", lambda text, m: text is not None and english(text, m)
        and len(fasttext_tokens(text)) > 2 and len(text) > 5),
    "basic takes two words": ("basic_caption", lambda text, m: text is not None and english(text, m)
        and len(text.split()) > 1 and len(text) > 5),
    "basic takes five characters": ("basic_caption", lambda text, m: text is not None and english(text, m)
        and len(text.split()) > 2 and len(text) > 4),
    "basic counts bytes": ("basic_caption", lambda text, m: text is not None and english(text, m)
        and len(text.split()) > 2 and len(text.encode()) > 5),
    "image_based counts bytes": ("image_based_caption", lambda text, m: text is not None and english(text, m)
        and len(fasttext_tokens(text)) > 1 and len(text.encode()) > 5),
    "image_based takes five characters": ("image_based_caption", lambda text, m: text is not None and english(text, m)
        and len(fasttext_tokens(text)) > 1 and len(text) > 4),
    "captions in lower case": ("one_line", lambda text: text.replace("\n", " ").lower()),
    "newlines dropped": ("one_line", lambda text: text.replace("\n", "")),
    "only the first line": ("one_line", lambda text: text.partition("\n")[0]),
    "caption cut at NUL": ("one_line", lambda text: text.partition("\0")[0].replace("\n", " ")),
    "words stripped of punctuation": ("names_a_thing", lambda text, m: any(
        m.first_synset(word.strip(".,()\"!")) in m.imagenet21k for word in text.split())),
    "words split at blanks alone": ("names_a_thing", lambda text, m: any(
        m.first_synset(word) in m.imagenet21k for word in text.split(" "))),
    "nouns alone are looked up": ("names_a_thing", lambda text, m: any(
        one.offset() in m.imagenet21k for word in text.split() for one in wordnet_reader().synsets(word, "n")[:1])),
    "the first synset must be a noun": ("names_a_thing", lambda text, m: any(
        one.offset() in m.imagenet21k and one.pos() == "n"
        for word in text.split() for one in wordnet_reader().synsets(word)[:1])),
    "any synset will do": ("names_a_thing", lambda text, m: any(
        one.offset() in m.imagenet21k for word in text.split() for one in wordnet_reader().synsets(word))),
    "words as written, not inflected": ("names_a_thing", lambda text, m: any(
        m.first_synset(word) in m.imagenet21k for word in text.split()
        if wordnet_reader()._lemma_pos_offset_map.get(word.lower()))),
    "words in their own case": ("names_a_thing", lambda text, m: any(
        m.first_synset(word) in m.imagenet21k for word in text.split() if word == word.lower())),
    "endings come off once": ("names_a_thing", lambda text, m: any(
        m.first_synset(word) in m.imagenet21k for word in text.split() if word != "dogss")),
    "the whole caption is a word too": ("names_a_thing", lambda text, m: any(
        m.first_synset(word) in m.imagenet21k for word in [*text.split(), text.replace(" ", "_")])),
    "sides below 3 to 1": ("basic_size", lambda w, h: bool(w and h and min(w, h) >= 200 and max(w, h) / min(w, h) < 3)),
    "sides above 200": ("basic_size", lambda w, h: bool(w and h and min(w, h) > 200 and max(w, h) / min(w, h) <= 3)),
    "whole ratios": ("basic_size", lambda w, h: bool(w and h and min(w, h) >= 200 and max(w, h) // min(w, h) <= 3)),
    "width by height": ("basic_size", lambda w, h: bool(w and h and min(w, h) >= 200 and w / h <= 3)),
    "scores above the threshold": ("above", with_strict_comparison),
    "the fraction is of known scores": ("threshold_of", of_known_scores),
    "a fraction exact": ("threshold_of", lambda scores, f: sorted(scores)[-int(len(scores) * f)]),
    "the nearest centroid": ("cluster", nearest),
    "the centroid with the best cosine": ("cluster", cosine),
    "the last of equal centroids": ("cluster", last_of_equals),
    "NaN is cluster 0": ("cluster", nan_is_cluster_0),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_pools_tell_a_rule_from_its_nearest_mistake(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [name for name in BASELINES if name not in ("baselines/no_filter", "datacomp_1b")]
    right = {(rule, pool): answer(rule, pool) for rule in rules for pool in FEATURED}
    monkeypatch.setattr(baselines, *MISTAKES[mistake])
    assert any(BASELINES[rule](opened(pool), models()) != npy for (rule, pool), npy in right.items())


def test_the_pools_tell_the_identifiers_apart() -> None:
    swapped = replace(models(), fasttext=models().gcld3, gcld3=models().fasttext)
    for rule in ("basic_filter", "laion2b", "text_based", "image_based", "image_based_intersect_clip_score"):
        name = f"baselines/{rule}"
        assert any(BASELINES[name](opened(pool), swapped) != answer(name, pool) for pool in FEATURED), rule


def test_pools_are_the_same_every_time() -> None:
    def digest(made: Featured) -> str:
        arrays = [*made.embeddings.values(), *made.assets.values()]
        return hashlib.sha256(repr(made.rows).encode() + b"".join(array.tobytes() for array in arrays)).hexdigest()

    for name in ("mixed", "many_scripts", "not_a_number_images", "normalised_images"):
        assert digest(FEATURED[name]()) == digest(FEATURED[name]())
