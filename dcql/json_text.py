"""JSON that others wrote."""

import json
import math
from collections import Counter
from typing import Any, NoReturn

_MOST = 1 << 64  # no count is larger; a larger number could not become a float


def parse_json(text: str | bytes) -> Any:
    """Return the value that a text of JSON has; bytes are UTF-8.

    Raises ValueError for anything else: also for what Python's own parser takes, and what could not be written again
    or would mean two things. These are NaN and infinities, whole numbers of more than 64 bits, a name that stands twice
    in an object, half of a character, and lists in lists without end.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    try:
        value = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_constant, object_pairs_hook=_object
        )
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    # A text that was decoded can hold half of a character only by its escape.
    if "\\" in text and not _is_text(value):
        raise ValueError("it holds half a character")
    return value


def _whole(text: str) -> int:
    number = int(text) if len(text) <= 21 else _MOST
    if abs(number) >= _MOST:
        raise ValueError(f"{text[:20]}.. is a number of more than 64 bits")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"`{twice}` stands twice in one object")
    return found


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
