"""Assets that are fitted to samples: which samples, and the fit."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.models import FitAsset
from dcql.catalog.pool import Pool
from dcql.dataclass import dataclass
from dcql.digest import sha256_of
from dcql.engine.embeddings import Embeddings, digest
from dcql.engine.features.columns import RowsOf
from dcql.engine.features.inputs import Inputs, npz_beside


@dataclass(frozen=True)
class Fitting:
    """Fits assets to the samples of a pool; `rows_on` gives the rows of a relation by its name in the plan."""

    pool: Pool
    rows_on: Callable[[str], RowsOf]

    def fit(self, asset: FitAsset) -> NDArray[np.float32]:
        """Return k-means centroids, (k, d). Raises RunError where there are too few samples, or faiss is missing.

        The result depends on the order of the points, so these come by their uids, however the pool lies in files.
        """
        from dcql.engine.fit import kmeans

        options = dict(asset.options)
        each = list(self._each(asset))
        points: list[NDArray[Any]] = []
        if each:
            points = [np.concatenate([vectors for _, vectors in each])[_order([places for places, _ in each])]]
        centroids: NDArray[np.float32] = kmeans(
            points, int(options["k"]), niter=int(options["iterations"]), seed=_seed(asset.seed)
        )
        return centroids

    def fitted_on(self, asset: FitAsset) -> str:
        """Return the digest of what an asset is fitted on: the embeddings, and the rows in each file."""
        rows_of = self.rows_on(asset.on)
        parts: list[list[Any]] = []
        for file in self.pool.files:
            rows = rows_of(file)
            told = "all" if rows is None else hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
            parts.append([digest(npz_beside(file)) if file.rows else "", told])
        return sha256_of(parts)

    def _each(self, asset: FitAsset) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield the ranks of the samples of each file, or in a raw pool their uids, and their vectors."""
        inputs = Inputs(self.pool)
        rows_of = self.rows_on(asset.on)
        for file in self.pool.files:
            if not file.rows:
                continue
            rows = rows_of(file)
            vectors = Embeddings.open(npz_beside(file), asset.embedding, rows=file.rows).rows()
            places = np.load(file.rank) if file.rank is not None else inputs.uids(file)
            yield (places, vectors) if rows is None else (places[rows], vectors[rows])


def _order(parts: list[NDArray[Any]]) -> NDArray[np.int64]:
    """Return what puts samples in the order of their uids, given the ranks or uids of each file's."""
    places = np.concatenate(parts)
    return np.lexsort((places["f1"], places["f0"])) if places.dtype.names else np.argsort(places)


def _seed(text: str) -> int:
    """Return a seed as faiss takes it: a small whole number as it is, other text by its digest."""
    if text.isdecimal() and int(text) < 1 << 31:
        return int(text)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
