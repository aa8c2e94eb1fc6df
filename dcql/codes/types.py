"""E03xx: types, constants, and where an order statistic may stand."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E0301",
        title="wrong type",
        meaning=(
            "The types are INT, FLOAT, DOUBLE, TEXT and BOOL. Numbers mix with numbers; nothing else changes its "
            "type, and there is no CAST: a conversion that fails on some rows would drop them unseen."
        ),
        example="SELECT uid FROM pool WHERE width > '200';",
        instead="SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        code="E0302",
        title="wrong number of arguments",
        meaning=(
            "A function or a DEFINE with parameters is called with as many arguments as it has parameters; a DEFINE "
            "without parameters is named without parentheses."
        ),
        example="SELECT uid FROM pool WHERE contains(caption);",
        instead="SELECT uid FROM pool WHERE contains(caption, 'photo');",
    ),
    Code(
        code="E0303",
        title="constant does not fit",
        meaning=(
            "A number takes the type of what it meets, and this one has no value there: too large, or not whole "
            "where an INT is needed. Constants are computed exactly; one that needs thousands of digits is refused "
            "too."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 < 1e39;",
        instead="SELECT uid FROM pool WHERE clip_l14 < 1;",
    ),
    Code(
        code="E0304",
        title="constant where a column belongs",
        meaning="A constant is the same for every sample: it orders nothing, groups nothing and has no quantile.",
        example="SELECT uid FROM pool ORDER BY 1 LIMIT 1000;",
        instead="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000;",
    ),
    Code(
        code="E0305",
        title="not a constant",
        meaning=(
            "The p of q, LIMIT, the bounds of EXPECT and the values of PARAMs are made of literals and PARAMs alone. "
            "They are one value for the whole run, known before the pool is read."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 >= q(clip_b32);",
        instead=("PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);"),
    ),
    Code(
        code="E0306",
        title="pattern that is not written out",
        meaning="A pattern is a text literal, so that it can be checked before the recipe runs and compiled once.",
        example="SELECT uid FROM pool WHERE regexp_matches(caption, url);",
        instead="SELECT uid FROM pool WHERE regexp_matches(caption, '^[A-Z]');",
    ),
    Code(
        code="E0307",
        title="pattern that RE2 does not read",
        meaning="Patterns are RE2's, which runs in linear time: no look-around, no back-references.",
        example="SELECT uid FROM pool WHERE regexp_matches(caption, 'photo(?! of)');",
        instead="SELECT uid FROM pool WHERE contains(caption, 'photo') AND NOT contains(caption, 'photo of');",
    ),
    Code(
        code="E0308",
        title="only uid is in a relation",
        meaning="A stage, a recipe, a SELECT and a .npy file hold uids. Only the column `uid` can be in them.",
        example="SELECT uid FROM pool WHERE text IN (SELECT uid FROM pool WHERE width > 200);",
        instead="SELECT uid FROM pool WHERE uid IN (SELECT uid FROM pool WHERE width > 200);",
    ),
    Code(
        code="E0309",
        title="q where no order statistic can stand",
        meaning=(
            "`q(p)` is one whole side of `= <> < <= > >=`, or a bound of BETWEEN. The other side is the expression "
            "that it ranks; it holds no q itself. Anywhere else a q names its expression, `q(p, expression)`: then it "
            "is a number like any other. Nothing inside of a q holds another one."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 > q(0.7) + 0.01;",
        instead="SELECT uid FROM pool WHERE clip_l14 > q(0.7, clip_l14) + 0.01;",
    ),
    Code(
        code="E0310",
        title="not a uid",
        meaning=(
            "`uid` is compared with text that can be a uid: 32 lower-case hex digits. Any other text equals no "
            "sample's."
        ),
        example="SELECT uid FROM pool WHERE uid = '7F';",
        instead="SELECT uid FROM pool WHERE uid = '0000000000000000000000000000007f';",
    ),
    Code(
        code="E0311",
        title="p that is not between 0 and 1",
        meaning=(
            "`q(p)` is the value that a share p of the samples does not exceed, and a share lies between 0 and 1: "
            "the top 30 percent are those with `x >= q(0.7)`."
        ),
        example="SELECT uid FROM pool WHERE clip_l14 >= q(70);",
        instead="SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        code="E0312",
        title="count or percentage out of range",
        meaning=(
            "A count of samples is a whole number, 0 or more; a percentage lies between 0 and 100; the lower bound "
            "of EXPECT is not above the upper one."
        ),
        example="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 0.3;",
        instead="SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 30 PERCENT;",
    ),
    Code(
        code="E0327",
        title="value of another type for a PARAM",
        meaning=(
            "A PARAM has the type of its default: a number, TEXT or BOOL. What WITH of an IMPORT or `--set` gives it "
            "has the same."
        ),
        example="IMPORT './base.dcql' AS base WITH keep = 'much';\nSELECT uid FROM base;",
        instead="IMPORT './base.dcql' AS base WITH keep = 0.5;\nSELECT uid FROM base;",
    ),
)
