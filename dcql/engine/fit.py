"""Centroids of embeddings: k-means by faiss, with DataComp's settings, the same bits every time."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.embeddings import to_float32
from dcql.errors import Diagnostic, RunError

EVERY_POINT = 10_000_000  # points a centroid from which faiss would take a sample


def kmeans(arrays: Iterable[NDArray[Any]], k: int, *, niter: int = 20, seed: int = 0) -> NDArray[np.float32]:
    """Return k centroids, (k, d) float32, of the points in `arrays`, each (n_i, d) of float16, float32 or float64.

    Euclidean distance, centroids not normalised, no sampling. The result depends on the order of the points, on k,
    niter and seed, and on the release of faiss, not on the number of threads: faiss runs on one. Other processors may
    differ in the last bits, so that centroids are kept as a file. Raises RunError without faiss, for NaN or infinity
    in a point, and for fewer points than k.
    """
    try:
        import faiss
    except ImportError:
        raise _fault(
            "E0672", "fitting centroids needs faiss", "it is not installed", "pip install 'dcql[fit]'"
        ) from None
    points = _points(arrays)
    if not 1 <= k <= len(points):
        raise _fault(
            "E0670",
            f"{k:,} centroids of {len(points):,} points",
            "each centroid needs a point of its own",
            "ask for fewer centroids or keep more samples",
        )
    clustering = faiss.Clustering(points.shape[1], k)
    clustering.niter, clustering.seed = niter, seed
    clustering.max_points_per_centroid = EVERY_POINT
    clustering.min_points_per_centroid = 1  # less is no error here, and faiss would print a warning
    clustering.spherical = clustering.verbose = False
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        clustering.train(points, faiss.IndexFlatL2(points.shape[1]))
    finally:
        faiss.omp_set_num_threads(threads)
    return np.array(faiss.vector_to_array(clustering.centroids).reshape(k, points.shape[1]), np.float32)


def _points(arrays: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    first = 0
    for array in arrays:
        part = to_float32(array)
        finite = np.isfinite(part).all(1)
        if not finite.all():
            raise _fault(
                "E0671",
                f"point {first + int(np.argmin(finite)):,} holds NaN or infinity",
                "it is at no distance from anything",
                "leave such samples out: their features are NULL",
            )
        if parts and part.shape[1] != parts[0].shape[1]:
            raise _fault(
                "E0671",
                f"points of {parts[0].shape[1]} and {part.shape[1]} values",
                "all points have to be of one width",
                "take the embeddings of one model",
            )
        parts.append(part)
        first += len(part)
    return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)


def _fault(code: str, message: str, label: str, advice: str) -> RunError:
    return RunError(Diagnostic(code, message, None, label, (advice,)))
