"""E05xx: limits on size, and lowering to SQL."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0501",
        title="too many terms",
        meaning=(
            "Every DEFINE is written out where it is used, and a few lines of them can stand for millions of terms. "
            "A recipe has at most 50,000 once that is done."
        ),
        example=(
            "DEFINE ten(x) AS x + x + x + x + x + x + x + x + x + x;\n"
            "SELECT uid FROM pool WHERE ten(ten(ten(ten(ten(width))))) > 0;"
        ),
        instead="SELECT uid FROM pool WHERE 100000 * width > 0;",
    ),
    Code(
        code="E0502",
        title="nested too deeply",
        meaning="Expressions inside expressions, once every DEFINE is written out, go at most 240 levels deep.",
        example=(
            "DEFINE four(x) AS -(-(-(-x)));\n"
            "DEFINE sixteen(x) AS four(four(four(four(x))));\n"
            "DEFINE many(x) AS sixteen(sixteen(sixteen(sixteen(x))));\n"
            "SELECT uid FROM pool WHERE many(many(many(width))) > 0;"
        ),
        instead="SELECT uid FROM pool WHERE width > 0;",
    ),
    Code(
        code="E0503",
        title="too many imports",
        meaning=(
            "Imports nest at most 32 deep, and a recipe has at most 200 of them in all, those of its imports included."
        ),
        example="two hundred and one IMPORT statements",
        instead="one recipe that holds what the many of them held",
    ),
    Code(
        code="E0504",
        title="too deep for the engine",
        meaning=(
            "A recipe is written as SQL, and an engine takes SQL that nests only so deep. Once every DEFINE is written "
            "out, 120 levels are allowed; each operand of a sum or a product, each UNION, and each stage FROM "
            "another, is one level. Of statistics (thresholds, LIMIT, DISTINCT ON) that each need the one before, 60 "
            "are allowed in a row."
        ),
        example=(
            "DEFINE ten(x) AS x - 1 - 2 - 3 - 4 - 5 - 6 - 7 - 8 - 9 - 10;\n"
            "DEFINE forty(x) AS ten(ten(ten(ten(x))));\n"
            "SELECT uid FROM pool WHERE forty(forty(forty(forty(width)))) > 0;"
        ),
        instead="SELECT uid FROM pool WHERE width - 880 > 0;",
    ),
)
