"""E09xx: a bug in dcql."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0901",
        title="internal error",
        meaning=(
            "dcql failed in a way that it does not know: a bug in dcql, not in the recipe. The recipe and the lines "
            "that were printed are what a report needs; it belongs in the issue tracker of the project."
        ),
        example="nothing that a recipe holds should give it",
        instead="a report with the recipe, `dcql --version` and the lines that were printed",
    ),
)
