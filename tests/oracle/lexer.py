"""Text -> tokens (SEMANTICS §6)."""

import re
from dataclasses import dataclass

from .errors import OracleError

MAX_BYTES = 1_000_000
MAX_DEPTH = 200

TOKEN = re.compile(
    r"""
      (?P<blank>\s+|--[^\n]*)
    | (?P<number>(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?(?![A-Za-z_0-9]))
    | (?P<name>[A-Za-z_][A-Za-z_0-9]*)
    | (?P<string>'([^']|'')*')
    | (?P<operator>>=|<=|<>|!=|[=<>+\-*/%(),;.])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # number, name, string, operator, end
    text: str  # a string's text is unquoted

    @property
    def word(self) -> str:
        """The keyword this token may be: upper case, empty when it is no name."""
        return self.text.upper() if self.kind == "name" else ""


def tokens(text: str) -> list[Token]:
    """Cut a recipe into tokens, an 'end' token last; raises E01."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise OracleError("E01", "the recipe is larger than 1 MB")
    result: list[Token] = []
    place = depth = 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise OracleError("E01", f"cannot read {text[place : place + 10]!r}")
        place = match.end()
        kind, token = str(match.lastgroup), match.group()
        if kind == "blank":
            continue
        if kind == "string":
            token = token[1:-1].replace("''", "'")
        if kind == "operator":
            depth += (token == "(") - (token == ")")
            if depth > MAX_DEPTH:
                raise OracleError("E01", "parentheses are nested deeper than 200")
        result.append(Token(kind, token))
    result.append(Token("end", ""))
    return result
