"""Diagnostics: what is wrong, where, why here, and what to write instead.

    DcqlError            every error that dcql raises on purpose; carries one or more diagnostics
    ├── RecipeError      the recipe (or a file it names) is wrong; exit code 2
    ├── LintError        the recipe has lints, and was to have none; exit code 1
    ├── LockError        a lock would change, or does not hold; exit code 3
    └── RunError         pool, models or the run itself failed; exit code 1

A diagnostic is data; it is drawn by `render` as plain text, once, at the edge. A lint is a diagnostic too: a warning.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from dcql.dataclass import dataclass
from dcql.displayed import Displayed
from dcql.source import Span

MAX_FOUND = 20


@dataclass(frozen=True)
class Edit:
    """Text that takes the place of a span; an empty one removes it."""

    span: Span
    text: str


@dataclass(frozen=True)
class Fix:
    """Edits of a recipe that keep what it means and every comment; `title` says what they do, such as "remove it"."""

    title: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class Diagnostic(Displayed):
    """One error or warning: a code of `dcql.codes`, a terse message, and the span it is about.

    `message` says what is wrong, `label` why it is wrong at this place, `helps` what to write instead. `fix` is what
    can be written without a thought, None where that would change what the recipe means.
    Raises KeyError for a code that has no row in `dcql.codes`.
    """

    code: str
    message: str
    span: Span | None = None
    label: str = ""
    helps: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "error"
    fix: Fix | None = None

    def __post_init__(self) -> None:
        from dcql.codes import CODES  # most commands print no error, and there are many codes

        CODES[self.code]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnostic as plain data; positions are 1-based lines and columns in code points."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "span": _place(self.span) if self.span is not None else None,
            "label": self.label,
            "help": list(self.helps),
            "fix": {
                "title": self.fix.title,
                "edits": [{"span": _place(edit.span), "text": edit.text} for edit in self.fix.edits],
            }
            if self.fix is not None
            else None,
        }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


class DcqlError(Displayed, Exception):
    """The base of all errors of dcql: one or more diagnostics."""

    exit_code = 1

    def __init__(self, *diagnostics: Diagnostic) -> None:
        if not diagnostics:
            raise ValueError("an error needs a diagnostic")
        self.diagnostics = diagnostics
        super().__init__(render(diagnostics))

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints in place of a traceback, which would say nothing of the recipe."""
        return [str(self)]


class RecipeError(DcqlError):
    """The recipe, or a set or recipe that it names, is wrong."""

    exit_code = 2


class LintError(DcqlError):
    """The recipe has lints, and was to have none."""

    exit_code = 1


class LockError(DcqlError):
    """A lock would change, or what it records does not hold."""

    exit_code = 3


class RunError(DcqlError):
    """A pool, a model or the run itself failed."""

    exit_code = 1


def raise_all(faults: Sequence[DcqlError]) -> None:
    """Raise one error with the diagnostics of all, once each; do nothing without any.

    It is a RecipeError where one of them is, for that is mended first, else of the kind of the first.
    """
    if faults:
        kind = next((type(one) for one in faults if isinstance(one, RecipeError)), type(faults[0]))
        raise kind(*dict.fromkeys(diagnostic for one in faults for diagnostic in one.diagnostics))


@dataclass
class Diagnostics:
    """Collects the diagnostics of a phase, so that all errors of a recipe are reported at once."""

    found: list[Diagnostic] = field(default_factory=list)

    def add(
        self, code: str, message: str, span: Span | None = None, label: str = "", helps: Iterable[str] = ()
    ) -> None:
        """Record a diagnostic. Raises RecipeError for one more than MAX_FOUND: looking for more takes long."""
        if len(self.found) >= MAX_FOUND:
            *first, last = self.found
            more = f"only the first {len(self.found)} errors are shown"
            self.found = [*first, replace(last, helps=(*last.helps, more))]
            self.raise_any()
        self.found.append(Diagnostic(code, message, span, label, tuple(helps)))

    def raise_any(self) -> None:
        """Raise RecipeError with everything recorded, in the order of the text; do nothing without any."""
        if self.found:
            unique = dict.fromkeys(self.found)
            raise RecipeError(*sorted(unique, key=lambda d: (d.span.source.name, d.span.start) if d.span else ("", -1)))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` most likely meant, or None."""
    known = list(known)
    folded = {name.lower(): name for name in known}
    if word.lower() in folded:
        return folded[word.lower()]
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return close[0] if close else None


def render(diagnostics: Iterable[Diagnostic]) -> str:
    """Draw diagnostics as plain text, one block each, with the line and a caret under the words."""
    return "\n\n".join(_render_one(diagnostic) for diagnostic in diagnostics)


def _render_one(diagnostic: Diagnostic) -> str:
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {printable(diagnostic.message)}"]
    margin = " "
    span = diagnostic.span
    if span is not None:
        line, column = span.source.position(span.start)
        end_line, end_column = span.source.position(span.end)
        shown = span.source.line(line)
        width = (end_column if end_line == line else len(shown) + 1) - column
        # A line longer than a screen is cut around the words that matter.
        left = max(0, column - 1 - 60) if len(shown) > 160 else 0
        before = column - 1 - left
        margin = " " * (len(str(line)) + 1)
        caret = "^" * max(1, min(width, 160 - before))
        lines += [
            f"{margin[:-1]}--> {printable(span.source.name)}:{line}:{column}",
            f"{margin}|",
            f"{line} | {_visible(shown[left : left + 160])}",
            f"{margin}| {' ' * before}{caret} {printable(diagnostic.label)}".rstrip(),
        ]
    elif diagnostic.label:
        lines += [f"  {printable(line)}" for line in diagnostic.label.split("\n")]
    for text in diagnostic.helps:
        first, *rest = text.split("\n")
        lines.append(f"{margin}= help: {printable(first)}")
        lines += [f"{margin}        {printable(more)}" for more in rest]
    if diagnostic.fix is not None:
        lines.append(f"{margin}= fix: {printable(diagnostic.fix.title)}")
    return "\n".join(lines)


def _visible(text: str) -> str:
    """Replace tabs and control characters by one visible character each, so that carets stay in place."""
    return "".join(" " if c == "\t" else c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def printable(text: str) -> str:
    """Escape control characters, so that text out of a recipe or a pool cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
