"""Recipe text -> statements: what can be said of a text before it is parsed.

One walk over the tokens finds where each statement ends, and everything that no recipe may hold: text that is not
closed, characters and operators of other languages, parentheses that do not match, nesting beyond all reason. Each
statement is then parsed by itself, so that one fault gives one error.
"""

import re
import unicodedata
from dataclasses import dataclass

from dcql.errors import Diagnostic
from dcql.source import Source, Span

MAX_DEPTH = 200
MAX_ERRORS = 20

# Line breaks and tabs are layout. Everything else that is not drawn, or that turns the direction of what is drawn,
# could make a recipe read as something that it is not; a carriage return alone would hide the line before it.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")

# Every character belongs to one token. The groups up to `symbol` are those of the language; the others are faults.
TOKEN = re.compile(
    r"""
    (?P<space>    [ \t\r\n]+ )
  | (?P<comment>  --[^\n]* )
  | (?P<word>     [A-Za-z_][A-Za-z_0-9]*(?!\w) )
  | (?P<number>   (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]) )
  | (?P<text>     '(?:[^'\r\n]|'')*' )
  | (?P<open>     '(?:[^\r\n;]|;(?![ \t]*\r?$))* )
  | (?P<block>    /\*.*?(?:\*/|\Z) )
  | (?P<cast>     ::\s*\w* )
  | (?P<concat>   \|\| )
  | (?P<match>    !?~~?\*? )
  | (?P<equals>   == )
  | (?P<operator> <=> | => | =< | := | && | \|> | \*\* | // | <<|>> | !(?!=) | [&|^?] )
  | (?P<symbol>   <> | != | <= | >= | [-=<>+*/%(),.;] )
  | (?P<digits>   [0-9][\w.]* )
  | (?P<quoted>   "[^"\r\n]*"? | [“”„«»‘’‚][^“”„«»‘’‚'"\r\n]*[“”«»‘’]? )
  | (?P<back>     `[^`\r\n]*`? )
  | (?P<variable> [$:@\#]\w+ | \{\{?\s*\w+\s*\}?\} )
  | (?P<other>    \w+ | . )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
LANGUAGE = frozenset({"space", "comment", "word", "number", "text", "symbol"})

# What to write instead of an operator of another language.
OPERATORS = {
    "<=>": "write `a = b`, or `a IS NULL`",
    "=>": "greater or equal is `>=`",
    "=<": "less or equal is `<=`",
    ":=": "write `DEFINE name AS expression;` or `PARAM name DEFAULT value;`",
    "&&": "write `AND`",
    "&": "write `AND`",
    "|": "write `OR`",
    "!": "write `NOT`, and `<>` for not equal",
    "|>": "write `WITH a AS (..) SELECT uid FROM a`",
    "**": "write `x * x`",
    "//": "a comment starts with `--`, and `/` divides",
    "?": "write `CASE WHEN condition THEN a ELSE b END`",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one statement, without its `;`; a `faulty` one is not worth parsing."""

    start: int
    end: int
    faulty: bool


@dataclass(frozen=True, slots=True)
class Word:
    """A token of a statement, for messages: its group in TOKEN, its text as written, its place."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def upper(self) -> str:
        """The word in capitals, as keywords are compared."""
        return self.text.upper()


def clipped(word: str) -> str:
    """Return `word`, or the start of a long one."""
    return word if len(word) <= 40 else word[:37] + "..."


def words(source: Source, start: int, end: int) -> list[Word]:
    """Return the tokens of a stretch of text, without layout and comments."""
    return [
        Word(match.lastgroup or "", match.group(), match.start(), match.end())
        for match in TOKEN.finditer(source.text, start, end)
        if match.lastgroup not in ("space", "comment")
    ]


def scan(source: Source) -> tuple[list[Statement], list[Diagnostic]]:
    """Return the statements of `source` that are not empty, and what is wrong with its characters."""
    statements: list[Statement] = []
    faults = [_control(source, match) for match in CONTROL.finditer(source.text)][:MAX_ERRORS]
    if faults:
        return [], faults
    text = source.text
    start: int | None = None
    known = 0  # faults before this statement
    parentheses: list[int] = []
    cases = deepest = 0

    def close(end: int) -> None:
        """End the statement at `end`."""
        nonlocal start, known, cases, deepest
        if start is not None:
            if len(faults) == known and parentheses:
                faults.append(_never_closed(source.span(parentheses[-1], parentheses[-1] + 1)))
            statements.append(Statement(start, end, faulty=len(faults) > known))
        start, known, cases, deepest = None, len(faults), 0, 0
        parentheses.clear()

    for match in TOKEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
        kind, word = match.lastgroup or "", match.group()
        if kind == "space" or kind == "comment":
            continue
        if word == ";":
            close(match.start())
            if len(faults) >= MAX_ERRORS:
                break
            continue
        if start is None:
            start = match.start()
        if kind not in LANGUAGE:
            if len(faults) < MAX_ERRORS:
                faults.append(_fault(kind, word, source.span(match.start(), match.end())))
        elif word == ")":
            if parentheses:
                parentheses.pop()
            elif len(faults) == known:
                faults.append(_never_opened(source.span(match.start(), match.end())))
        elif word == "(" or (kind == "word" and word.upper() == "CASE"):
            if word == "(":
                parentheses.append(match.start())
            else:
                cases += 1
            if len(parentheses) + cases > MAX_DEPTH and deepest <= MAX_DEPTH and len(faults) == known:
                faults.append(too_deep(source.span(match.start(), match.end())))
            deepest = max(deepest, len(parentheses) + cases)
        elif cases and kind == "word" and word.upper() == "END":
            cases -= 1
    close(len(text))
    return statements, faults


def too_deep(span: Span) -> Diagnostic:
    """Return the error of an expression or a query inside too many others."""
    help_ = "name the inner parts: DEFINE for an expression, WITH for a query"
    return Diagnostic("E0151", f"nested more than {MAX_DEPTH} deep", span, f"level {MAX_DEPTH + 1}", (help_,))


def _never_closed(span: Span) -> Diagnostic:
    return Diagnostic("E0104", "parenthesis is never closed", span, "no `)` for it in this statement", ("add `)`",))


def _never_opened(span: Span) -> Diagnostic:
    return Diagnostic("E0105", "parenthesis was never opened", span, "no `(` for it in this statement", ("remove it",))


def _control(source: Source, match: re.Match[str]) -> Diagnostic:
    span, code = source.span(match.start(), match.end()), ord(match.group())
    name = "a NUL byte" if code == 0 else f"the control character U+{code:04X}"
    return Diagnostic("E0153", f"the text holds {name}", span, "not a text character", ("remove it",))


def _fault(kind: str, word: str, span: Span) -> Diagnostic:
    """Return the error of a token that is not of the language."""
    helps: tuple[str, ...]
    match kind:
        case "open":
            helps = ("close it with `'`; a quote inside text is doubled: 'it''s'",)
            return Diagnostic("E0103", "text is never closed", span, "text ends on the line where it starts", helps)
        case "quoted":
            inner = clipped(word.strip('"“”„«»‘’‚')).replace("'", "''")
            helps = (f"text: '{inner}'", "a name takes no quotes")
            return Diagnostic("E0110", "text takes single quotes", span, "not single quotes", helps)
        case "back":
            helps = (f"write {clipped(word.strip('`')) or 'the name alone'}",)
            return Diagnostic("E0111", "a name takes no quotes", span, "backquotes are not used here", helps)
        case "block":
            helps = ("start each line of a comment with `--`",)
            return Diagnostic("E0112", "comment in `/* */`", Span(span.source, span.start, span.start + 2), "", helps)
        case "equals":
            return Diagnostic("E0113", "`==` is not an operator", span, "", ("equal is `=`",))
        case "concat":
            helps = ("test the parts: contains(text, 'a') AND contains(text, 'b')",)
            return Diagnostic("E0114", "text cannot be joined", span, "`||` is not an operator", helps)
        case "cast":
            helps = ("write the value alone: a literal takes the type of the other operand",)
            return Diagnostic("E0115", "types cannot be changed", span, "`::` is not an operator", helps)
        case "match":
            helps = ("write regexp_matches(text, 'pattern'), or `text LIKE 'a%'`",)
            return Diagnostic("E0116", f"`{word}` is not an operator", span, "", helps)
        case "operator":
            helps = (OPERATORS[word],) if word in OPERATORS else ()
            return Diagnostic("E0106", f"`{word}` is not an operator", span, "", helps)
        case "digits":
            helps = ("a number is written 0.7, 30, 1000000 or 1e6",)
            return Diagnostic("E0107", f"`{clipped(word)}` is not a number", span, "", helps)
        case "variable":
            name = clipped(word.strip("$:@#{} \t\r\n"))
            helps = (f"a PARAM is used by its bare name: `{name}`",)
            return Diagnostic(
                "E0106", f"`{clipped(word)}` does not belong here", span, "a name has no sign before it", helps
            )
        case _:
            character = next((c for c in word if not c.isascii()), word[0])
            label = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
            helps = ("a name has the letters A to Z, digits and `_`",) if word.isidentifier() else ()
            return Diagnostic("E0106", f"`{clipped(word)}` does not belong here", span, label, helps)
