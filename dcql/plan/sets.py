"""Sets: the values of a file in the type of what they are compared with."""

import hashlib
from pathlib import Path

from dcql.catalog.inputs import SetInput
from dcql.catalog.types import Type
from dcql.errors import Diagnostics
from dcql.plan.constants import literal, read_number
from dcql.plan.faults import WrongError
from dcql.plan.nodes import NamedSet
from dcql.source import Span

DIGITS = 32
HEX = frozenset("0123456789abcdef")


def named_set(name: str, found: SetInput, type_: Type, is_uid: bool, span: Span, diagnostics: Diagnostics) -> NamedSet:
    """Check that every value of a set's file has `type_`; return the set. Raises WrongError with a diagnostic."""
    if found.is_subset:
        if not is_uid:
            diagnostics.add(
                "E0308", f"`{name}` is a set of uids", span, "its file is a .npy of uids", (f"write `uid IN {name}`",)
            )
            raise WrongError
        return NamedSet(name, str(found.path), found.sha256, type_, 0, True)
    if type_ is Type.BOOL:
        diagnostics.add("E0301", "no set of BOOL", span, "TRUE and FALSE need no set", ("compare with `=`",))
        raise WrongError
    for number, text in enumerate(found.values, start=1):
        problem = _problem(text, type_, is_uid)
        if problem is not None:
            diagnostics.add(
                "E0211",
                f"value {number} of the set `{name}` is no {_wanted(type_, is_uid)}",
                span,
                f"'{text[:60]}': {problem}",
                (f"put one {_wanted(type_, is_uid)} on each line of {found.path.name}",),
            )
            raise WrongError
    count = len({_padded(text) for text in found.values} if is_uid else set(found.values))
    return NamedSet(name, str(found.path), found.sha256, type_, count, False, is_uid)


def set_values(named: NamedSet, content: bytes) -> list[int | float | str]:
    """Return the distinct values of a set's text file, of the set's type, in no particular order.

    Raises ValueError when the bytes are not those that were checked.
    """
    if hashlib.sha256(content).hexdigest() != named.sha256:
        raise ValueError(f"{Path(named.path).name} changed while the recipe ran")
    lines = (line.strip(" \t\r") for line in content.decode("utf-8-sig").split("\n"))
    values = dict.fromkeys(line for line in lines if line)
    if named.is_uids:
        return list(dict.fromkeys(map(_padded, values)))
    if named.type is Type.TEXT:
        return list(values)
    return list(dict.fromkeys(_number(text, named.type) for text in values))


def _number(text: str, type_: Type) -> int | float:
    value = literal(read_number(text), type_).value
    assert isinstance(value, int | float)
    return value


def _padded(text: str) -> str:
    """Return a uid with all its digits, as DataComp pads it."""
    return text.rjust(DIGITS, "0")


def _problem(text: str, type_: Type, is_uid: bool) -> str | None:
    if is_uid:
        return None if len(text) <= DIGITS and set(text) <= HEX else "a uid is up to 32 lower-case hex digits"
    if type_ is Type.TEXT:
        return None
    try:
        _number(text, type_)
    except ValueError as reason:
        return str(reason)
    return None


def _wanted(type_: Type, is_uid: bool) -> str:
    return "uid" if is_uid else f"{type_.value} value"
