"""E146x: limits on what a command takes, as `--limits` sets them."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1461",
        title="it took longer than it may",
        meaning=(
            "`--limits time=..` bounds a command by the clock. Its queries, models and Python were stopped, its "
            "processes ended, and nothing is half written. Values of features that were known by then are kept."
        ),
        example="dcql count stranger.dcql --pool small --limits time=0.5",
        instead="dcql count stranger.dcql --pool small --limits time=600",
    ),
    Code(
        code="E1462",
        title="it needs more memory than it may have",
        meaning=(
            "`--limits memory=..` bounds what the process holds, files that it maps aside. DuckDB is given half of it, "
            "or what --memory says; each process of a model has the same bound."
        ),
        example="dcql run stranger.dcql --pool small --limits memory=200MB",
        instead="dcql run stranger.dcql --pool small --limits memory=4GB",
    ),
    Code(
        code="E1463",
        title="it would write more than it may",
        meaning=(
            "`--limits output=..` bounds what a command writes, and it is refused before the first byte. A few lines "
            "of UNION ALL can take each sample two thousand million times, and a subset has 16 bytes for each."
        ),
        example="dcql run stranger.dcql --pool small --out runs/it --limits output=1MB",
        instead="dcql run stranger.dcql --pool small --out runs/it --limits output=1GB",
    ),
    Code(
        code="E1464",
        title="nested deeper than it may",
        meaning=(
            "`--limits nesting=..` bounds how deep queries and expressions lie in each other once every DEFINE is "
            "written out. Without it the bound is 120 levels (E0504)."
        ),
        example="dcql check stranger.dcql --limits nesting=2",
        instead="dcql check stranger.dcql --limits nesting=100",
    ),
    Code(
        code="E1465",
        title="the recipe's files are too large",
        meaning=(
            "A recipe is read before anybody knows what it does, so what it names is bounded: all its sets together "
            "have at most 4 GiB, its assets and code 16 GiB, those of its imports included, each as often as it is "
            "named."
        ),
        example="an ASSET whose file is a hole of a terabyte, which a disk keeps in a few bytes",
        instead="files of the size that they need",
    ),
)
