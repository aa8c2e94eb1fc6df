"""A statement that the grammar does not allow -> what is wrong with it, in the words of a user."""

from dcql.errors import Diagnostic
from dcql.source import Source
from dcql.syntax.scan import Word


def explain(source: Source, words: list[Word], offset: int, accepted: set[str]) -> Diagnostic:
    """Return the diagnostic of a statement whose `words` cannot go on at `offset`, where only `accepted` may stand."""
    found = next((word for word in words if word.start >= offset), None)
    if found is None:
        return Diagnostic("E0102", "unexpected end", source.span(words[-1].end, words[-1].end), str(sorted(accepted)))
    return Diagnostic("E0101", f"unexpected `{found.text}`", source.span(found.start, found.end), str(sorted(accepted)))
