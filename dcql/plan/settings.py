"""The values of PARAMs as text: what `--set` gives, and what a manifest and a lock keep."""

from dcql.catalog.types import Type
from dcql.errors import Diagnostics
from dcql.plan import nodes
from dcql.plan.constants import Exact, read_number
from dcql.plan.scope import Constant


def read_setting(name: str, text: str, diagnostics: Diagnostics) -> Constant | None:
    """Read the value of `--set name=text`: a number, TRUE, FALSE, or text with or without quotes."""
    if text.upper() in ("TRUE", "FALSE"):
        return nodes.Literal(text.upper() == "TRUE", Type.BOOL)
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return nodes.Literal(text[1:-1].replace("''", "'"), Type.TEXT)
    try:
        return read_number(text)
    except ValueError:
        quoted = text.replace("'", "''")
        diagnostics.add(
            "E0213",
            f"`--set {name}={text}`: no value for `{name}`",
            None,
            "a value is a number, TRUE, FALSE, or text in quotes",
            (f"for text, write `--set \"{name}='{quoted}'\"`",),
        )
        return None


def canonical_text(value: Constant) -> str:
    """Write a PARAM's value so that equal values have equal text."""
    if isinstance(value, Exact):
        return "NULL" if value.value is None else str(value.value)
    if isinstance(value.value, str):
        return "'" + value.value.replace("'", "''") + "'"
    return str(value.value).upper()
