"""What `dcql.editing` finds -> the types of the protocol."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from lsprotocol import types

from dcql.codes import CODES
from dcql.codes.__main__ import document
from dcql.editing.completing import Candidate, Sort
from dcql.editing.positions import Positions
from dcql.editing.symbols import IMPORT, STAGE, Symbol
from dcql.errors import Diagnostic
from dcql.source import Span

SOURCE = "dcql"

_SORTS = {
    Sort.COLUMN: types.CompletionItemKind.Field,
    Sort.NAME: types.CompletionItemKind.Variable,
    Sort.RELATION: types.CompletionItemKind.Struct,
    Sort.LIBRARY: types.CompletionItemKind.Constant,
    Sort.FUNCTION: types.CompletionItemKind.Function,
    Sort.KEYWORD: types.CompletionItemKind.Keyword,
    Sort.TYPE: types.CompletionItemKind.TypeParameter,
    Sort.FILE: types.CompletionItemKind.File,
}
_SYMBOLS = {
    "DEFINE": types.SymbolKind.Function,
    "PARAM": types.SymbolKind.Constant,
    "SET": types.SymbolKind.Array,
    "TABLE": types.SymbolKind.Array,
    IMPORT: types.SymbolKind.Module,
    "MODEL": types.SymbolKind.Class,
    "FEATURE": types.SymbolKind.Field,
    "ASSET": types.SymbolKind.Object,
    STAGE: types.SymbolKind.Struct,
}
_SEVERITIES = {"error": types.DiagnosticSeverity.Error, "warning": types.DiagnosticSeverity.Warning}


def range_of(positions: Positions, start: int, end: int) -> types.Range:
    """Return a stretch of code points as a range."""
    return types.Range(types.Position(*positions.position(start)), types.Position(*positions.position(end)))


def span_range(positions: Positions, span: Span) -> types.Range:
    """Return a span as a range."""
    return range_of(positions, span.start, span.end)


def diagnostic(one: Diagnostic, encoding: str, explained: str) -> types.Diagnostic:
    """Return a diagnostic of the compiler; one without a span stands at the start of its file.

    `explained` is the address of the page of all codes.
    """
    span = one.span
    range_ = types.Range(types.Position(0, 0), types.Position(0, 0))
    if span is not None:
        range_ = span_range(Positions(span.source.text, encoding), span)
    lines = [one.message, *([one.label] if one.label else []), *(f"help: {help_}" for help_ in one.helps)]
    return types.Diagnostic(
        range=range_,
        message="\n".join(lines),
        severity=_SEVERITIES[one.severity],
        code=one.code,
        code_description=types.CodeDescription(href=f"{explained}#L{explained_line(one.code)}"),
        source=SOURCE,
    )


@cache
def explained_line(code: str) -> int:
    """Return the line of the page of all codes, from 1 on, that a code's entry starts with."""
    return document().split("\n").index(f"### {code}: {CODES[code].title}") + 1


def completion(one: Candidate, place: int, positions: Positions) -> types.CompletionItem:
    """Return a candidate that is the `place`-th of its list."""
    return types.CompletionItem(
        label=one.label,
        kind=_SORTS[one.sort],
        detail=one.detail or None,
        sort_text=f"{place:05}",
        filter_text=one.text,
        text_edit=types.TextEdit(range_of(positions, one.start, one.end), one.text),
    )


def outline(symbols: Iterable[Symbol], positions: Positions) -> list[types.DocumentSymbol]:
    """Return the names that a recipe gives."""
    return [
        types.DocumentSymbol(
            name=symbol.name,
            kind=_SYMBOLS[symbol.kind],
            range=span_range(positions, symbol.span),
            selection_range=span_range(positions, symbol.name_span),
            detail=symbol.kind,
        )
        for symbol in symbols
    ]


def uri_of(path: Path) -> str:
    """Return the address of a file."""
    return path.absolute().as_uri()
