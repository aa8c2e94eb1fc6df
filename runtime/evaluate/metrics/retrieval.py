"""Retrieval of captions by image and of images by caption, and WinoGAViL's associations."""

from collections.abc import Iterator

import numpy as np
from dcql.runtime.evaluate.metrics import Metrics
from numpy.typing import NDArray

RECALL_AT = (1, 5, 10)
_BLOCK = 1024  # rows of the matrix of similarities that are there at a time

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def ranks(images: Floats, captions: Floats, owner: Ints) -> tuple[Ints, Ints]:
    """Return the rank of each caption's image among all images, and of each image's best caption among all captions.

    Ranks begin at 0. `images` is (n, d), `captions` (m, d), rows of length 1; `owner` (m,) is the image of each
    caption, and each image has one. Of equal similarities the lower position comes first.
    """
    of_captions = np.empty(len(captions), np.int64)
    for start, similarity in _blocks(captions, images):
        own = owner[start : start + len(similarity)]
        of_captions[start : start + len(similarity)] = _rank(similarity, own)
    of_images = np.full(len(images), len(captions), np.int64)
    order = np.argsort(owner, kind="stable")
    ends = np.searchsorted(owner[order], np.arange(len(images)), "right")
    starts = np.searchsorted(owner[order], np.arange(len(images)), "left")
    for start, similarity in _blocks(images, captions):
        for row, values in enumerate(similarity):
            own = order[starts[start + row] : ends[start + row]]
            # The first of the best: nothing of its own comes before it.
            best = own[np.argmax(values[own])]
            of_images[start + row] = _rank(values[None], np.array([best]))[0]
    return of_captions, of_images


def retrieval(of_captions: Ints, of_images: Ints) -> Metrics:
    """Return the recalls of `ranks`, as clip-benchmark's zeroshot_retrieval does, and their mean at 1.

    Image retrieval is the share of captions whose image is among the first k images; text retrieval the share of
    images of which any caption is among the first k captions.
    """
    metrics: Metrics = {}
    for k in RECALL_AT:
        metrics[f"image_retrieval_recall@{k}"] = float((of_captions < k).mean())
        metrics[f"text_retrieval_recall@{k}"] = float((of_images < k).mean())
    metrics["mean_recall@1"] = (float((of_images < 1).mean()) + float((of_captions < 1).mean())) / 2
    return metrics


def jaccard(similarity: Floats, associated: NDArray[np.bool_]) -> float:
    """Return how well the best candidates of a cue are those that people associate with it: Jaccard's index.

    `similarity` (c,) is of the cue with each candidate, `associated` (c,) what people said. As many of the best are
    taken as there are associations; the index is the size of the intersection by that of the union.
    """
    taken = np.zeros(len(associated), np.bool_)
    taken[np.argsort(-similarity, kind="stable")[: int(associated.sum())]] = True
    return float((taken & associated).sum() / (taken | associated).sum())


def winogavil(scores: NDArray[np.float64], candidates: Ints) -> Metrics:
    """Return the mean of `jaccard` over instances, (n,), and over those with as many candidates, as DataComp does."""
    chosen = {
        "avg_jaccard_score": candidates > 0,
        **{f"jaccard_score_{count}": candidates == count for count in (5, 6, 10, 12)},
        "jaccard_score_5-6": candidates <= 6,
        "jaccard_score_10-12": candidates >= 10,
    }
    return {name: float(scores[which].mean()) if which.any() else None for name, which in chosen.items()}


def cue_prompt(cue: str) -> str:
    """Return the text that a cue is asked by.

    >>> cue_prompt("Iron man")
    'An iron man'
    """
    lowered = cue.lower()
    return f"{'An' if lowered[0] in 'aeiou' else 'A'} {lowered}"


def _rank(similarity: Floats, own: Ints) -> Ints:
    """Return for each row the number of columns that come before its own."""
    value = np.take_along_axis(similarity, own[:, None], axis=1)
    before = np.arange(similarity.shape[1])[None] < own[:, None]
    rank: Ints = ((similarity > value) | ((similarity == value) & before)).sum(axis=1).astype(np.int64)
    return rank


def _blocks(rows: Floats, columns: Floats) -> Iterator[tuple[int, Floats]]:
    for start in range(0, len(rows), _BLOCK):
        yield start, rows[start : start + _BLOCK] @ columns.T
