"""Assets that are fitted to samples: which samples, and the fit."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.models import FitAsset
from dcql.catalog.pool import Pool
from dcql.digest import sha256_of
from dcql.engine.embeddings import Embeddings, digest
from dcql.engine.features.columns import RowsOf
from dcql.engine.features.inputs import npz_beside


@dataclass(frozen=True)
class Fitting:
    """Fits assets to the samples of a pool; `rows_on` gives the rows of a relation by its name in the plan."""

    pool: Pool
    rows_on: Callable[[str], RowsOf]

    def fit(self, asset: FitAsset) -> NDArray[np.float32]:
        """Return k-means centroids, (k, d). Raises RunError where there are too few samples, or faiss is missing."""
        from dcql.engine.fit import kmeans

        options = dict(asset.options)
        centroids: NDArray[np.float32] = kmeans(
            list(self._each(asset)), int(options["k"]), niter=int(options["iterations"]), seed=_seed(asset.seed)
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

    def _each(self, asset: FitAsset) -> Iterator[NDArray[Any]]:
        rows_of = self.rows_on(asset.on)
        for file in self.pool.files:
            if not file.rows:
                continue
            rows = rows_of(file)
            vectors = Embeddings.open(npz_beside(file), asset.embedding, rows=file.rows).rows()
            yield vectors if rows is None else vectors[rows]


def _seed(text: str) -> int:
    """Return a seed as faiss takes it: a small whole number as it is, other text by its digest."""
    if text.isdecimal() and int(text) < 1 << 31:
        return int(text)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
