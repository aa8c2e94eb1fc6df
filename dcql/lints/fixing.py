"""Fixes applied to a text: exact edits, again and again, until none is left."""

from collections.abc import Callable, Sequence

from dcql.errors import Diagnostic, Edit
from dcql.source import Source

_ROUNDS = 100


def fixed(source: Source, look: Callable[[Source], Sequence[Diagnostic]]) -> tuple[Source, tuple[Diagnostic, ...]]:
    """Return a text with all fixes of its diagnostics applied, and those that were; `look` gives a text's diagnostics.

    What no edit touches stays as it is, to the byte. Raises what `look` raises.
    """
    done: list[Diagnostic] = []
    for _ in range(_ROUNDS):
        chosen = _compatible(look(source))
        if not chosen:
            return source, tuple(done)
        edits = {edit: None for one in chosen if one.fix is not None for edit in one.fix.edits}
        source = edited(source, list(edits))
        done += chosen
    raise AssertionError(f"the fixes of {source.name} never end")


def edited(source: Source, edits: Sequence[Edit]) -> Source:
    """Return a text with edits applied that do not overlap."""
    text = source.text
    for edit in sorted(edits, key=lambda one: one.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return Source(source.name, text)


def _compatible(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Return diagnostics whose fixes do not touch each other; several may share one fix."""
    chosen: list[Diagnostic] = []
    taken: set[Edit] = set()
    for one in found:
        if one.fix is None:
            continue
        new = [edit for edit in one.fix.edits if edit not in taken]
        if any(
            edit.span.start <= other.span.end and other.span.start <= edit.span.end for edit in new for other in taken
        ):
            continue
        taken.update(new)
        chosen.append(one)
    return chosen
