"""E14xx: sweeps over the values of PARAMs."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E1401",
        "not values to sweep over",
        "What `dcql sweep --set` is given is values with commas between them. A range is one of them: where it begins, "
        "where it ends at the latest, and a step above 0, all decimal numbers.",
        "dcql sweep recipe.dcql --set keep=0.1..0.5",
        "dcql sweep recipe.dcql --set keep=0.1..0.5:0.05",
    ),
    Code(
        "E1402",
        "nothing to sweep over",
        "A sweep runs a recipe with several values of its PARAMs and compares what they keep. With one value of each "
        "there is nothing to compare.",
        "dcql sweep recipe.dcql --set keep=0.3",
        "dcql sweep recipe.dcql --set keep=0.3,0.4",
    ),
    Code(
        "E1403",
        "too many variants",
        "Every combination of the values of the PARAMs is a variant, and each pair of them is compared. A sweep takes "
        "64 at most.",
        "dcql sweep recipe.dcql --set keep=0..1:0.001",
        "dcql sweep recipe.dcql --set keep=0..1:0.05",
    ),
)
