"""Text functions of the language, each by the definition it is named for."""

import re
from collections.abc import Callable

from .errors import OracleError

FASTTEXT_BLANKS = " \t\v\f\r\0\n"


def python_words(text: str) -> int:
    """Count the words of Python's str.split(): runs between Unicode blanks."""
    return len(text.split())


def fasttext_words(text: str) -> int:
    r"""Count fastText's tokens: runs between its seven blank bytes, and one more for each \n."""
    words, inside = 0, False
    for character in text:
        blank = character in FASTTEXT_BLANKS
        words += not blank and not inside
        words += character == "\n"
        inside = not blank
    return words


def like(text: str, pattern: str) -> bool:
    """Match SQL's LIKE: % any run, _ one code point, newlines included, no escape, case-sensitive."""
    parts = {"%": ".*", "_": "."}
    expression = "".join(parts.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


# RE2's Perl classes are ASCII, and its \s has no \v.
RE2_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
POSIX_CLASSES = {
    "alpha": "A-Za-z",
    "digit": "0-9",
    "alnum": "0-9A-Za-z",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\t\n\v\f\r ",
    "punct": r"!-/:-@\[-`{-~",
}


def re2(pattern: str) -> Callable[[str], bool]:
    """Make RE2's partial match of a pattern out of Python's re; raises E03 for what RE2 refuses.

    Covers literals, ., classes, anchors, groups, alternation, repetition and (?i), (?s), (?m) in front;
    raises NotImplementedError for \\p{..} and \\Q..\\E, which Python's re cannot say.
    """
    if re.search(r"\(\?(=|!|<=|<!|>|P=|#)", pattern):
        raise OracleError("E03", f"RE2 has no lookaround, back reference or atomic group: {pattern!r}")
    out: list[str] = []
    multiline = bool(re.match(r"\(\?[a-zA-Z]*m[a-zA-Z]*\)", pattern))
    i, in_class, class_start = 0, False, 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            i += 1
            if i == len(pattern):
                raise OracleError("E03", "the pattern ends in a backslash")
            e = pattern[i]
            if e in "dws":
                out.append(RE2_CLASSES[e] if in_class else f"[{RE2_CLASSES[e]}]")
            elif e in "DWS" and not in_class:
                out.append(f"[^{RE2_CLASSES[e.lower()]}]")
            elif e in "bB" and not in_class:
                out.append(f"(?a:\\{e})")
            elif e == "z" and not in_class:
                out.append(r"(?:\Z)")
            elif e == "A" and not in_class:
                out.append(r"(?:\A)")
            elif e in "tnrfva":
                out.append("\\" + e)
            elif e == "x" and re.match(r"[0-9A-Fa-f]{2}", pattern[i + 1 :]):
                out.append(pattern[i - 1 : i + 3])
                i += 2
            elif e in "pPQCDWSxE":
                raise NotImplementedError(f"the oracle cannot say \\{e} in {pattern!r}")
            elif e.isalnum():
                raise OracleError("E03", f"RE2 has no escape \\{e}")
            else:
                out.append("\\" + e)
        elif in_class:
            posix = re.match(r"\[:(\w+):\]", pattern[i:])
            if posix and posix[1] in POSIX_CLASSES:
                out.append(POSIX_CLASSES[posix[1]])
                i += posix.end() - 1
            elif c == "]" and i > class_start:
                out.append(c)
                in_class = False
            else:
                out.append("\\" + c if c in "[]&~|" else c)
        elif c == "[":
            in_class = True
            out.append(c)
            if pattern[i + 1 : i + 2] == "^":
                out.append("^")
                i += 1
            class_start = i + 1
        elif c in "^$":  # in a group, because RE2 lets an anchor be repeated
            out.append("(?:^)" if c == "^" else "(?:$)" if multiline else r"(?:\Z)")
        elif c == "{" and not re.match(r"\{\d+(,\d*)?\}", pattern[i:]):
            out.append(r"\{")
        elif c == "+" and pattern[i - 1 : i] in set("*+?}") and pattern[i - 2 : i - 1] != "\\":
            raise OracleError("E03", "RE2 has no possessive repetition")
        else:
            out.append(c)
        i += 1
    try:
        compiled = re.compile("".join(out))
    except (re.error, OverflowError) as error:
        raise OracleError("E03", f"not a regular expression: {error}") from None
    return lambda text: compiled.search(text) is not None
