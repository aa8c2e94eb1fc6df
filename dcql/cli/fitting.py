"""Lines that are longer than a terminal is wide: broken between words, not in the middle of a number or a hash."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def fitted(console: "Console", line: "Text", hang: int) -> "Text":
    """Return a line as it stands, or broken between words where a terminal is narrower; what follows hangs by `hang`.

    A word that is longer than a line is broken too.
    """
    if not console.is_terminal or line.cell_len <= console.width:
        return line
    from rich.text import Text

    hang = min(hang, console.width // 2)
    first = line.wrap(console, console.width)[0]
    first.rstrip()
    rest = line[len(first.plain) :]
    rest = rest[len(rest.plain) - len(rest.plain.lstrip()) :]
    lines = [first]
    for part in rest.wrap(console, console.width - hang):
        part.rstrip()
        lines.append(Text(" " * hang).append_text(part))
    return Text("\n").join(lines)
