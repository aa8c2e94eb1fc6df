"""Small pools to work out by hand, and short ways to ask what a recipe keeps of them."""

import re
from typing import Any

from pools import Pool

from . import select
from .errors import OracleError

INT, FLOAT, DOUBLE, TEXT, BOOL = "int64", "float32", "float64", "string", "bool"


# What begins with none of these is the condition of a WHERE.
RECIPE = re.compile(r"[\s(]*(SELECT|WITH|DEFINE|PARAM|SET|IMPORT|TABLE|DCQL)", re.IGNORECASE)


def uid(number: int) -> bytes:
    return number.to_bytes(16, "big")


def pool_of(**columns: tuple[str, list[Any]]) -> Pool:
    """Make a pool of samples 0, 1, 2 .. from (type, values) columns."""
    rows = len(next(iter(columns.values()))[1])
    data = {"uid": [uid(i).hex() for i in range(rows)]} | {name: values for name, (_, values) in columns.items()}
    return Pool(data, {"uid": TEXT} | {name: type_ for name, (type_, _) in columns.items()})


def kept(recipe: str, pool: Pool, **options: Any) -> list[int]:
    """Return the numbers of the samples a recipe keeps, each once for every copy."""
    if not RECIPE.match(recipe):
        recipe = f"SELECT uid FROM pool WHERE {recipe}"
    bag = select(recipe, pool, **options)
    return [int.from_bytes(one, "big") for one in sorted(bag) for _ in range(bag[one])]


def refused(recipe: str, pool: Pool, **options: Any) -> str:
    """Return the code a recipe is refused with."""
    try:
        found = kept(recipe, pool, **options)
    except OracleError as error:
        return error.code
    raise AssertionError(f"not refused, but kept {found}: {recipe}")


def five_samples() -> Pool:
    """Five samples: x is 1 2 3 4 NULL; g is 1 1 2 2 NULL; t is a b NULL A ''."""
    return pool_of(
        x=(INT, [1, 2, 3, 4, None]),
        g=(INT, [1, 1, 2, 2, None]),
        f=(FLOAT, [0.25, 0.25, float("nan"), -0.0, 0.5]),
        d=(DOUBLE, [0.1, 1e308, -1e308, None, 5e-324]),
        t=(TEXT, ["a", "b", None, "A", ""]),
        b=(BOOL, [True, False, None, True, False]),
    )
