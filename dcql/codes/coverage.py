"""E068x: what the shards of a pool hold."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0680",
        title="coverage that was not recorded",
        meaning=(
            "A recipe asks which samples are `available` or `intact`, and nothing says what the shards of the pool "
            "hold. Reading them takes a while, so it is done once, by a command of its own, and recorded."
        ),
        example="SELECT uid FROM pool WHERE available;",
        instead="dcql pool coverage small     # then run the recipe",
    ),
    Code(
        code="E0681",
        title="coverage of other files",
        meaning=(
            "Files of the pool were added or replaced since its coverage was recorded. Of their samples it says "
            "nothing, so a recipe that asks for them is refused."
        ),
        example="dcql pool add small PATH     # with a new file, after `dcql pool coverage small`",
        instead="dcql pool coverage small",
    ),
    Code(
        code="E0682",
        title="recorded coverage that cannot be read",
        meaning=(
            "A file of $DCQL_HOME/coverage was changed, cut off, or written by another version of dcql. It can always "
            "be made again from the shards."
        ),
        example="a file of $DCQL_HOME/coverage that was cut off",
        instead="dcql pool coverage small",
    ),
    Code(
        code="E0683",
        title="coverage of a pool that was not added",
        meaning=(
            "Coverage is recorded row for row, found by the sorted uids that `dcql pool add` makes. A run over the raw "
            "folder of an added pool sees it too."
        ),
        example="dcql pool coverage ./datacomp",
        instead="dcql pool add small ./datacomp\ndcql pool coverage small",
    ),
    Code(
        code="E0684",
        title="shards of another pool",
        meaning=(
            "No sample in the tars has a uid of the pool. The tars of another pool were named, or the .json files "
            "hold other uids. Nothing is recorded then; what was recorded before stays."
        ),
        example="dcql pool coverage small --shards ./other/shards",
        instead="dcql pool coverage small --shards ./small/shards",
    ),
)
