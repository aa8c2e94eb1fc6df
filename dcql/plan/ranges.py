"""Several values of PARAMs as text: what `--set` gives to `dcql sweep`."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from dcql.errors import Diagnostics
from dcql.plan.constants import read_number

MOST_VARIANTS = 64
_MOST_WRITTEN = 1000

_FORM = "0.1..0.5:0.05"


def combinations(given: Mapping[str, str]) -> tuple[dict[str, str], ...]:
    """Return each combination of the values that are given for PARAMs, as settings of one value each.

    A text is values with commas between: values as `--set` takes them elsewhere, and ranges `from..to:step`. A range
    holds `from`, and every whole number of steps above it up to `to`, in exact decimals. A value that comes again is
    taken once. The first PARAM changes slowest.

    Raises RecipeError for a text of another form, and for fewer combinations than 2 or more than MOST_VARIANTS.
    """
    diagnostics = Diagnostics()
    pieces = {name: [_Piece(name, text, diagnostics) for text in _split(value)] for name, value in given.items()}
    diagnostics.raise_any()
    counts = [sum(piece.count for piece in each) for each in pieces.values()]
    values: list[list[str]] = []
    # A range may hold more than can be written out.
    if max(counts, default=0) <= _MOST_WRITTEN:
        values = [_distinct(value for piece in each for value in piece.values()) for each in pieces.values()]
        counts = [len(each) for each in values]
    _refuse_count(counts, diagnostics)
    diagnostics.raise_any()
    return tuple(dict(zip(given, chosen, strict=True)) for chosen in itertools.product(*values))


def _split(text: str) -> list[str]:
    """Part a text at its commas, but for those in quotes."""
    parts = [""]
    quoted = False
    for character in text:
        quoted ^= character == "'"
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


class _Piece:
    """What stands between two commas: one value, or a range; `count` says how many values."""

    def __init__(self, name: str, text: str, diagnostics: Diagnostics) -> None:
        self._text = text
        self._range: tuple[Fraction, Fraction] | None = None
        self.count = 1
        what = f"`--set {name}={text}`"
        if not text:
            helps = (f"write values with commas between, as in `--set {name}=0.1,0.3`",)
            diagnostics.add("E1401", f"`--set {name}=..`: a value is missing", None, "nothing stands there", helps)
        elif ".." in text and not text.startswith("'"):
            self._read(name, what, diagnostics)

    def _read(self, name: str, what: str, diagnostics: Diagnostics) -> None:
        """Read a range."""
        helps: tuple[str, ...] = (f"write `--set {name}={_FORM}`: from, to and a step above 0",)
        start, _, rest = self._text.partition("..")
        end, colon, step = rest.partition(":")
        try:
            low, high, by = _number(start), _number(end), _number(step)
        except ValueError:
            label = "each of the three is a number" if colon else "a range has a step"
            helps = (*helps, f"for text, write quotes: `--set \"{name}='..'\"`")
            diagnostics.add("E1401", f"{what} is no range", None, label, helps)
            return
        if by <= 0 or low > high:
            label = "its step is not above 0" if by <= 0 else "it ends before it begins"
            diagnostics.add("E1401", f"{what} holds no value", None, label, helps)
            return
        self._range = low, by
        self.count = math.floor((high - low) / by) + 1

    def values(self) -> Iterator[tuple[Fraction | str, str]]:
        """Yield what tells a value apart, and the value as text."""
        if self._range is None:
            try:
                yield _number(self._text), self._text
            except ValueError:
                yield self._text, self._text
            return
        low, by = self._range
        for value in (low + number * by for number in range(self.count)):
            yield value, _decimal(value)


def _distinct(values: Iterable[tuple[Fraction | str, str]]) -> list[str]:
    found: dict[Fraction | str, str] = {}
    for value, text in values:
        found.setdefault(value, text)
    return list(found.values())


def _number(text: str) -> Fraction:
    value = read_number(text.strip()).value
    assert value is not None
    return value


def _decimal(value: Fraction) -> str:
    """Write a number that has finitely many decimals with just these."""
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    whole = str(abs(value) * 10**digits).rjust(digits + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{whole[:-digits]}.{whole[-digits:]}" if digits else whole)


def _refuse_count(counts: list[int], diagnostics: Diagnostics) -> None:
    product = math.prod(counts)
    if product < 2:
        label = "each PARAM has one value" if counts else "no PARAM is given"
        helps = (f"give one several values: `--set keep={_FORM}` or `--set keep=0.1,0.3`",)
        diagnostics.add("E1402", "nothing to sweep over", None, label, helps)
    elif product > MOST_VARIANTS:
        several = [_large(count) for count in counts if count > 1]
        label = f"{MOST_VARIANTS} is the most" + (
            f"; the values make {' × '.join(several)}" if len(several) > 1 else ""
        )
        helps = ("take larger steps, or sweep over one PARAM at a time",)
        diagnostics.add("E1403", f"{_large(product)} variants are too many", None, label, helps)


def _large(count: int) -> str:
    """Write a count that may have thousands of digits."""
    return f"{count:,}" if count < 10**9 else "more than a billion"
