"""E05xx: limits on size, and lowering to SQL."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E0501",
        "too many terms",
        "Every DEFINE is written out where it is used, and a few lines of them can stand for millions of terms. A recipe "
        "has at most 50,000 once that is done.",
        "DEFINE ten(x) AS x + x + x + x + x + x + x + x + x + x;\n"
        "DEFINE hundred(x) AS ten(x) + ten(x) + ten(x) + ten(x) + ten(x) + ten(x) + ten(x) + ten(x) + ten(x) + ten(x);\n"
        "DEFINE thousand(x) AS hundred(x) + hundred(x) + hundred(x) + hundred(x) + hundred(x)\n"
        "    + hundred(x) + hundred(x) + hundred(x) + hundred(x) + hundred(x);\n"
        "SELECT uid FROM pool WHERE thousand(width) + thousand(height) + thousand(clip_l14) + thousand(clip_b32)\n"
        "    + thousand(width) + thousand(height) + thousand(clip_l14) + thousand(clip_b32)\n"
        "    + thousand(width) + thousand(height) + thousand(clip_l14) + thousand(clip_b32) > 0;",
        "SELECT uid FROM pool WHERE 3000 * width + 3000 * height + 3000 * clip_l14 + 3000 * clip_b32 > 0;",
    ),
    Code(
        "E0502",
        "nested too deeply",
        "Expressions inside expressions, once every DEFINE is written out, go at most 240 levels deep.",
        "DEFINE a(x) AS abs(abs(abs(abs(abs(abs(abs(abs(abs(abs(x))))))))));\n"
        "DEFINE b(x) AS a(x);\n"
        "SELECT uid FROM pool WHERE a(1) > 0;",
        "SELECT uid FROM pool WHERE abs(width) > 0;",
    ),
    Code(
        "E0503",
        "too many imports",
        "Imports nest at most 32 deep, and a recipe has at most 200 of them in all, those of its imports included.",
        "two hundred and one IMPORT statements",
        "one recipe that holds what the many of them held",
    ),
    Code(
        "E0504",
        "no SQL form",
        "The plan has a part that cannot be written as SQL for the engine, or that is larger than the engine takes.",
        "a WHERE whose parts nest deeper than the engine's own limit",
        "the same recipe in two stages: WITH part AS (SELECT uid FROM pool WHERE ..) SELECT uid FROM part WHERE ..",
    ),
)
