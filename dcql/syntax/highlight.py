"""Recipe text in pieces, each with the kind of token that it is, for a page to colour."""

import itertools
import re
from dataclasses import dataclass

from dcql.syntax.scan import LANGUAGE, TOKEN
from dcql.syntax.vocabulary import KEYWORDS, RESERVED


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of recipe text: keyword, call, name, number, text, comment, or "" for what takes no colour."""

    kind: str
    text: str


def pieces(recipe: str) -> tuple[Piece, ...]:
    """Cut a recipe into pieces, which together are the text again, whatever the text is."""
    matches = list(TOKEN.finditer(recipe))
    kinds = (_kind(matches, place) for place in range(len(matches)))
    runs = itertools.groupby(zip(kinds, matches, strict=True), key=lambda each: each[0])
    return tuple(Piece(kind, "".join(match.group() for _, match in run)) for kind, run in runs)


def _kind(matches: list[re.Match[str]], place: int) -> str:
    """Return the kind of a token, which for a name depends on what follows it."""
    group, text = matches[place].lastgroup or "", matches[place].group()
    if group == "word":
        following = next((one.group() for one in matches[place + 1 : place + 3] if one.lastgroup != "space"), "")
        # A column may be called first or model: such words are keywords where they are written as one.
        if text.upper() in RESERVED or text in KEYWORDS:
            return "keyword"
        return "call" if following == "(" else "name"
    if group in ("number", "text", "comment"):
        return group
    return "" if group in LANGUAGE else "fault"
