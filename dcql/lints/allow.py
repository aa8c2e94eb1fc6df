"""`-- dcql: allow L001`: comments that silence lints, and what is wrong with such comments.

| where the comment stands | what it silences |
|---|---|
| beside words | lints that begin on its line |
| on a line of its own | lints of the statement, stage, query or condition that comes next |
| above the first statement | lints of the whole file |
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dcql.codes import CODES
from dcql.errors import Diagnostic, did_you_mean
from dcql.lints.recipe import Linted
from dcql.lints.removal import remove_comment
from dcql.source import Source, Span
from dcql.syntax import ast
from dcql.syntax.scan import TOKEN, scan

_COMMENT = re.compile(r"--[ \t]*dcql:[ \t]*(?P<word>\w*)[ \t]*")
# Codes with commas between, or blanks before another one; what follows is the reason.
_CODES = re.compile(r"(?P<code>\w+)(?P<next>[ \t]*,[ \t]*(?=\w)|[ \t]+(?=[A-Za-z][0-9]))?")
_BEFORE_CONDITION = frozenset({"AND", "OR", "UNION", "ALL", "INTERSECT", "EXCEPT", "(", ","})


@dataclass(frozen=True)
class Allow:
    """A comment that silences lints: the places of its codes, and the text that it is about, from `start` to `end`.

    `reason` is what the comment says behind the codes.
    """

    comment: Span
    codes: tuple[Span, ...]
    reason: str
    start: int
    end: int

    def silences(self, diagnostic: Diagnostic) -> Span | None:
        """Return the place of the code that silences a lint, None where it does not."""
        if diagnostic.span is None or not self.start <= diagnostic.span.start < self.end:
            return None
        return next((code for code in self.codes if code.text == diagnostic.code), None)


def allows(linted: Linted) -> tuple[tuple[Allow, ...], tuple[Diagnostic, ...]]:
    """Return the comments of a recipe that silence lints, and warnings for those that name none."""
    found: list[Allow] = []
    faults: list[Diagnostic] = []
    for match in TOKEN.finditer(linted.source.text):
        if match.lastgroup != "comment" or (begin := _COMMENT.match(match.group())) is None:
            continue
        comment = linted.source.span(match.start(), match.start() + len(match.group().rstrip()))
        if begin["word"] != "allow":
            helps = ("write `-- dcql: allow L001`",)
            label = "what follows `dcql:` is `allow`"
            faults.append(Diagnostic("L102", f"unknown word `{begin['word']}`", comment, label, helps, "warning"))
            continue
        codes, reason = _codes(linted.source, comment.start + begin.end(), comment.end)
        faults += (fault for code in codes for fault in _unknown(code))
        if not codes:
            helps = ("name them: `-- dcql: allow L001`",)
            faults.append(
                Diagnostic("L102", "the comment allows nothing", comment, "no code follows", helps, "warning")
            )
        found.append(Allow(comment, codes, reason, *_reach(linted, comment)))
    return tuple(found), tuple(faults)


def unneeded(found: Sequence[Allow], used: set[Span], linted: Linted, judged: frozenset[str]) -> Iterator[Diagnostic]:
    """Yield a warning for each code of a comment that silences nothing, of the lints that were looked for."""
    for allow in found:
        idle = [code for code in allow.codes if code.text in judged and code not in used]
        fix = remove_comment(allow.comment) if len(idle) == len(allow.codes) and not allow.reason else None
        for code in idle:
            label = "there is no such lint where this comment holds"
            helps = () if fix is not None else ("leave it out",)
            yield Diagnostic("L101", f"`allow {code.text}` silences nothing", code, label, helps, "warning", fix)


def _codes(source: Source, start: int, end: int) -> tuple[tuple[Span, ...], str]:
    codes: list[Span] = []
    while (match := _CODES.match(source.text, start, end)) is not None:
        codes.append(source.span(match.start("code"), match.end("code")))
        start = match.end()
        if match["next"] is None:
            break
    return tuple(codes), source.text[start:end].strip(" \t:-")


def _unknown(code: Span) -> Iterator[Diagnostic]:
    row = CODES.get(code.text)
    if row is not None and code.text.startswith("L0"):
        return
    if row is not None:
        message, label = f"`{code.text}` cannot be allowed", f"it is {'an error' if code.text[0] == 'E' else row.title}"
        yield Diagnostic("L102", message, code, label, ("correct what it is about",), "warning")
        return
    lints = [known for known in CODES if known.startswith("L0")]
    near = did_you_mean(code.text, lints)
    helps = (f"did you mean `{near}`?",) if near else ("`dcql explain-error` lists them",)
    yield Diagnostic("L102", f"unknown lint `{code.text}`", code, "it silences nothing", helps, "warning")


# --- where a comment holds --------------------------------------------------------------------------------------------


def _reach(linted: Linted, comment: Span) -> tuple[int, int]:
    """Return the text that a comment is about."""
    source = comment.source
    statements = scan(source)[0]
    if not statements or comment.start < statements[0].start:
        return 0, len(source.text) + 1
    line = source.text.rfind("\n", 0, comment.start) + 1
    if source.text[line : comment.start].strip():
        return line, comment.start
    words = [match for match in TOKEN.finditer(source.text, comment.end) if match.lastgroup not in ("space", "comment")]
    above_where = False
    for word in words:
        text = word.group().upper()
        if text in _BEFORE_CONDITION:
            continue
        if text == "WHERE":
            above_where = True
            continue
        start = word.start()
        break
    else:
        return comment.end, len(source.text) + 1
    for statement in statements:
        if statement.start == start:
            return start, statement.end
    ends = [
        node.span.end for node in linted.nodes() if node.span.start == start and (above_where or not _is_chain(node))
    ]
    line_end = source.text.find("\n", start)
    return start, max(ends, default=line_end if line_end >= 0 else len(source.text))


def _is_chain(node: ast.Node) -> bool:
    """Return whether a node begins with its first part, so that a comment above is about that part."""
    return isinstance(node, ast.And | ast.Or)
