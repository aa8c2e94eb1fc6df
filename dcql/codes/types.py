"""E03xx: types, constants, and where an order statistic may stand."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        "E0301",
        "wrong type",
        "The types are INT, FLOAT, DOUBLE, TEXT and BOOL. Numbers mix with numbers; nothing else changes its type, and "
        "there is no CAST: a conversion that fails on some rows would drop them unseen.",
        "SELECT uid FROM pool WHERE width > '200';",
        "SELECT uid FROM pool WHERE width > 200;",
    ),
    Code(
        "E0302",
        "wrong number of arguments",
        "A function or a DEFINE with parameters is called with as many arguments as it has parameters; a DEFINE without "
        "parameters is named without parentheses.",
        "SELECT uid FROM pool WHERE contains(caption);",
        "SELECT uid FROM pool WHERE contains(caption, 'photo');",
    ),
    Code(
        "E0303",
        "constant does not fit",
        "A number takes the type of what it meets, and this one has no value there: too large, or not whole where an INT "
        "is needed. Constants are computed exactly; one that needs thousands of digits is refused too.",
        "SELECT uid FROM pool WHERE clip_l14 < 1e39;",
        "SELECT uid FROM pool WHERE clip_l14 < 1;",
    ),
    Code(
        "E0304",
        "constant where a column belongs",
        "A constant is the same for every sample: it orders nothing, groups nothing and has no quantile.",
        "SELECT uid FROM pool ORDER BY 1 LIMIT 1000;",
        "SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 1000;",
    ),
    Code(
        "E0305",
        "not a constant",
        "The p of q, LIMIT, the bounds of EXPECT and the values of PARAMs are made of literals and PARAMs alone. They "
        "are one value for the whole run, known before the pool is read.",
        "SELECT uid FROM pool WHERE clip_l14 >= q(clip_b32);",
        "PARAM keep DEFAULT 0.3;\nSELECT uid FROM pool WHERE clip_l14 >= q(1 - keep);",
    ),
    Code(
        "E0306",
        "pattern that is not written out",
        "A pattern is a text literal, so that it can be checked before the recipe runs and compiled once.",
        "SELECT uid FROM pool WHERE regexp_matches(caption, url);",
        "SELECT uid FROM pool WHERE regexp_matches(caption, '^[A-Z]');",
    ),
    Code(
        "E0307",
        "pattern that RE2 does not read",
        "Patterns are RE2's, which runs in linear time: no look-around, no back-references.",
        "SELECT uid FROM pool WHERE regexp_matches(caption, 'photo(?! of)');",
        "SELECT uid FROM pool WHERE contains(caption, 'photo') AND NOT contains(caption, 'photo of');",
    ),
    Code(
        "E0308",
        "only uid is in a relation",
        "A stage, a recipe, a SELECT and a .npy file hold uids. Only the column `uid` can be in them.",
        "SELECT uid FROM pool WHERE text IN (SELECT uid FROM pool WHERE width > 200);",
        "SELECT uid FROM pool WHERE uid IN (SELECT uid FROM pool WHERE width > 200);",
    ),
    Code(
        "E0309",
        "q where no order statistic can stand",
        "`q(p)` is one whole side of `= <> < <= > >=`, or a bound of BETWEEN. The other side is the expression that it "
        "ranks; it holds no q itself.",
        "SELECT uid FROM pool WHERE clip_l14 > q(0.7) + 0.01;",
        "SELECT uid FROM pool WHERE clip_l14 - 0.01 > q(0.7);",
    ),
    Code(
        "E0310",
        "not a uid",
        "`uid` is compared with text that can be a uid: 32 lower-case hex digits. Anything else is equal to no sample's.",
        "SELECT uid FROM pool WHERE uid = '7F';",
        "SELECT uid FROM pool WHERE uid = '0000000000000000000000000000007f';",
    ),
    Code(
        "E0311",
        "p that is not between 0 and 1",
        "`q(p)` is the value that a share p of the samples does not exceed, and a share lies between 0 and 1: the top 30 "
        "percent are those with `x >= q(0.7)`.",
        "SELECT uid FROM pool WHERE clip_l14 >= q(70);",
        "SELECT uid FROM pool WHERE clip_l14 >= q(0.7);",
    ),
    Code(
        "E0312",
        "count or percentage out of range",
        "A count of samples is a whole number, 0 or more; a percentage lies between 0 and 100; the lower bound of EXPECT "
        "is not above the upper one.",
        "SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 0.3;",
        "SELECT uid FROM pool ORDER BY clip_l14 DESC LIMIT 30 PERCENT;",
    ),
)
