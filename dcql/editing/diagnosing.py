"""Everything that is wrong with a text, as `dcql check` says it."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from dcql.catalog.types import Schema
from dcql.compiler import check
from dcql.editing.document import Document, is_library
from dcql.errors import DcqlError, Diagnostic
from dcql.syntax.parser import parse_library

Found = Mapping[Path | None, tuple[Diagnostic, ...]]


def diagnose(document: Document, schema: Schema) -> tuple[Diagnostic, ...]:
    """Return everything that `dcql check` finds in a recipe for a pool of this schema; nothing for one without faults.

    A file of the library is a list of definitions, and is read as that. Imported recipes are read from the disk: what
    is wrong in one has a span of its text.
    """
    try:
        if is_library(document.path):
            parse_library(document.source)
        else:
            check(document.source, schema, path=document.path)
    except DcqlError as error:
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
