"""A pool for recipes with features, and what the oracle is told of it: the answers of models, as columns.

The oracle knows no models. What they say comes from fastText itself and a plain argmax.
"""

import os
import re
from functools import cache
from pathlib import Path

import numpy as np
import pools
from oracle.models import models
from pools.featured import Featured, featured, write_featured

from dcql.catalog.pool import open_pool
from dcql.engine.add import add

from . import Ready, with_library

SEED, ROWS = 2304, 500


@cache
def made() -> Featured:
    return featured(pools.base(ROWS, SEED), SEED)


@cache
def ready_for_models(home: Path) -> Ready:
    """Return the pool as dcql opens it; it is written and added in a store, which $DCQL_HOME must name."""
    assert os.environ["DCQL_HOME"] == str(home)
    folder = home / "written"
    folder.mkdir()
    write_featured(made(), folder)
    return Ready("golden with models", made().rows, open_pool(folder), add("golden", folder))


@cache
def with_answers() -> tuple[pools.Pool, str]:
    """Return the pool with what the models say as columns, and ImageNet's clusters as a list."""

    def nearest(name: str, rows: np.ndarray) -> list[int]:  # type: ignore[type-arg]
        products = rows.astype(np.float32) @ made().assets[name].T
        return [int(row) for row in products.argmax(axis=1)]

    texts = made().rows.columns["text"]
    columns = {
        "known_lang": [None if text is None else models().fasttext(text.replace("\n", " ")) for text in texts],
        "known_cluster": nearest("centroids_l14", made().embeddings["l14_img"]),
    }
    types = {"known_lang": "string", "known_cluster": "int64"}
    occurring = sorted(set(nearest("centroids_l14", made().assets["imagenet_l14"])))
    pool = pools.Pool(made().rows.columns | columns, made().rows.types | types)
    return pool, f"({', '.join(map(str, occurring))})"


def told(text: str) -> tuple[str, pools.Pool]:
    """Return a recipe as the oracle takes it, and its pool."""
    whole = with_library(text)
    if not re.search(r"\b(lang|image_cluster)\b", whole):
        return whole, made().rows
    pool, occurring = with_answers()
    whole = re.sub(r"\blang\b", "known_lang", re.sub(r"\bimage_cluster\b", "known_cluster", whole))
    return re.sub(r"\bimagenet_centroids\b", occurring, whole), pool
