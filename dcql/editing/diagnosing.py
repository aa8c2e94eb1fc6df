"""Everything that is wrong with a text, and what it need not say, as `dcql check` tells it."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from dcql.catalog.types import Schema
from dcql.editing.document import Document, is_library
from dcql.errors import Diagnostic, RecipeError
from dcql.lints import diagnose as diagnose_text
from dcql.syntax.parser import parse_library

Found = Mapping[Path | None, tuple[Diagnostic, ...]]


def diagnose(document: Document, schema: Schema) -> tuple[Diagnostic, ...]:
    """Return everything that `dcql check` tells of a recipe for a pool of this schema: its errors, else its lints.

    A file of the library is a list of definitions, and is read as that. Imported recipes are read from the disk: what
    is wrong in one has a span of its text.
    """
    if not is_library(document.path):
        return diagnose_text(document.source, schema, path=document.path)
    try:
        parse_library(document.source)
    except RecipeError as error:
        return error.diagnostics
    return ()


def by_file(document: Document, found: tuple[Diagnostic, ...]) -> Found:
    """Return diagnostics by the file that they are about: the document's own, or one that it imports.

    Those without a span are about the document.
    """
    told: dict[Path | None, list[Diagnostic]] = defaultdict(list)
    folders = document.folders()
    for one in found:
        path = document.path
        if one.span is not None and one.span.source is not document.source and folders is not None:
            path = (folders[1] / one.span.source.name).resolve()
        told[path].append(one)
    return {path: tuple(ones) for path, ones in told.items()}
