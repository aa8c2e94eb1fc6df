"""The colours of recipes in editors: a TextMate grammar, made of the words that the language knows.

`python -m dcql.syntax.textmate > editors/vscode/syntaxes/dcql.tmLanguage.json` writes it; `make grammar` does.

A grammar of this kind sees a line at a time, and no tree. Words that are never names are keywords in any case. The
others are where they are written in capitals, where another word follows that is none of the language's (two names
never stand side by side), and in the pairs of `_PAIRS`.
"""

import json
from typing import Any

from dcql.syntax.vocabulary import KEYWORDS, RESERVED

SCOPE = "source.dcql"

STATEMENTS = frozenset({"DEFINE", "PARAM", "SET", "IMPORT", "MODEL", "FEATURE", "ASSET", "TABLE", "DCQL"})
OPERATORS = frozenset({"AND", "OR", "NOT", "IN", "IS", "LIKE", "BETWEEN"})
CONSTANTS = frozenset({"TRUE", "FALSE", "NULL"})
_PAIRS = (
    ("NULLS", "FIRST"),
    ("NULLS", "LAST"),
    ("DISTINCT", "ON"),
    ("EXPECT", "KEPT"),
    ("UNION", "ALL"),
    ("AS", "FIT"),
    ("AS", "COPIES"),
    ("WEIGHT", "BY"),
    ("LEFT", "JOIN"),
)
_TEXT = "string.quoted.single.dcql"
_NAME = "[A-Za-z_][A-Za-z_0-9]*"
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z_0-9.])"


def scope_of(word: str) -> str:
    """Return the scope of a keyword, given in capitals."""
    if word in STATEMENTS:
        return "keyword.declaration.dcql"
    if word in OPERATORS:
        return "keyword.operator.word.dcql"
    return "constant.language.dcql" if word in CONSTANTS else "keyword.control.dcql"


def grammar() -> dict[str, Any]:
    """Return the grammar as plain data."""
    return {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "name": "DCQL",
        "scopeName": SCOPE,
        "fileTypes": ["dcql"],
        "comment": "Made by `make grammar` from the words of the language; changes here are lost.",
        "patterns": [
            {"include": f"#{part}"}
            for part in ("comment", "text", "declaration", "stage", "number", "quantile", "keyword", "name", "symbol")
        ],
        "repository": {
            "comment": _rule("comment.line.double-dash.dcql", "--.*$"),
            "text": {"patterns": _text()},
            "declaration": _declaration(),
            "stage": _captured(
                rf"\b({_NAME})\s+(?i:(AS))(?=\s*\(\s*(?i:SELECT|WITH)\b)", "entity.name.type.dcql", "AS"
            ),
            "number": {"patterns": _numbers()},
            "quantile": _rule("support.function.quantile.dcql", r"\b[qQ](?=\s*\()"),
            "keyword": {"patterns": _keywords()},
            "name": {"patterns": _names()},
            "symbol": {"patterns": _symbols()},
        },
    }


def _rule(scope: str, match: str) -> dict[str, Any]:
    return {"name": scope, "match": match}


def _captured(match: str, *scopes: str) -> dict[str, Any]:
    """Return a rule that gives each group a scope, or that of a keyword."""
    names = [scope_of(scope) if scope.isupper() else scope for scope in scopes]
    return {"match": match, "captures": {str(place): {"name": name} for place, name in enumerate(names, 1)}}


def _any_of(words: frozenset[str] | set[str]) -> str:
    return "|".join(sorted(words))


def _text() -> list[dict[str, Any]]:
    # Text ends on its own line; what is not closed there is a fault to the end of the line.
    return [
        _rule("invalid.illegal.unclosed-text.dcql", "'(?:[^']|'')*$"),
        {
            "name": _TEXT,
            "begin": "'",
            "end": "'(?!')",
            "patterns": [_rule("constant.character.escape.quote.dcql", "''")],
        },
    ]


def _declaration() -> dict[str, Any]:
    """Return the rule of a statement that gives a name: `DEFINE name`."""
    kinds = {
        "DEFINE": "entity.name.function.dcql",
        "MODEL": "entity.name.function.dcql",
        "PARAM": "entity.name.constant.dcql",
        "SET|TABLE|ASSET": "entity.name.type.dcql",
        "FEATURE": "entity.name.variable.dcql",
    }
    named = [
        _captured(rf"\b(?i:({words}))\s+((?!(?i:{_any_of(RESERVED)})\b){_NAME})", words.split("|")[0], scope)
        for words, scope in kinds.items()
    ]
    imported = _captured(
        rf"\b(?i:(IMPORT))\s+('(?:[^']|'')*')(?:\s+(?i:(AS))\s+({_NAME}))?",
        "IMPORT",
        _TEXT,
        "AS",
        "entity.name.type.dcql",
    )
    return {"patterns": [*named, imported]}


def _numbers() -> list[dict[str, Any]]:
    counted = _captured(rf"(?<![A-Za-z_0-9.])({_NUMBER})\s+(?i:(PERCENT|ROWS))\b", "constant.numeric.dcql", "PERCENT")
    return [counted, _rule("constant.numeric.dcql", rf"(?<![A-Za-z_0-9]){_NUMBER}")]


def _keywords() -> list[dict[str, Any]]:
    open_words = KEYWORDS - RESERVED
    rules = [
        _captured(rf"\b(?i:({first}))\s+(?i:({second}))\b", first, second)
        for first, second in _PAIRS
        if {first, second} <= KEYWORDS
    ]
    order = r"(?=\s*(?:[,;)]|$|--|(?i:NULLS|LIMIT|SAMPLE|EXPECT|UNION|EXCEPT|INTERSECT)\b))"
    rules.append(_rule(scope_of("DESC"), rf"(?<=[A-Za-z_0-9)]\s)(?<!\b(?i:BY)\s)(?i:ASC|DESC)\b{order}"))
    for scope in sorted({scope_of(word) for word in KEYWORDS}):
        never = {word for word in RESERVED if scope_of(word) == scope}
        sometimes = {word for word in open_words if scope_of(word) == scope}
        if never:
            rules.append(_rule(scope, rf"(?<!\.)\b(?i:{_any_of(never)})\b"))
        if sometimes:
            rules.append(_rule(scope, rf"(?<!\.)\b(?:{_any_of(sometimes)})\b"))
            # Another word follows, or a literal: then it is no name.
            follows = rf"(?=\s+(?!(?i:{_any_of(KEYWORDS)})\b)[A-Za-z_0-9.'])"
            rules.append(_rule(scope, rf"(?<!\.)\b(?i:{_any_of(sometimes)})\b{follows}"))
    return rules


def _names() -> list[dict[str, Any]]:
    return [
        _rule("entity.name.function.call.dcql", rf"\b{_NAME}(?=\s*\()"),
        _rule("variable.language.dcql", r"\b(?:uid|pool)\b"),
        _rule("variable.other.dcql", rf"\b{_NAME}\b"),
    ]


def _symbols() -> list[dict[str, Any]]:
    return [
        _rule("invalid.illegal.operator.dcql", r"==|\|\||::|!~|&&|/\*|\*/|[\"`$@#?^~!&|\[\]{}\\](?!=)"),
        _rule("keyword.operator.comparison.dcql", "<>|!=|<=|>=|=|<|>"),
        _rule("keyword.operator.arithmetic.dcql", "[-+*/%]"),
        _rule("punctuation.terminator.statement.dcql", ";"),
        _rule("punctuation.separator.comma.dcql", ","),
        _rule("punctuation.accessor.dcql", r"\."),
        _rule("punctuation.section.parens.dcql", "[()]"),
    ]


if __name__ == "__main__":
    print(json.dumps(grammar(), indent=2))
