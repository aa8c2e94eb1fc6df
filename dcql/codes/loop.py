"""E15xx: showing samples, watching and starting recipes, and the SQL of other engines."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E1501",
        "no order for samples",
        "`dcql show --order` is given one column of the pool that holds numbers, texts or BOOLs, and after it ASC or "
        "DESC; without either the smallest come first. Samples without a value come last.",
        "dcql show recipe.dcql --order face_bboxes",
        'dcql show recipe.dcql --order "clip_l14 DESC"',
    ),
    Code(
        "E1521",
        "a file that exists already",
        "`dcql new` begins a recipe, and writes over nothing.",
        "dcql new mine.dcql",
        "dcql new another.dcql",
    ),
    Code(
        "E1522",
        "not the name of a recipe's file",
        "Recipes are files whose names end with .dcql: commands, editors and `dcql fmt FOLDER` know them by that.",
        "dcql new mine.sql",
        "dcql new mine.dcql",
    ),
    Code(
        "E1523",
        "a recipe that needs files beside it",
        "A recipe names sets, assets and other recipes by paths from its own folder. `dcql new --from` writes a copy "
        "of the recipe alone, which would not find them elsewhere.",
        "dcql new mine.dcql --from work/base.dcql",
        "dcql new work/mine.dcql --from work/base.dcql",
    ),
    Code(
        "E1541",
        "no SQL for that engine that means the same",
        "`dcql sql --dialect spark` prints what is known to mean the same in Spark, and nothing else. Regular "
        "expressions, the division of FLOATs, whole numbers beyond 64 bits and the columns that models make are "
        "computed otherwise there, or not at all, so that a query with one of them would keep other samples.",
        "dcql sql basic_filter --dialect spark",
        "dcql sql basic_filter",
    ),
)
