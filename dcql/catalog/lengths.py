"""Lengths of texts: what `dcql pool add` counts in each caption, so that no run has to read it for that."""

from collections.abc import Iterable

from dcql.catalog.types import Column, Type

# The functions of one text whose values are kept. Each means what its row in `catalog.functions` says.
LENGTHS = ("code_points", "python_words", "fasttext_words")

# Of the file that holds them. One of another version is not read, and `dcql pool add` makes it anew.
LENGTHS_VERSION = 1
LENGTHS_FILE = "lengths.parquet"

# Columns of DataComp's whose texts are names, addresses and digests: nobody asks how long one is.
_UNCOUNTED = frozenset({"uid", "url", "sha256"})


def counted_columns(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the names of the columns whose lengths are kept: of text, in their order."""
    return tuple(one.name for one in columns if one.type is Type.TEXT and one.name not in _UNCOUNTED)


def length_name(function: str, column: str) -> str:
    """Return what the length of a column by a function is called: the call."""
    return f"{function}({column})"
