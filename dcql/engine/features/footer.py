"""What the footer of a file of values says of them, under one key, as JSON.

Apart from `files`, for it needs no Arrow, whose import takes several times what reading the footers of a pool takes.
"""

import json
from collections.abc import Iterable

from dcql.dataclass import dataclass
from dcql.json_text import parse_json

KEY = "dcql"
# Texts of more are not listed: each is looked for in the list, and footers are to stay small.
_TEXTS, _CHARACTERS = 256, 1 << 14


@dataclass(frozen=True)
class Footer:
    """How many rows a file of values has, how many of them are known and how many failed.

    `texts` are the distinct texts among its values, ascending, and None where they are too many; `least` and `most` of
    its values are the bounds of whole numbers. All are None for values of other types, and in a file that was written
    before they were told; the bounds also where nothing has a value.
    """

    rows: int
    known: int
    failed: int
    texts: tuple[str, ...] | None = None
    least: int | None = None
    most: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every row is known."""
        return self.known == self.rows


def footer_of(content: bytes) -> Footer:
    """Return what `written` wrote. Raises ValueError for anything else."""
    try:
        found = parse_json(content)
        texts = found.get("texts")
        if texts is not None and not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            raise ValueError("`texts` are not texts")
        rows, known, failed = (int(found[name]) for name in ("rows", "known", "failed"))
        least, most = (None if found.get(name) is None else int(found[name]) for name in ("least", "most"))
        return Footer(rows, known, failed, None if texts is None else tuple(texts), least, most)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the footer lacks {error}") from error


def written(footer: Footer) -> str:
    """Return a footer as JSON."""
    names = ("rows", "known", "failed", "texts", "least", "most")
    found = {name: getattr(footer, name) for name in names}
    return json.dumps({name: value for name, value in found.items() if value is not None}, ensure_ascii=False)


def listed(texts: Iterable[str]) -> tuple[str, ...] | None:
    """Return distinct texts as a footer lists them, None where they are too many."""
    ordered = tuple(sorted(texts))
    return ordered if len(ordered) <= _TEXTS and sum(map(len, ordered)) <= _CHARACTERS else None
