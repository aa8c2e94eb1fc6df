"""Values of TOML tables, each of the type that it must have; TypeError says which is not."""

from collections.abc import Mapping
from typing import Any


def table_of(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the table called `name`. Raises TypeError."""
    return value_of(data, name, dict)  # type: ignore[no-any-return]


def text_of(data: Mapping[str, Any], name: str) -> str:
    """Return the text called `name`. Raises TypeError."""
    return value_of(data, name, str)  # type: ignore[no-any-return]


def whole_of(data: Mapping[str, Any], name: str) -> int:
    """Return the whole number called `name`. Raises TypeError."""
    return value_of(data, name, int)  # type: ignore[no-any-return]


def texts_of(data: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return a table whose values are texts; an empty one where there is none. Raises TypeError."""
    table = table_of(data, name) if name in data else {}
    return {key: text_of(table, key) for key in table}


def list_of(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return an array of texts. Raises TypeError."""
    texts = value_of(data, name, list)
    if not all(type(text) is str for text in texts):
        raise TypeError(f"`{name}`")
    return tuple(texts)


def rows_of(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return an array of tables; an empty one where there is none. Raises TypeError."""
    rows = value_of(data, name, list) if name in data else []
    if not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"`{name}`")
    return rows


def value_of(data: Mapping[str, Any], name: str, type_: type) -> Any:
    """Return the value called `name`, which is of exactly this type. Raises TypeError."""
    value = data.get(name)
    # TOML's booleans are not its integers.
    if type(value) is not type_:
        raise TypeError(f"`{name}`")
    return value
