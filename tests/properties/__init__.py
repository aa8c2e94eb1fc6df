"""Small random pools for random recipes: every kind of value that a rule has to deal with, and ties."""

import random
import re
from functools import cache
from typing import Any

import pools
from conformance import Ready, make_ready

NAN, INFINITY = float("nan"), float("inf")
# The columns of tests/generate.py: DataComp's, and quality, flag and grp.
TYPES = {name: type_ for name, type_ in pools.TYPES.items() if name not in ("score", "safe", "rating")} | {
    "quality": "float64",
    "flag": "bool",
}
SCORES: list[list[Any]] = [
    [None, NAN, -0.0, 0.0, 0.25, 0.28, 0.3, 0.5, 1.0, 12.5, INFINITY, -INFINITY],
    [0.1, 0.2, 0.28, 0.5, None],
    [0.25 + step / 4096 for step in range(5)],
]
NUMBERS: list[list[Any]] = [
    [None, 0, 1, 2, 200, 300, -1, 7, 640, -7],
    [2**63 - 1, -(2**63), 2**62, 2**53 + 1, 0, 1, -1, None],
    [1, 2, 200, 300],
]
TEXTS = [*pools.ODD_CAPTIONS, "cat", "a cat", "en", "it's", "a_b", "-- no", "%cat%", "日本"]
COUNT = 16


def random_pool(number: int) -> pools.Pool:
    """Make the pool of this number: 0 to 40 samples, few distinct values a column."""
    r = random.Random(number)
    rows = r.choice([0, 1, 5, 12, 20, 30, 40])
    scores, numbers = r.choice(SCORES), r.choice(NUMBERS)

    def some(values: list[Any]) -> list[Any]:
        return [r.choice(values) for _ in range(rows)]

    columns = {
        "uid": [pools.md5_uid(row, f"{number}/") for row in range(rows)],
        "url": some(["", "cat", "en", "a_b", None]),
        "text": some(TEXTS),
        "original_width": some(numbers),
        "original_height": some(numbers),
        "clip_b32_similarity_score": some(scores),
        "clip_l14_similarity_score": some(scores),
        "face_bboxes": [[] for _ in range(rows)],
        "sha256": some(["a", "b", "c", None]),
        "grp": some([None, 0, 1, 2, 300]),
        "quality": some([*scores, 1e308, -1e308, 5e-324]),
        "flag": some([None, True, False]),
    }
    return pools.Pool(columns, TYPES)


@cache
def small(number: int) -> Ready:
    """Return the pool of this number, written and opened."""
    return make_ready(f"small{number}", random_pool(number), pools.Layout(files=1 + number % 3, row_group=8))


@cache
def laid_out(number: int, layout: str) -> Ready:
    """Return the same samples in other files."""
    return make_ready(f"small{number}.{layout}", random_pool(number), pools.LAYOUTS[layout])


COMMENT = re.compile(r"--[^\n]*\n")
# What a sign follows where it is no operation: an operator, an opening or a keyword.
BEFORE_A_SIGN = re.compile(r"(?:[(,=<>*/%+-]|\b(?:AND|OR|NOT|BETWEEN|WHEN|THEN|ELSE|WHERE|BY|AS))\s*$")


def for_the_oracle(text: str) -> str:
    """Return a recipe as the oracle reads it.

    Its LIMIT takes a number or a PARAM, not an operation on them; and `+x` is 0 + x to it, which is NULL where x is
    infinite, while to dcql a plus sign says nothing.
    """
    space = r"(?:\s|--[^\n]*\n)+"
    text = re.sub(rf"\b5{space}\*{space}2\b", "10", text)
    first, *rest = text.split("+")
    for part in rest:
        sign = BEFORE_A_SIGN.search(COMMENT.sub(" ", first)) is not None
        first += part if sign else f"+{part}"
    return first
