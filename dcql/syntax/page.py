"""grammar.lark -> docs/grammar.md: the grammar as a page to read.

python -m dcql.syntax.page > docs/grammar.md
"""

import re

from dcql.syntax.build import GRAMMAR
from dcql.syntax.vocabulary import RESERVED

_HEADING = re.compile(r"// --- ([\w, ]+?) -+$")
_RULE = re.compile(r"\??(\w+):\s+(.*)")
_TOKEN = re.compile(r"([A-Z]\w*)(?:\.\d+)?:\s+(.*)")
_NAME = re.compile(r'"[^"]*"|[A-Za-z_]\w*')
_HEAD = """# The grammar

Generated from [grammar.lark](../dcql/syntax/grammar.lark), from which the parser is generated too:
`python -m dcql.syntax.page`. [language.md](language.md) explains the language by examples, [semantics.md](semantics.md)
says what everything means.

How to read it: words in `CAPITALS` are keywords, in upper or lower case alike; `'('` is the character itself; `[x]` is
optional, `x*` any number of times, `x+` at least once, `a | b` a choice. The rules for expressions go from what binds
loosest to what binds tightest. A file is statements, each ended by `;`, which the last one may leave out.
"""
# What a keyword's line says is its own name; these say more.
_WORDS = {
    "UID": "the word `uid`, in small letters",
    "Q": "the letter `q`, before a parenthesis",
    "FIT": "the word `FIT`, not before a parenthesis",
}


def page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, lines in _sections(GRAMMAR.read_text(encoding="utf-8")):
        body = "\n".join(_tokens(lines) if title == "tokens" else _rules(lines))
        parts.append(f"## {title[0].upper()}{title[1:]}\n\n{body}")
    return "\n".join(parts)


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Return the headings of the grammar, with the lines below each; what starts a statement comes first."""
    found: list[tuple[str, list[str]]] = [("statements", [])]
    for line in text.replace("\\\n", " ").split("\n"):
        heading = _HEADING.match(line)
        if heading:
            found.append((heading[1], []))
        elif found[0][1] or not line.startswith("//"):
            found[-1][1].append(line)
    return found


def _rules(lines: list[str]) -> list[str]:
    """Write rules, each with its choices below each other, and the comments between them as text."""
    written: list[str] = []
    inside = False

    def turn(to: bool) -> None:
        nonlocal inside
        if to != inside:
            written.extend(["", "```ebnf"] if to and written else ["```ebnf"] if to else ["```", ""])
        inside = to

    for line in lines:
        if line.startswith("//"):
            turn(False)
            written.append(_prose(line.removeprefix("//").strip()))
            continue
        rule, _, comment = line.partition("  //")
        rule = _plain(rule)
        if not rule.strip():
            continue
        turn(True)
        named = _RULE.match(rule)
        text = f"{named[1]:<16} = {named[2]}" if named else f"{'':<16} {rule.strip()}"
        written.append(f"{text:<64}  (* {comment.strip()} *)" if comment else text.rstrip())
    turn(False)
    return written


def _prose(text: str) -> str:
    """Write a comment; what is an example of the language is shown as such."""
    return f"`{text}`" if re.match(r"[A-Z]{4,} \w+\(", text) else text


def _plain(rule: str) -> str:
    """Write a line of the grammar without what is for the parser alone."""
    rule = re.sub(r"\s*->\s*\w+\s*$", "", rule).rstrip()
    rule = re.sub(r"(?<=\S) {2,}(?=\[)", " ", rule)  # a line that goes on in the next one
    return _NAME.sub(lambda found: f"'{found[0][1:-1]}'" if found[0].startswith('"') else found[0], rule)


def _tokens(lines: list[str]) -> list[str]:
    """Write what tokens look like, and list the keywords."""
    rows, keywords = [], []
    for line in lines:
        found = _TOKEN.match(line)
        if found is None:
            continue
        name, form = found.groups()
        if form.upper() == f"/{name}\\B/I":
            keywords.append(name)
        elif name == "NAME":
            rows.append((name, "`[A-Za-z_][A-Za-z_0-9]*`, but for the reserved words; upper and lower case differ"))
        elif name in _WORDS:
            rows.append((name, _WORDS[name]))
        elif form.startswith("/"):
            rows.append((name, f"`{form.strip('/')}`".replace("|", "\\|")))
        else:
            rows.append((name, " ".join(f"`{one}`" for one in re.findall(r'"([^"]+)"', form))))
    table = ["| token | what it is |", "|---|---|", *(f"| {name} | {form} |" for name, form in rows)]
    free = [word for word in keywords if word not in RESERVED]
    return [
        *table,
        "",
        "Spaces, tabs, line ends and comments, from `--` to the end of the line, separate tokens.",
        "",
        f"Reserved words, which are never names: {_listed(sorted(RESERVED))}.",
        "",
        f"Words that are keywords only where the grammar asks for them, and names elsewhere: {_listed(free)}.",
        "",
    ]


def _listed(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    print(page(), end="")
