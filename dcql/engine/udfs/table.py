"""Which class answers for which model of the library."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from dcql.engine.udfs.answers import Model

Loader = Callable[..., Model]

# The module and the function that load a model, by its name in stdlib/models.dcql.
LOADERS: dict[str, tuple[str, str]] = {
    "fasttext_lid": ("language", "load_fasttext_lid"),
    "cld3": ("language", "load_cld3"),
    "any_synset": ("words", "load_any_synset"),
    "word_list": ("words", "load_word_list"),
    "nearest": ("vectors", "load_nearest"),
    "similarity": ("vectors", "load_similarity"),
    "knn": ("vectors", "load_knn"),
    "clip_score": ("clip", "load_clip_score"),
    "clip_image": ("clip", "load_clip_image"),
    "clip_text": ("clip", "load_clip_text"),
    "open_nsfw": ("safety", "load_open_nsfw"),
}

# Models that run in processes of their own, one for each core: their libraries use one core and hold the interpreter.
IN_PROCESSES = frozenset({"fasttext_lid", "cld3", "any_synset", "word_list"})


# Models that run on a CUDA device where there is one.
ON_DEVICES = frozenset({"nearest", "similarity", "knn", "clip_score", "clip_image", "clip_text"})

# The packages that ship weights, and the modules here that know where.
_PACKAGED: dict[str, str] = {"lid.176.ftz": "language", "wordnet30.parquet": "wordnet"}


def packaged(file: str) -> Path | None:
    """Return a file of weights as an installed package ships it, or None."""
    if file not in _PACKAGED:
        return None
    found: Path | None = import_module(f"dcql.engine.udfs.{_PACKAGED[file]}").packaged_weights(file)
    return found


def load(
    name: str, *, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, bool | int | float | str]
) -> Model:
    """Load a model of the library, ready to answer. Raises RunError where a library or a file is missing."""
    module, function = LOADERS[name]
    loader: Loader = getattr(import_module(f"dcql.engine.udfs.{module}"), function)
    return loader(weights=weights, assets=assets, options=options)
