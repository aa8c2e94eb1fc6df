"""Which class answers for which model of the library."""

from collections.abc import Callable, Mapping
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import Any

from dcql.dataclass import dataclass
from dcql.engine.udfs.answers import Model

Loader = Callable[..., Model]


@dataclass(frozen=True)
class Row:
    """The module here and the function in it that load a model, and the options that come with its name."""

    module: str
    function: str
    options: Mapping[str, str] = field(default_factory=dict)


# By the name in stdlib/models.dcql.
LOADERS: dict[str, Row] = {
    "fasttext_lid": Row("language", "load_fasttext_lid"),
    "cld3": Row("language", "load_cld3"),
    "any_synset": Row("words", "load_any_synset"),
    "word_list": Row("words", "load_word_list"),
    "nearest": Row("vectors", "load_nearest"),
    "similarity": Row("vectors", "load_similarity"),
    "knn": Row("vectors", "load_knn"),
    "clip_score": Row("clip", "load_clip_score"),
    "demo_clip_l14": Row("clip", "load_clip_score", {"model": "demo_l14"}),
    "demo_clip_b32": Row("clip", "load_clip_score", {"model": "demo_b32"}),
    "clip_image": Row("clip", "load_clip_image"),
    "clip_text": Row("clip", "load_clip_text"),
    "demo_image_l14": Row("clip", "load_clip_image", {"model": "demo_l14"}),
    "demo_text_l14": Row("clip", "load_clip_text", {"model": "demo_l14"}),
    "open_nsfw": Row("safety", "load_open_nsfw"),
    "in_shards": Row("coverage", "load_in_shards"),
    "as_recorded": Row("coverage", "load_as_recorded"),
}

# Models that run in processes of their own, one for each core: their libraries use one core and hold the interpreter.
IN_PROCESSES = frozenset({"fasttext_lid", "cld3", "any_synset", "word_list"})


# Models that run on a CUDA device where there is one.
ON_DEVICES = frozenset(
    {
        "nearest",
        "similarity",
        "knn",
        "clip_score",
        "clip_image",
        "clip_text",
        "demo_clip_l14",
        "demo_clip_b32",
        "demo_image_l14",
        "demo_text_l14",
    }
)

# The packages that ship weights, and the modules here that know where.
_PACKAGED: dict[str, str] = {
    "lid.176.ftz": "language",
    "wordnet30.parquet": "wordnet",
    "model_l14.npz": "clip",
    "model_b32.npz": "clip",
    "open_nsfw.onnx": "safety",
}


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
    row = LOADERS[name]
    loader: Loader = getattr(import_module(f"dcql.engine.udfs.{row.module}"), row.function)
    return loader(weights=weights, assets=assets, options={**options, **row.options})
