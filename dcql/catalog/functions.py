"""The functions of the language, one row each; what has no row is denied.

A row says what the engine's own metadata does not: whether the result is the same on every machine, version, thread
count and file layout. The effects form a chain, and an expression has the worst effect in it. Membership in a subset
must be EXACT, or VERSION where the lock pins the engine (engine-and-determinism.md §1).
"""

from dataclasses import dataclass
from enum import Enum, IntEnum

from dcql.catalog.types import Type


class Effect(IntEnum):
    """What a result depends on besides its arguments; each includes those before it."""

    EXACT = 0
    VERSION = 1  # the engine's version
    HARDWARE = 2  # the processor and its mathematics library
    ORDER = 3  # the order of rows: threads, files
    VOLATILE = 4  # chance or time


class Kind(Enum):
    """What a parameter takes, where it is not one type."""

    NUMERIC = "a number"
    COMMON = "values of one type"  # all arguments and the result share one type
    PATTERN = "a text literal"


@dataclass(frozen=True, slots=True)
class Function:
    """One function: parameter kinds, result, effect and meaning.

    `variadic` lets the last parameter repeat. The result is NULL when an argument is, unless `skips_nulls`.
    `result` is a type, or the kind whose argument type it takes.
    """

    name: str
    parameters: tuple[Type | Kind, ...]
    result: Type | Kind
    effect: Effect
    summary: str
    variadic: bool = False
    skips_nulls: bool = False

    @property
    def usage(self) -> str:
        """A call as it is written: `contains(text, text)`, `least(a, b, ..)`."""
        written = {Type.TEXT: "text", Kind.NUMERIC: "x", Kind.PATTERN: "'pattern'"}
        arguments = [written.get(kind, "abc"[place]) for place, kind in enumerate(self.parameters)]
        return f"{self.name}({', '.join([*arguments, '..'] if self.variadic else arguments)})"


def _row(name: str, parameters: tuple[Type | Kind, ...], result: Type | Kind, effect: Effect, summary: str) -> Function:
    return Function(name, parameters, result, effect, summary)


_FUNCTIONS = (
    Function(
        "coalesce",
        (Kind.COMMON, Kind.COMMON),
        Kind.COMMON,
        Effect.EXACT,
        "the first argument that is not NULL",
        variadic=True,
        skips_nulls=True,
    ),
    Function(
        "least",
        (Kind.COMMON, Kind.COMMON),
        Kind.COMMON,
        Effect.EXACT,
        "the smallest argument; NULL when any is",
        variadic=True,
    ),
    Function(
        "greatest",
        (Kind.COMMON, Kind.COMMON),
        Kind.COMMON,
        Effect.EXACT,
        "the largest argument; NULL when any is",
        variadic=True,
    ),
    _row("abs", (Kind.NUMERIC,), Kind.NUMERIC, Effect.EXACT, "the absolute value"),
    _row("code_points", (Type.TEXT,), Type.INT, Effect.EXACT, "the number of Unicode code points: Python's len()"),
    _row(
        "python_words",
        (Type.TEXT,),
        Type.INT,
        Effect.EXACT,
        "the number of words between Unicode white space: Python's len(text.split())",
    ),
    _row(
        "fasttext_words",
        (Type.TEXT,),
        Type.INT,
        Effect.EXACT,
        "the number of fastText tokens: split at space, \\t \\v \\f \\r \\0 and \\n, and one more for each \\n",
    ),
    _row(
        "regexp_matches",
        (Type.TEXT, Kind.PATTERN),
        Type.BOOL,
        Effect.VERSION,
        "whether the RE2 pattern matches anywhere in the text",
    ),
    _row("contains", (Type.TEXT, Type.TEXT), Type.BOOL, Effect.EXACT, "whether the second text occurs in the first"),
    _row(
        "starts_with", (Type.TEXT, Type.TEXT), Type.BOOL, Effect.EXACT, "whether the first text starts with the second"
    ),
    _row("ends_with", (Type.TEXT, Type.TEXT), Type.BOOL, Effect.EXACT, "whether the first text ends with the second"),
)

FUNCTIONS: dict[str, Function] = {function.name: function for function in _FUNCTIONS}


@dataclass(frozen=True, slots=True)
class Denied:
    """A construct of SQL that is left out: what it depends on, and what to write instead."""

    effect: Effect
    instead: str


_SAMPLE = "fix the choice by the uid: end the query with `SAMPLE 10 PERCENT SEED 7`"
_MOMENT = "give the value by name: `PARAM day DEFAULT 20230501;` and `--set day=20230601`"
_TRANSCENDENTAL = "compare the argument itself with a number: a threshold on a monotone function is one on its argument"
_AGGREGATE = "a recipe reads one sample at a time; a value over all samples is an order statistic: `q(0.5 OF pool)`"
_LENGTH = "say which length: `code_points(text)` counts code points, `python_words(text)` words"
_WORDS = "name the definition: `python_words(text)` or `fasttext_words(text)`"
_CASES = "write both forms in a pattern: `regexp_matches(text, '(?i)photo')`"
_ROUND = "compare with the bound itself: `x >= 2.5`"

# Names that people bring from SQL and Python; every one of them says what to write.
DENIED: dict[str, Denied] = {
    **{name: Denied(Effect.VOLATILE, _SAMPLE) for name in ("random", "rand", "uuid", "gen_random_uuid", "setseed")},
    **{
        name: Denied(Effect.VOLATILE, _MOMENT)
        for name in ("now", "today", "current_date", "current_timestamp", "current_time", "getenv", "getdate")
    },
    **{
        name: Denied(Effect.HARDWARE, _TRANSCENDENTAL)
        for name in ("exp", "ln", "log", "log2", "log10", "pow", "power", "sin", "cos", "tan", "tanh", "sqrt", "cbrt")
    },
    **{
        name: Denied(Effect.ORDER, _AGGREGATE)
        for name in ("sum", "avg", "mean", "stddev", "variance", "count", "min", "max", "first", "last", "any_value")
    },
    **{
        name: Denied(Effect.ORDER, "write `x >= q(0.5)`: an exact order statistic, 0.5 being the median")
        for name in ("median", "quantile", "quantile_disc", "quantile_cont", "percentile", "percentile_cont")
    },
    **{
        name: Denied(Effect.VOLATILE, "write `q(0.7)`: it is exact, and takes one pass over the column")
        for name in ("approx_quantile", "approx_count_distinct", "reservoir_quantile")
    },
    **{
        name: Denied(Effect.ORDER, "write `ORDER BY score DESC LIMIT n`, or `score >= q(0.9)`")
        for name in ("row_number", "rank", "dense_rank", "ntile", "percent_rank", "top", "topk")
    },
    **{name: Denied(Effect.VERSION, _LENGTH) for name in ("length", "len", "strlen", "char_length")},
    **{name: Denied(Effect.VERSION, _WORDS) for name in ("split", "string_split", "words", "word_count")},
    **{
        name: Denied(Effect.VERSION, _CASES)
        for name in ("lower", "upper", "lcase", "ucase", "casefold", "strip_accents")
    },
    **{name: Denied(Effect.VERSION, _ROUND) for name in ("round", "floor", "ceil", "ceiling", "trunc")},
    **{
        name: Denied(Effect.ORDER, "name what the samples share: how they lie in files is no part of a recipe")
        for name in ("filename", "rowid", "file_row_number")
    },
    **{
        name: Denied(Effect.EXACT, "write `regexp_matches(text, 'pattern')`; `^` and `$` hold it to the whole text")
        for name in ("regexp_full_match", "regexp_like", "regexp", "rlike", "similar_to", "regexp_extract")
    },
    **{
        name: Denied(
            Effect.VERSION, "name the `uid` itself; for a stable order, `ORDER BY score DESC LIMIT n` breaks ties by it"
        )
        for name in ("hash", "md5", "sha1")
    },
    **{name: Denied(Effect.EXACT, "write `coalesce(a, b)`") for name in ("ifnull", "nvl")},
    **{name: Denied(Effect.EXACT, "write `CASE WHEN a THEN b ELSE c END`") for name in ("if", "iff", "iif", "nullif")},
    **{
        name: Denied(Effect.EXACT, "columns keep their type; a literal takes the type of what it meets")
        for name in ("cast", "try_cast", "int", "float", "str")
    },
    **{
        name: Denied(Effect.EXACT, "name a file of values, with its digest: `SET s FROM 'values.txt' SHA256 '..';`")
        for name in ("read_parquet", "read_csv", "read_text", "read_blob", "read_json", "glob", "parquet_scan")
    },
}
