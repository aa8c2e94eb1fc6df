"""E06xx: columns and sets that a model makes."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0601",
        title="needs a model",
        meaning=(
            "`lang`, `image_cluster` and `imagenet_centroids` are made by models. A recipe that names them can be "
            "checked, but this version of dcql cannot compute them, so it cannot be run."
        ),
        example="SELECT uid FROM pool WHERE lang = 'en' AND clip_l14 >= q(0.7);",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
)
