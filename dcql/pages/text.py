"""Numbers and texts as pages show them."""

import difflib
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

MAX_EDITED_LINES = 1000
# What scripts and emoji are written with, though it cannot be seen: the two joiners.
_JOINERS = "\u200c\u200d"


def count(value: int | None) -> str:
    """Return a number of samples: exact below a million, else with three digits."""
    if value is None:
        return "–"
    if value < 1_000_000:
        return f"{value:,}"
    for size, letter in ((10**9, "B"), (10**6, "M")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    raise AssertionError("no number is left")


def percent(part: int, whole: int) -> str:
    """Return a share in per cent: to a tenth, or with three digits below that."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 0.1 or not part else f"{share:.3g} %"


def decimal(text: str) -> str:
    """Return the value of a PARAM, a fraction, as a decimal where it is one: 3/10 as 0.3."""
    numerator, slash, denominator = text.partition("/")
    if not (slash and numerator.lstrip("-").isdecimal() and denominator.isdecimal()):
        return text
    value = Fraction(text)
    for digits in range(1, 13):
        if (value * 10**digits).denominator == 1:
            return str(Decimal(value.numerator) / Decimal(value.denominator))
    return text


def short(digest: str) -> str:
    """Return a digest as it fits into a line: its kind and twelve digits."""
    kind, _, digits = digest.partition(":")
    return f"{kind}:{digits[:12]}…" if len(digits) > 12 else digest


def visible(text: str) -> str:
    """Escape characters that cannot be seen, or that turn the text around them, so that a page shows what is there.

    Line breaks, tabs and joiners stay.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if _is_hidden(c) else c for c in text)


def _is_hidden(character: str) -> bool:
    if character.isprintable() or character in "\n\t" or character in _JOINERS:
        return False
    # Spaces of other widths are not printable for Python, and can be seen.
    return unicodedata.category(character) != "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


@dataclass(frozen=True, slots=True)
class Edit:
    """A line of a comparison of two recipes: `sign` is +, - or a space, or @ where lines were left out."""

    sign: str
    text: str


def edits(theirs: str, ours: str) -> tuple[Edit, ...]:
    """Return how one recipe becomes another, line by line, with three lines around each change.

    Nothing is returned for recipes of more than MAX_EDITED_LINES: comparing takes the square of their length.
    """
    before, after = theirs.splitlines(), ours.splitlines()
    if len(before) + len(after) > MAX_EDITED_LINES:
        return ()
    lines = list(difflib.unified_diff(before, after, lineterm="", n=3))[2:]
    if lines and lines[0].startswith("@@ -1"):
        lines = lines[1:]  # nothing was left out
    return tuple(Edit("@", "") if line.startswith("@@") else Edit(line[0], line[1:]) for line in lines)
