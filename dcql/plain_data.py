"""Plain data, as JSON and TOML hold it: where two pieces of it differ."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(stated: Any, found: Any, path: str = "", apart: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield where two pieces of plain data differ, one line each: `counts[0].clauses[1].left: 9,242 -> 9,000`."""
    if path in apart:
        return
    if isinstance(stated, Mapping) and isinstance(found, Mapping):
        for name in [*stated, *(name for name in found if name not in stated)]:
            below = f"{path}.{name}" if path else str(name)
            if below in apart:
                continue
            if name not in found:
                yield f"{below}: {_value(stated[name])} -> nothing"
            elif name not in stated:
                yield f"{below}: nothing -> {_value(found[name])}"
            else:
                yield from differences(stated[name], found[name], below, apart)
    elif isinstance(stated, list) and isinstance(found, list):
        if len(stated) != len(found):
            yield f"{path}: {len(stated)} -> {len(found)} entries"
            return
        for place, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from differences(one, other, f"{path}[{place}]", apart)
    elif type(stated) is not type(found) or stated != found:
        yield f"{path}: {_value(stated)} -> {_value(found)}"


def _value(value: Any) -> str:
    if type(value) is int:
        return f"{value:,}"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
