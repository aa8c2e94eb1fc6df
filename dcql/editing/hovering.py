"""What is told about the word under the cursor, as Markdown.

A recipe may be a stranger's: its text stands in fences that it cannot close, and its comments are escaped, so that none
can show a picture or a link.
"""

import re
from typing import TYPE_CHECKING

from dcql.catalog.functions import Effect, Function, Kind
from dcql.catalog.types import Column, Schema, Type
from dcql.codes import CODES
from dcql.editing.counting import Rate
from dcql.editing.document import Document, is_library
from dcql.editing.places import AllSamples, At, Keyword, Named, NamedFile, Parameter
from dcql.editing.predicates import Predicate, type_of
from dcql.editing.symbols import IMPORT, STAGE, Symbol
from dcql.syntax.vocabulary import FORMS

if TYPE_CHECKING:
    from dcql.engine.describe import ColumnSummary

_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!<>|~&:@])")
_MOST_TEXT = 2_000

EFFECTS = {
    Effect.EXACT: "exact: the same on every machine",
    Effect.VERSION: "version: a lock pins the engine that its result depends on",
    Effect.HARDWARE: "hardware",
    Effect.ORDER: "order",
    Effect.VOLATILE: "volatile",
}
_TAIL = "SELECT uid FROM pool\nORDER BY clip_l14 DESC LIMIT 30 PERCENT"
# The words that are more than SQL's, each with how it is written and what it does.
NOTES = {
    "Q": (
        "q(p [, x] [OF stage] [BY key] [NULLS FIRST])",
        "An exact order statistic, of x or of what it is compared with: `clip_l14 >= q(0.7)` keeps the top 30 %, ties "
        "kept.",
    ),
    "LIMIT": (_TAIL, "Keeps exactly so many samples of an order; ties are broken by a fixed hash of the uid."),
    "EXPECT": ("EXPECT kept BETWEEN 1000 AND 20 PERCENT", "A promise on the size of the subset, checked by every run."),
    "DISTINCT": (
        "SELECT DISTINCT ON (sha256) uid FROM pool\nORDER BY clip_l14 DESC",
        "Keeps the first sample of each group, in an order.",
    ),
    "UID": ("SELECT uid FROM ..", "The name of a sample: what a recipe selects."),
    "UNION": ("a UNION b, a UNION ALL b", "The samples of both; with ALL, copies add up."),
    "INTERSECT": ("a INTERSECT b", "The samples that are in both."),
    "EXCEPT": ("a EXCEPT b", "The samples of a that are not in b."),
}


def told(document: Document, found: At, schema: Schema) -> str:
    """Return what is known about a word from the text and the pool's columns, "" for nothing."""
    match found.meaning:
        case Keyword(word):
            return _keyword(word, found)
        case Function() as function:
            return _function(function)
        case Column() as column:
            return f"{fenced(f'{column.name} {column.type.value}')}\na column of the pool"
        case Named(symbol, owner):
            return _symbol(document, symbol, owner, schema)
        case Parameter(define, name):
            return f"{fenced(name)}\na parameter of {escaped(define.name)}"
        case NamedFile(text, path):
            where = "a file of the recipe's folder" if path is not None else "no file of the recipe's folder"
            return f"{fenced(text, '')}\n{where}"
        case AllSamples():
            return f"{fenced('pool')}\nthe relation of all samples"
        case _:
            return ""


def column_told(summary: "ColumnSummary", pool: str) -> str:
    """Return what a column of an added pool holds: its share of NULLs and its quantiles."""
    lines = [f"On `{pool}`: {percent(summary.nulls, summary.rows)} NULL of {summary.rows:,} samples"]
    if summary.minimum is not None:
        points = [("min", summary.minimum), *((f"{float(100 * p):g} %", value) for p, value in summary.quantiles)]
        cells = [*points, ("max", summary.maximum)]
        lines += [
            "",
            "| " + " | ".join(title for title, _ in cells) + " |",
            "|" + " --: |" * len(cells),
            "| " + " | ".join(_number(value) for _, value in cells) + " |",
        ]
    return "\n".join(lines)


def rate_told(predicate: Predicate, of: str, pool: str, rate: Rate | None) -> str:
    """Return what a predicate keeps; without a rate, that it is being counted."""
    written = " ".join(predicate.span.text.split())
    said = fenced(written if len(written) <= 120 else written[:117] + "...")
    if rate is None:
        return f"{said}\ncounting on `{pool}`; hover again for what it keeps"
    if rate.fault:
        return f"{said}\nwhat it keeps of `{pool}` was not counted: {escaped(rate.fault)}"
    where = f"`{pool}`" if of == "pool" else f"{_code(of)} on `{pool}`"
    return f"{said}\nkeeps **{percent(rate.kept, rate.samples)}** of {where}: {rate.kept:,} of {rate.samples:,} samples"


def code_told(code: str) -> str:
    """Return what a code means, and what to write instead."""
    row = CODES[code]
    return f"**{code}**: {escaped(row.title)}\n\n{escaped(row.meaning)}\n\nInstead:\n\n{fenced(row.instead)}"


def percent(part: int, whole: int) -> str:
    """Return a share as people read it: 30 %, 0.12 %, and never 0 % of what is more than nothing."""
    if not part or not whole:
        return "0 %"
    share = 100 * part / whole
    text = f"{share:.2f}" if share < 10 else f"{share:.1f}"
    if text in ("0.00", "100.0") and part != whole:
        return "under 0.01 %" if share < 1 else "over 99.9 %"
    return f"{text.rstrip('0').rstrip('.')} %"


def fenced(text: str, language: str = "dcql") -> str:
    """Return a text as a block of code that it cannot close."""
    if len(text) > _MOST_TEXT:
        text = text[: _MOST_TEXT - 3] + "..."
    marks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, marks + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def escaped(text: str) -> str:
    """Return a text as Markdown that shows it as it is."""
    return _MARKS.sub(r"\\\1", text)


def _code(text: str) -> str:
    short = " ".join(text.split())
    short = short if len(short) <= 60 else short[:57] + "..."
    return f"`{short}`" if "`" not in short else escaped(short)


def _keyword(word: str, found: At) -> str:
    if word in NOTES:
        form, note = NOTES[word]
        return f"{fenced(form)}\n{note}"
    # FROM and its like have another form in each statement.
    if found.index == 0 and word in FORMS:
        return fenced(FORMS[word])
    return ""


def _function(function: Function) -> str:
    types = [_kind(kind) for kind in function.parameters]
    takes = ", ".join([*types, ".."] if function.variadic else types)
    result = f"{function.result.value}" if isinstance(function.result, Type) else "the type of its arguments"
    nulls = "skips NULL arguments" if function.skips_nulls else "NULL when an argument is"
    return "\n".join(
        [
            fenced(function.usage),
            f"{escaped(function.summary)}",
            "",
            f"- takes {escaped(takes)}; gives {escaped(result)}",
            f"- {nulls}",
            f"- {EFFECTS[function.effect]}",
        ]
    )


def _kind(kind: Type | Kind) -> str:
    return str(kind.value)


def _symbol(document: Document, symbol: Symbol, owner: Document, schema: Schema) -> str:
    lines = [fenced(symbol.span.text)]
    if (comment := owner.comment_above(symbol)) and symbol.kind != STAGE:
        lines += [escaped(comment), ""]
    lines.append(_kind_of(symbol, owner, is_library(owner.path)))
    has_type = symbol.kind == "DEFINE" and symbol.parameters is None
    if has_type and (type_ := type_of(document, symbol.name, schema)) is not None:
        lines[-1] += f", of type {type_.value}"
    return "\n".join(lines)


def _kind_of(symbol: Symbol, owner: Document, in_library: bool) -> str:
    if symbol.kind == STAGE:
        return "a stage"
    if symbol.kind == IMPORT:
        return "an imported recipe"
    article = "an" if symbol.kind == "ASSET" else "a"
    name = escaped(owner.source.name)
    return f"{article} {symbol.kind} of the library, in {name}" if in_library else f"{article} {symbol.kind}"


def _number(value: int | float | None) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.6g}" if value is not None else ""
