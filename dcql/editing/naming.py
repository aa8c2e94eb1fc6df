"""Giving a name of a recipe another one, in the recipe that it is a name of."""

from dcql.catalog.types import Schema
from dcql.editing.document import Document
from dcql.editing.places import POOL, At, Named, Parameter, parameter_references, references
from dcql.source import Span
from dcql.syntax.scan import TOKEN
from dcql.syntax.vocabulary import RESERVED


def places(document: Document, found: At | None, schema: Schema) -> tuple[Span, ...]:
    """Return every place of the name at a place, where this document gives it; none for any other word."""
    match found.meaning if found is not None else None:
        case Named(symbol, owner) if owner is document:
            return references(document, symbol, schema)
        case Parameter() as parameter if found is not None:
            return parameter_references(parameter, found.statement)
        case _:
            return ()


def refusal(document: Document, found: At, name: str, schema: Schema) -> str:
    """Return why a name cannot take the place of the one at a place, "" where it can."""
    match = TOKEN.fullmatch(name)
    if match is None or match.lastgroup != "word":
        return f"`{name}` is no name: a name has the letters A to Z, digits and `_`"
    if name.upper() in RESERVED:
        return f"`{name}` is a word of the language"
    if name in (POOL, "q", "Q"):
        return f"`{name}` cannot be defined"
    if document.named(name) is not None:
        return f"`{name}` is a name of the recipe already"
    parameters = {one.text for symbol in found.statement.symbols for one in symbol.parameters or ()}
    if name in parameters:
        return f"`{name}` is a parameter already"
    # A parameter hides a column: what stands in its body as one would become the parameter.
    if schema.get(name) is not None:
        return f"`{name}` is a column of the pool"
    return ""
