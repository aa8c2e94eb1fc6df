"""The words that a faulty statement may stop at: habits of SQL with the way of dcql, and the terminals in words."""

from dcql.source import LANGUAGE

Row = tuple[str, str, str, str]  # code, message, label, help; "" for no help

LATER = "reserved for a later version of the language"
DATA = (
    "E0130",
    "a recipe only reads",
    "a recipe selects a subset and changes nothing",
    "SELECT uid FROM pool WHERE ..;",
)
AGGREGATE = "an aggregate is not a value of a sample"
WINDOW = ("E0122", "no windows", "a recipe has no window functions")
JOIN = (
    "E0136",
    "`JOIN` is reserved",
    LATER,
    "the columns of the pool are visible everywhere; test another relation with `uid IN a`",
)
PATTERN = "regexp_matches(text, '(?i)pattern') tests a pattern in any case, contains(text, 'a') a part of a text"
QUANTILE = "q(0.7) on one side of a comparison, or q(0.7, clip_l14) anywhere; BY takes several keys"
INSIDE_Q = "write it inside the parentheses: q(0.7 OF english BY lang NULLS FIRST)"

# The first word of a statement.
STARTS: dict[str, Row] = {
    "TABLE": ("E0136", "`TABLE` is reserved", LATER, ""),
    "EXPECT": (
        "E0139",
        "`EXPECT` without its query",
        "EXPECT is the tail of the query",
        "write it before the `;` of the query",
    ),
    "LET": (
        "E0131",
        "`LET` is not a word of the language",
        "",
        "DEFINE name AS expression; or PARAM name DEFAULT value;",
    ),
    "DECLARE": ("E0131", "`DECLARE` is not a word of the language", "", "PARAM name DEFAULT value;"),
    "INSERT": DATA,
    "CREATE": DATA,
    "UPDATE": DATA,
    "DELETE": DATA,
    "DROP": DATA,
    "ALTER": DATA,
    "COPY": DATA,
    "ATTACH": DATA,
    "LOAD": DATA,
    "INSTALL": DATA,
    "PRAGMA": DATA,
    "EXPORT": DATA,
}

# A word that stops a statement anywhere else.
STOPS: dict[str, Row] = {
    "GROUP": (
        "E0126",
        "no `GROUP BY`",
        "a recipe selects samples, not groups",
        "one sample of each group: SELECT DISTINCT ON (key) uid .. ORDER BY score DESC; "
        "a threshold for each group: q(0.7 BY key)",
    ),
    "HAVING": ("E0127", "no `HAVING`", "a recipe has no groups", "write the condition after WHERE"),
    "OFFSET": (
        "E0128",
        "no `OFFSET`",
        "a recipe takes the first samples of an order",
        "take more, then EXCEPT those that came first",
    ),
    "FETCH": (
        "E0128",
        "no `FETCH`",
        "the first samples of an order are taken with LIMIT",
        "ORDER BY score DESC LIMIT 1000",
    ),
    "QUALIFY": (*WINDOW, "one sample of each group: SELECT DISTINCT ON (key) uid .. ORDER BY score DESC"),
    "WINDOW": (*WINDOW, "one sample of each group: SELECT DISTINCT ON (key) uid .. ORDER BY score DESC"),
    "OVER": (*WINDOW, "a threshold for each group is q(0.7 BY key)"),
    "FILTER": ("E0121", "no aggregates", AGGREGATE, "an order statistic is q(0.7)"),
    "WITHIN": ("E0121", "no aggregates", AGGREGATE, "an order statistic is q(0.7)"),
    "INTO": DATA,
    "JOIN": JOIN,
    "LEFT": JOIN,
    "RIGHT": JOIN,
    "INNER": JOIN,
    "FULL": JOIN,
    "CROSS": JOIN,
    "NATURAL": JOIN,
    "SAMPLE": ("E0136", "`SAMPLE` is reserved", LATER, ""),
    "TABLESAMPLE": ("E0136", "`TABLESAMPLE` is reserved", LATER, ""),
    "WEIGHT": ("E0136", "`WEIGHT` is reserved", LATER, ""),
    "QUOTA": ("E0136", "`QUOTA` is reserved", LATER, ""),
    "MATCH": ("E0136", "`MATCH` is reserved", LATER, ""),
    "BATCHES": ("E0136", "`BATCHES` is reserved", LATER, ""),
    "ITERATE": ("E0136", "`ITERATE` is reserved", LATER, ""),
    "REWRITE": ("E0136", "`REWRITE` is reserved", LATER, ""),
    "ILIKE": ("E0116", "`ILIKE` is not an operator", "", PATTERN),
    "SIMILAR": ("E0116", "`SIMILAR TO` is not an operator", "", PATTERN),
    "REGEXP": ("E0116", "`REGEXP` is not an operator", "", PATTERN),
    "RLIKE": ("E0116", "`RLIKE` is not an operator", "", PATTERN),
    "GLOB": ("E0116", "`GLOB` is not an operator", "", PATTERN),
    "ESCAPE": ("E0116", "`LIKE` has no `ESCAPE`", "", "regexp_matches(text, '100%') tests for any character as it is"),
    "MINUS": ("E0101", "unexpected `MINUS`", "not a set operation", "the samples of a that are not in b: a EXCEPT b"),
}

AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MEAN", "MIN", "MAX", "MEDIAN", "STDDEV", "QUANTILE", "PERCENTILE_CONT"})
COMPARISONS = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
OPERATORS = COMPARISONS | {"IN", "IS", "LIKE", "BETWEEN", "NOT", "+", "-", "*", "/", "%"}
STATEMENTS = frozenset({"SELECT", "WITH", "DEFINE", "PARAM", "SET", "IMPORT", "MODEL", "FEATURE", "ASSET"})
SET_OPERATIONS = frozenset({"UNION", "INTERSECT", "EXCEPT"})
TAIL = SET_OPERATIONS | {"ORDER", "LIMIT", "EXPECT"}
# The words that the terminal NAME leaves out.
# fmt: off
RESERVED = frozenset({
    "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "END", "EXCEPT", "EXPECT", "FALSE", "FROM", "IN",
    "INTERSECT", "IS", "JOIN", "LIKE", "LIMIT", "NOT", "NULL", "OR", "ORDER", "SELECT", "THEN", "TRUE", "UNION",
    "WHEN", "WHERE", "WITH",
})
# fmt: on

# All words that the grammar knows, in capitals; those that are not reserved may be names too.
# fmt: off
KEYWORDS = RESERVED | frozenset({
    "ALL", "ASC", "ASSET", "CITE", "DEFAULT", "DEFINE", "DESC", "FEATURE", "FIRST", "FIT", "IMPORT", "KEPT", "LAST",
    "LICENCE", "MODEL", "NULLS", "OF", "ON", "PARAM", "PERCENT", "RETURNS", "SEED", "SET", "SHA256", "TOLERANCE",
    "USING", "VERSION", "WEIGHTS",
})
# fmt: on

MODELS = frozenset({"MODEL", "FEATURE", "ASSET"})
MODEL_PARTS = frozenset({"FROM", "WEIGHTS", "TOLERANCE", "LICENCE", "CITE"})
# How a statement with a fixed form is written, for those that stop where no expression is read.
FORMS = {
    "DCQL": f"DCQL {LANGUAGE}; as the first line of a file",
    "DEFINE": "DEFINE name AS expression; or DEFINE name(a, b) AS expression;",
    "PARAM": "PARAM name DEFAULT value;",
    "SET": "SET name FROM 'file' SHA256 'the 64 hex digits that sha256sum prints';",
    "IMPORT": "IMPORT './file.dcql' AS name; or IMPORT './file.dcql' AS name WITH keep = 0.2;",
    "EXPECT": "EXPECT kept BETWEEN 1000 AND 20 PERCENT",
    "MODEL": "MODEL name(column TYPE, k INT DEFAULT 1) RETURNS TYPE VERSION 1;",
    "MODEL VERSION": "after the version, in this order: FROM 'file' SHA256 '..' "
    "WEIGHTS 'file' SHA256 '..' OR 'file' SHA256 '..' TOLERANCE 0.001 LICENCE '..' CITE '..';",
    "FEATURE": "FEATURE name TYPE USING model(column);",
    "ASSET": "ASSET name FROM pool; or ASSET name AS model(asset);",
    "ASSET FROM": "ASSET name FROM pool; or ASSET name FROM 'file' SHA256 'the 64 hex digits that sha256sum prints';",
    "ASSET AS": "ASSET name AS model(asset); or ASSET name AS FIT model(column) ON pool SEED 0;",
}

# What may stand in a place: the terminals of grammar.lark in the words of a user, in the order in which they are
# listed. A set that is wholly accepted takes its terminals with it.
EXPECTED: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"NAME", "NUMBER", "SELECT"}), "an expression or a query"),
    (frozenset({"NAME", "NUMBER"}), "an expression"),
    (frozenset({"COMPARISON", "IN", "IS", "LIKE", "BETWEEN"}), "a comparison"),
    (frozenset({"SIGN", "FACTOR"}), "an operator"),
    (frozenset({"UNION", "INTERSECT", "EXCEPT"}), "a set operation"),
    (frozenset({"NAME"}), "a name"),
    (frozenset({"NUMBER"}), "a number"),
    (frozenset({"TEXT"}), "text in single quotes"),
    (frozenset({"UID"}), "`uid`"),
    (frozenset({"ORDER"}), "`ORDER BY`"),
    (frozenset({"EQUAL"}), "`=`"),
    (frozenset({"COMMA"}), "`,`"),
    (frozenset({"LPAR"}), "`(`"),
    (frozenset({"RPAR"}), "`)`"),
)
EXPRESSION = frozenset({"NAME", "NUMBER", "TEXT", "TRUE", "FALSE", "NULL", "CASE", "Q", "SIGN", "NOT", "LPAR"})
OPERATOR = frozenset({"NOT", "SIGN", "FACTOR"})
SYMBOLS = frozenset(
    {
        "NAME",
        "NUMBER",
        "TEXT",
        "COMPARISON",
        "SIGN",
        "FACTOR",
        "EQUAL",
        "COMMA",
        "DOT",
        "LPAR",
        "RPAR",
        "Q",
        "UID",
        "$END",
    }
)
