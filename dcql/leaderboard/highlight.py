"""Recipe text in pieces, each with the kind of token that it is, for a page to colour."""

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
    found: list[Piece] = []
    matches = list(TOKEN.finditer(recipe))
    for place, match in enumerate(matches):
        group, text = match.lastgroup or "", match.group()
        kind = ""
        if group == "word":
            following = next((one.group() for one in matches[place + 1 : place + 3] if one.lastgroup != "space"), "")
            kind = _kind(text, following)
        elif group in ("number", "text", "comment"):
            kind = group
        elif group not in LANGUAGE:
            kind = "fault"
        if found and found[-1].kind == kind:
            found[-1] = Piece(kind, found[-1].text + text)
        else:
            found.append(Piece(kind, text))
    return tuple(found)


def _kind(word: str, following: str) -> str:
    # A column may be called first or model: such words are keywords where they are written as one.
    if word.upper() in RESERVED or word in KEYWORDS:
        return "keyword"
    return "call" if following == "(" else "name"
