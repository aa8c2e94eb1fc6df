"""What an editor can write in place of what is wrong."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from dcql.catalog.types import Schema
from dcql.editing.diagnosing import diagnose
from dcql.editing.document import Document, text_of
from dcql.errors import Diagnostic
from dcql.lints import fixed
from dcql.source import Span
from dcql.syntax.formatter import formatted
from dcql.syntax.scan import TOKEN

_SIMILAR = re.compile(r"a similar (?:name|PARAM) exists: `([A-Za-z_][A-Za-z_0-9]*)`\Z")
_SIMILAR_FILE = re.compile(r"a similar file exists: `(.+)`\Z")
_DIGEST = re.compile(r"if the file is right, write SHA256 '([0-9a-f]{64})'\Z")


@dataclass(frozen=True, slots=True)
class Repair:
    """Texts that take the place of spans; `safe` where the recipe means what it did before."""

    title: str
    edits: tuple[tuple[Span, str], ...]
    safe: bool = False


def repairs(diagnostic: Diagnostic) -> tuple[Repair, ...]:
    """Return what can be written in place of what a diagnostic is about: its own fix, and what its helps name."""
    if diagnostic.span is None:
        return ()
    found = []
    if diagnostic.fix is not None:
        edits = tuple((edit.span, edit.text) for edit in diagnostic.fix.edits)
        found.append(Repair(diagnostic.fix.title, edits, safe=True))
    for help_ in diagnostic.helps:
        if similar := _SIMILAR.match(help_):
            if (wrong := _wrong_name(diagnostic.message, diagnostic.span)) is not None:
                found.append(Repair(f"write `{similar.group(1)}`", ((wrong, similar.group(1)),)))
        elif similar := _SIMILAR_FILE.match(help_):
            path = PurePosixPath(text_of(diagnostic.span.text)).parent / similar.group(1)
            quoted = path.as_posix().replace("'", "''")
            found.append(Repair(f"write '{quoted}'", ((diagnostic.span, f"'{quoted}'"),)))
        elif digest := _DIGEST.match(help_):
            title = f"write the digest that the file has: {digest.group(1)[:12]}.."
            found.append(Repair(title, ((diagnostic.span, f"'{digest.group(1)}'"),)))
    return tuple(found)


def _wrong_name(message: str, span: Span) -> Span | None:
    """Return the place of the name that a message is about, None where its span does not hold it just once."""
    for name in reversed(re.findall(r"`([A-Za-z_][A-Za-z_0-9]*)`", message)):
        places = [match.start() for match in TOKEN.finditer(span.text) if match.group() == name]
        if len(places) == 1:
            return span.source.span(span.start + places[0], span.start + places[0] + len(name))
    return None


def formatting(document: Document) -> tuple[tuple[int, int, str], ...]:
    """Return the edit that gives a recipe its canonical form, as start, end and text; none where it has it.

    Line endings are left to the editor. Raises RecipeError for a text that has faults.
    """
    before = document.source.text
    after = formatted(document.source)
    return _changed(before, after.replace("\n", "\r\n") if "\r\n" in before else after)


def all_fixes(document: Document, schema: Schema) -> tuple[tuple[int, int, str], ...]:
    """Return the edit that applies every fix of a recipe's lints, as `dcql check --fix` does; none without fixes."""
    after, _ = fixed(document.source, lambda source: diagnose(replace(document, source=source), schema))
    return _changed(document.source.text, after.text)


def _changed(before: str, after: str) -> tuple[tuple[int, int, str], ...]:
    """Return the edit that makes one text of another."""
    if before == after:
        return ()
    # Lines that stay at both ends are left alone, so that a cursor there stays where it is.
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    start = sum(map(len, old[:first]))
    end = len(before) - sum(map(len, old[len(old) - last :]))
    return ((start, end, "".join(new[first : len(new) - last])),)
