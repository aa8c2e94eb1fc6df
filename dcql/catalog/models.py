"""Columns and sets that need a model: known by name and type before any model can make them."""

from dataclasses import dataclass

from dcql.catalog.types import Type


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name that a model stands behind, the type of its values, and the model in words."""

    name: str
    type: Type
    model: str


MODEL_COLUMNS: dict[str, ModelName] = {
    row.name: row
    for row in (
        ModelName("lang", Type.TEXT, "language identification over the caption (fastText lid.176)"),
        ModelName("image_cluster", Type.INT, "the nearest of the pool's centroids to the image embedding"),
    )
}

MODEL_SETS: dict[str, ModelName] = {
    row.name: row
    for row in (ModelName("imagenet_centroids", Type.INT, "the centroids nearest to an ImageNet training image"),)
}
