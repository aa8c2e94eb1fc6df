"""Random recipes: text of the whole language, typed well enough that most of it also resolves.

The columns are those of a DataComp pool, and `grp INT` (with NULLs), `quality DOUBLE`, `flag BOOL`.
"""

from dataclasses import dataclass, replace
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

INTEGERS = ("original_width", "original_height", "grp", "width", "height")
SCORES = ("clip_b32_similarity_score", "clip_l14_similarity_score", "clip_l14", "clip_b32", "quality")
TEXTS = ("text", "url", "caption", "sha256")
NUMBERS = ("0", "1", "2.0", "0.28", ".5", "200", "1e2", "12.5e-1")
FRACTIONS = ("0", "0.3", "0.7", "0.5", "1", "1 - 0.3", "0.1 + 0.2", "0.9 / 2")
LITERALS = ("''", "'en'", "'cat'", "'%cat%'", "'it''s'", "'a_b'", "'日本'", "'-- no'")
PATTERNS = ("'^a'", "'(?i)cat'", "'[0-9]+'")
LAYOUT = (" ", "  ", "\n", "\r\n", "\t", " -- a; 'note' (\n")
JOINED = ("mark", "votes")  # what tables have
SHA256 = "'9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'"


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use, and how deep it may still go."""

    depth: int
    conditions: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    quantiles: bool = True
    over_pool: bool = True  # a q without OF is possible

    def inner(self) -> "Scope":
        """Return the scope one level deeper."""
        return replace(self, depth=self.depth - 1)


@cache  # a recipe is a hundred choices, and to describe one takes longer than to make it
def one_of(choices: tuple[str, ...]) -> SearchStrategy[str]:
    return st.sampled_from(choices)


def pick(draw: DrawFn, *choices: str) -> str:
    """Draw one of `choices`."""
    return draw(one_of(choices))


def chance(draw: DrawFn, one_in: int) -> bool:
    """Draw whether something rare happens; it does not in the simplest example."""
    return draw(st.integers(0, one_in - 1)) == one_in - 1


@st.composite
def numbers(draw: DrawFn, scope: Scope) -> str:
    """A numeric expression without q."""
    if scope.tables and chance(draw, 4):
        return pick(draw, *(f"{table}.{column}" for table in scope.tables for column in JOINED))
    if scope.depth <= 0 or chance(draw, 2):
        return pick(draw, *SCORES, *INTEGERS, *NUMBERS)
    inner = numbers(scope.inner())
    match draw(st.integers(0, 9)):
        case 0 | 1:
            operator = pick(draw, "+", "-", "*", "/")
            return f"{draw(inner)} {operator} {draw(inner)} {operator} {draw(inner)}"
        case 2:
            return f"{pick(draw, *INTEGERS)} % {pick(draw, '2', '7', *INTEGERS)}"
        case 3:
            return f"({draw(inner)} {pick(draw, '+', '-', '*', '/')} {draw(inner)})"
        case 4:
            return f"{pick(draw, '-', '+')} ({draw(inner)})"
        case 5:
            return f"{pick(draw, 'least', 'greatest', 'coalesce')}({draw(inner)}, {draw(inner)})"
        case 6:
            return f"abs({draw(inner)})"
        case 7:
            return f"{pick(draw, 'code_points', 'python_words', 'fasttext_words')}({draw(texts(scope.inner()))})"
        case 8:
            condition = draw(conditions(replace(scope.inner(), quantiles=False)))
            default = pick(draw, "", "ELSE NULL ", f"ELSE {draw(inner)} ")
            return f"CASE WHEN {condition} THEN {draw(inner)} WHEN flag THEN 1 {default}END"
        case _ if scope.functions:
            return f"{pick(draw, *scope.functions)}({draw(inner)})"
    return pick(draw, *SCORES, *INTEGERS, *NUMBERS)


@st.composite
def named_quantiles(draw: DrawFn, scope: Scope) -> str:
    """An order statistic that names what it ranks: a number that may stand anywhere but inside another one."""
    inner = numbers(replace(scope.inner(), quantiles=False, depth=min(scope.depth - 1, 1)))
    value = pick(draw, *SCORES, *INTEGERS, f"{pick(draw, *SCORES)} {pick(draw, '+', '-', '*', '/')} ({draw(inner)})")
    fraction, *rest = draw(quantile_parts(scope))
    return f"q({' '.join([f'{fraction}, {value}', *rest])})"


@st.composite
def values(draw: DrawFn, scope: Scope) -> str:
    """A numeric expression that may hold order statistics."""
    number = numbers(scope.inner())
    if not scope.quantiles or not chance(draw, 4):
        return draw(number)
    quantile = draw(named_quantiles(scope))
    match draw(st.integers(0, 4)):
        case 0:
            return quantile
        case 1:
            return f"{pick(draw, 'least', 'coalesce')}({quantile}, {draw(number)})"
        case 2:
            return f"CASE WHEN flag THEN {quantile} ELSE {draw(number)} END"
        case 3:
            return f"-{quantile}"
    return f"{pick(draw, *SCORES, *INTEGERS)} {pick(draw, '+', '-', '*', '/')} {quantile}"


@st.composite
def texts(draw: DrawFn, scope: Scope) -> str:
    """A text expression."""
    if scope.depth > 0 and chance(draw, 5):
        return f"coalesce({draw(texts(scope.inner()))}, {pick(draw, *LITERALS)})"
    return pick(draw, *TEXTS)


@st.composite
def fractions(draw: DrawFn, scope: Scope) -> str:
    """A constant expression from 0 to 1."""
    return pick(draw, *FRACTIONS, *scope.params, *(f"1 - {param}" for param in scope.params))


@st.composite
def quantile_parts(draw: DrawFn, scope: Scope) -> list[str]:
    """The fraction of an order statistic over the pool or a stage, and what else stands in it."""
    population = pick(draw, *([""] if scope.over_pool else []), "OF pool", *(f"OF {stage}" for stage in scope.stages))
    groups = pick(draw, "", "", "BY grp", "BY flag, grp")
    nulls = pick(draw, "", "NULLS FIRST")
    return [part for part in (draw(fractions(scope)), population, groups, nulls) if part]


@st.composite
def sides(draw: DrawFn, scope: Scope, others: int = 1) -> list[str]:
    """The subject of a comparison and `others` that it is compared with: numbers, or bare q where they are allowed."""
    bare = [scope.quantiles and chance(draw, 3) for _ in range(others)]
    # What a bare q ranks holds no q.
    subject = draw(numbers(scope.inner()) if any(bare) else values(scope))
    return [subject, *(f"q({' '.join(draw(quantile_parts(scope)))})" if q else draw(values(scope)) for q in bare)]


@st.composite
def conditions(draw: DrawFn, scope: Scope) -> str:
    """A boolean expression."""
    inner = conditions(scope.inner())
    negated = pick(draw, "", "NOT ")
    kind = draw(st.integers(0, 14 if scope.depth > 0 else 8))
    match kind:
        case 0 | 1:
            operator = pick(draw, "=", "<>", "!=", "<", "<=", ">", ">=")
            left, right = draw(sides(scope))
            return f"{left} {operator} {right}"
        case 2:
            subject, low, high = draw(sides(scope, others=2))
            return f"{subject} {negated}BETWEEN {low} AND {high}"
        case 3:
            return f"{draw(texts(scope.inner()))} {negated}LIKE {pick(draw, *LITERALS)}"
        case 4:
            return f"{pick(draw, *TEXTS, *SCORES, *INTEGERS, 'flag')} IS {negated}NULL"
        case 5:
            values = draw(st.lists(st.sampled_from(["1", "2", "300"]), min_size=1, max_size=3))
            return f"{pick(draw, *INTEGERS)} {negated}IN ({', '.join(values)})"
        case 6:
            return f"flag {pick(draw, '=', '<>')} {pick(draw, 'TRUE', 'FALSE')}"
        case 7:
            return pick(draw, "flag", "TRUE", *scope.conditions)
        case 8 if scope.stages or scope.sets:
            return pick(draw, *(f"uid {negated}IN {name}" for name in scope.stages + scope.sets))
        case 9:
            return f"uid {negated}IN ({draw(queries(scope.inner()))})"
        case 10:
            return f"NOT {draw(inner)}"
        case 11 | 12:
            word = pick(draw, " AND ", " OR ")
            return word.join(draw(st.lists(inner, min_size=2, max_size=3)))
        case 13:
            return f"({draw(inner)})"
        case 14:
            function = pick(draw, "contains", "starts_with", "ends_with", "regexp_matches")
            pattern = pick(draw, *(PATTERNS if function == "regexp_matches" else LITERALS))
            return f"{function}({draw(texts(scope.inner()))}, {pattern})"
    return f"{pick(draw, *SCORES)} >= {pick(draw, *NUMBERS)}"


@st.composite
def orders(draw: DrawFn, scope: Scope) -> str:
    """An ORDER BY clause."""
    key = values(replace(scope.inner(), over_pool=False))
    keys = draw(st.lists(st.one_of(key, texts(scope.inner())), min_size=1, max_size=2))
    rest = ("", " ASC", " DESC", " NULLS FIRST", " DESC NULLS LAST", " DESC NULLS FIRST")
    return "ORDER BY " + ", ".join(f"{key}{pick(draw, *rest)}" for key in keys)


@st.composite
def limits(draw: DrawFn, scope: Scope) -> str:
    """A LIMIT clause."""
    percent = (f"LIMIT {param} PERCENT" for param in scope.params)
    amount = pick(
        draw, "LIMIT 3", "LIMIT 0", "LIMIT 2.0", "LIMIT 30 PERCENT", "LIMIT 12.5 PERCENT", "LIMIT 5 * 2", *percent
    )
    return f"{amount} {pick(draw, '', '', 'BY grp', 'BY flag, grp', 'BY width', 'BY abs(grp) > 1')}".rstrip()


@st.composite
def copies(draw: DrawFn, scope: Scope) -> str:
    """How often each sample is taken: hardly ever what no sample can be."""
    times = ("0", "1", "2", "2.0", "3")
    match draw(st.integers(0, 3)):
        case 0:
            return (
                f"CASE WHEN {draw(conditions(scope.inner()))} THEN {pick(draw, *times)} ELSE {pick(draw, *times)} END"
            )
        case 1:
            return f"abs(coalesce({pick(draw, *INTEGERS)}, 1)) % 3"
        case 2 if chance(draw, 4):
            return draw(numbers(replace(scope.inner(), quantiles=False)))
    return pick(draw, *times)


@st.composite
def samples(draw: DrawFn, scope: Scope) -> str:
    """A SAMPLE clause, with weights that are 0 or more and finite, or NULL."""
    seed = pick(draw, "1", "1", "2", "'1'", "'it''s'", "'日本'", "3.0")
    if chance(draw, 2):
        share = pick(draw, "0", "20", "50", "12.5", "100", "200 / 3", *scope.params)
        return f"SAMPLE {share} PERCENT SEED {seed}"
    rows = f"SAMPLE {pick(draw, '0', '3', '10', '2.0', '100')} ROWS SEED {seed}"
    if chance(draw, 2):
        return rows
    number = draw(numbers(replace(scope.inner(), quantiles=False)))
    if chance(draw, 3):
        number = f"CASE WHEN {draw(conditions(scope.inner()))} THEN {number} END"
    return f"{rows} WEIGHT BY greatest(least({number}, {pick(draw, '1000', '0.5')}), 0)"


@st.composite
def selects(draw: DrawFn, scope: Scope, distinct: bool) -> str:
    """A SELECT without its tail."""
    kind = draw(st.integers(0, 3))
    if kind == 0 and scope.stages:
        relation, scope = pick(draw, *scope.stages), replace(scope, over_pool=False)
    elif kind == 1 and scope.depth > 0:
        relation, scope = f"({draw(queries(scope.inner()))})", replace(scope, over_pool=False)
    else:
        relation, scope = "pool", replace(scope, over_pool=True)
    tables = [table for table in scope.tables if not chance(draw, 3)]
    joins = "".join(f" {pick(draw, '', 'LEFT ')}JOIN {table} USING (uid)".replace("  ", " ") for table in tables)
    keys = pick(draw, "grp", "sha256", "flag, grp")
    on = f"DISTINCT ON ({keys}) " if distinct else ""
    times = f", {draw(copies(scope))} AS copies" if chance(draw, 5) else ""
    where = "" if chance(draw, 4) else f" WHERE {draw(conditions(scope))}"
    return f"SELECT {on}uid{times} FROM {relation}{joins}{where}"


@st.composite
def queries(draw: DrawFn, scope: Scope) -> str:
    """A query with or without a tail, or a set operation of some."""
    if scope.depth > 0 and chance(draw, 4):
        operands = draw(st.lists(set_operands(scope.inner()), min_size=2, max_size=3))
        body = operands[0]
        for operand in operands[1:]:
            body += f" {pick(draw, 'UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT')} {operand}"
        distinct = False
    else:
        distinct = chance(draw, 6)
        body = draw(selects(scope, distinct))
    if distinct or chance(draw, 5):
        body += f" {draw(orders(scope))}"
        if chance(draw, 2):
            body += f" {draw(limits(scope))}"
        elif chance(draw, 3):
            body += f" {draw(samples(scope))}"
    elif chance(draw, 6):
        body += f" {draw(samples(scope))}"
    return body


@st.composite
def set_operands(draw: DrawFn, scope: Scope) -> str:
    """An operand of a set operation: in parentheses when it has a tail of its own."""
    return f"({draw(queries(scope))})" if chance(draw, 3) else draw(selects(scope, False))


@st.composite
def model_calls(draw: DrawFn, scope: Scope) -> str:
    """A model with its arguments: columns, constants and any other expression, by position or by name."""
    simple = st.sampled_from([*TEXTS, *NUMBERS, *LITERALS, "l14_img", "-1", "(grp = 1)", "NULL"])
    value = st.one_of(simple, numbers(scope.inner()), conditions(scope.inner()).map("({})".format))
    arguments = [pick(draw, "", "", "k = ", "model = ") + part for part in draw(st.lists(value, max_size=3))]
    return f"{pick(draw, 'nearest', 'fasttext_lid', 'fit', 'q')}({', '.join(arguments)})"


@st.composite
def model_statements(draw: DrawFn, scope: Scope) -> str:
    """A MODEL, a FEATURE or an ASSET in one of its forms; what it names need not exist."""
    file = f"{pick(draw, *LITERALS)} SHA256 {SHA256}"
    name = pick(draw, "lang", "centroids", "asset", "fit", "version")
    type_ = pick(draw, "TEXT", "FLOAT", "FIXED(14)", "EMBEDDING", "seed")
    call = draw(model_calls(scope))
    match draw(st.integers(0, 6)):
        case 0:
            return f"FEATURE {name} {type_} USING {call}"
        case 1:
            return f"ASSET {name} FROM {pick(draw, 'pool', 'base.pool')}"
        case 2:
            return f"ASSET {name} FROM {file}"
        case 3:
            return f"ASSET {name} AS {call}"
        case 4:
            relation, chosen = pick(draw, "pool", "base.pool", "seed"), pick(draw, "0", "'a'", "1e2")
            return f"ASSET {name} AS FIT {call} ON {relation} SEED {chosen}"
    default = pick(draw, "", " DEFAULT 1", " DEFAULT 'a'", " DEFAULT 2 * 3")
    inputs = pick(draw, "", "caption TEXT", f"caption TEXT, k INT{default}", f"weights {type_}{default}")
    parts = (
        pick(draw, "", f" FROM {file}"),
        pick(draw, "", f" WEIGHTS {file}", f" WEIGHTS {file} OR {file} OR {file}"),
        pick(draw, "", " TOLERANCE 0.001", " TOLERANCE 1 / 2"),
        pick(draw, "", " LICENCE 'MIT'"),
        pick(draw, "", " CITE 'it''s; (2024)'"),
    )
    return f"MODEL {name}({inputs}) RETURNS {type_} VERSION {pick(draw, '1', '2', '1.5')}{''.join(parts)}"


@st.composite
def recipes(
    draw: DrawFn, files: bool = False, depth: int = 3, models: bool = False, tables: tuple[str, ...] = ()
) -> str:
    """The text of a recipe; with `files` it may read sets, tables and other recipes, which need not exist.

    It may join the tables of the TABLE statements `tables` too, which have the columns JOINED.

    With `models` it may declare models, features and assets, which nothing uses: such a recipe is there to be parsed.
    """
    scope = Scope(depth)
    statements = ["DCQL 1"] if chance(draw, 8) else []
    statements += tables
    scope = replace(scope, tables=tuple(statement.split()[1] for statement in tables))
    if models:
        statements += draw(st.lists(model_statements(Scope(1)), max_size=2))
    if files and chance(draw, 2):
        arguments = pick(draw, "", " WITH keep = 0.2", " WITH keep = 0.2, least_width = 100")
        statements.append(f"IMPORT './base.dcql' AS base{arguments}")
        scope = replace(scope, stages=("base",))
    if files and chance(draw, 2):
        statements.append(f"SET listed FROM 'listed.txt' SHA256 {SHA256}")
        scope = replace(scope, sets=("listed",))
    if files and chance(draw, 3):
        statements.append(f"TABLE scored FROM 'scored.parquet' SHA256 {SHA256}")
        scope = replace(scope, tables=(*scope.tables, "scored"))
    if chance(draw, 3):
        statements.append(f"PARAM share DEFAULT {pick(draw, '0.3', '0.25', '1')}")
        scope = replace(scope, params=("share",))
    if chance(draw, 3):
        statements.append(f"DEFINE scaled(x) AS {pick(draw, 'x * 2', 'x + quality', 'abs(x) - 1')}")
        scope = replace(scope, functions=("scaled",))
    if chance(draw, 3):
        body = draw(conditions(replace(scope.inner(), quantiles=False, stages=(), sets=())))
        statements.append(f"DEFINE good AS {body}")
        scope = replace(scope, conditions=("good",))
    stages = []
    for name in ("first", "second")[: draw(st.sampled_from([0, 0, 1, 2]))]:
        stages.append(f"{name} AS ({draw(queries(scope.inner()))})")
        scope = replace(scope, stages=(*scope.stages, name))
    query = draw(queries(scope))
    opening = f"WITH {', '.join(stages)} " if stages else ""
    promise = pick(draw, "", "", " EXPECT kept BETWEEN 0 PERCENT AND 100 PERCENT", " EXPECT kept BETWEEN 0 AND 1e9")
    statements.append(f"{opening}{query}{promise}")
    text = ";\n".join(statements) + ";"
    layout = draw(st.lists(st.sampled_from(LAYOUT), max_size=8))
    for i, space in enumerate(layout):
        words = text.split(" ")
        cut = (i * 7 + len(layout)) % max(1, len(words) - 1) + 1
        before, after = " ".join(words[:cut]), " ".join(words[cut:])
        # Text literals hold spaces too, and no line ends inside one.
        text = (
            before + (space if before.count("'") % 2 == 0 and "--" not in before.rpartition("\n")[2] else " ") + after
        )
    return text


@st.composite
def faulty_texts(draw: DrawFn, models: bool = False) -> str:
    """A recipe with characters and words changed, or no recipe at all."""
    if chance(draw, 4):
        return draw(st.text(max_size=60))
    text = draw(recipes(files=True, depth=1, models=models))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 12))
        text = text[:at] + draw(st.sampled_from(FRAGMENTS) | st.characters()) + text[at + length :]
    return text


FRAGMENTS = (
    *(
        "",
        "(",
        ")",
        "'",
        '"',
        ";",
        ",",
        ".",
        "--",
        "/*",
        "*/",
        "`",
        "%",
        "==",
        "||",
        "::",
        "\x00",
        "\r",
        "\ufeff",
        "\ud800",
    ),
    *(
        " SELECT ",
        " FROM ",
        " WITH ",
        " q( ",
        " q(0.7, x) ",
        " DCQL 1; ",
        " NOT ",
        " AND ",
        " CASE ",
        " END ",
        " LIMIT 3 ",
        " BY ",
    ),
    *(
        " GROUP BY x ",
        " JOIN t ",
        " LEFT JOIN scored USING (uid) ",
        " TABLE ",
        " IS TRUE ",
        " 30% ",
        " 1e999 ",
        " UNION ",
        " EXPECT ",
        " PERCENT ",
        " OVER () ",
        " = ",
        " FIT ",
        " USING ",
        " DEFAULT ",
        " SAMPLE ",
        " ROWS SEED 1 ",
    ),
)
