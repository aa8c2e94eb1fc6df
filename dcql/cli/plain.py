"""What is printed where no terminal is: text as it stands, without rich, whose import is a tenth of a short run."""

import os
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

# By these rich takes a stream for a terminal that is none, or not for one.
_FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
# What rich removes, and a tab, which it turns into spaces.
_REWRITTEN = frozenset("\a\b\t\v\f\r")


class Text:
    """As much of `rich.text.Text` as is asked of it without a terminal; styles say nothing there."""

    def __init__(self, text: str = "", style: str = "") -> None:
        self.plain = text

    @classmethod
    def assemble(cls, *parts: "str | Text | tuple[str, str]") -> "Text":
        """Return the parts one after the other."""
        whole = cls()
        for part in parts:
            whole.append(part[0] if isinstance(part, tuple) else part)
        return whole

    def append(self, text: "str | Text", style: str = "") -> "Text":
        """Put more at the end."""
        self.plain += text.plain if isinstance(text, Text) else text
        return self

    append_text = append

    def pad_right(self, count: int) -> None:
        """Put spaces at the end."""
        self.plain += " " * count


class Plain:
    """A console on a stream that is no terminal. What it does not print itself, rich's console does."""

    is_terminal = False
    text = Text

    def __init__(self, stream: TextIO) -> None:
        self.file = stream

    def print(self, *parts: Any, style: str | None = None, **options: Any) -> None:
        """Print texts as they stand."""
        texts = [part.plain if isinstance(part, Text) else part for part in parts]
        if options or not all(isinstance(text, str) and _REWRITTEN.isdisjoint(text) for text in texts):
            self._drawing().print(*texts, style=style, **options)
            return
        print(*texts, file=self.file, flush=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._drawing(), name)

    def _drawing(self) -> "Console":
        return console_of(self.file)


def may_be_terminal(stream: Any) -> bool:
    """Return whether rich might take a stream for a terminal."""
    return bool(stream.isatty()) or any(os.environ.get(name) for name in _FORCED)


def console_of(stream: Any) -> "Console":
    """Return rich's console on a stream; markup and guesses at colour are off."""
    from rich.console import Console

    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)


def text_of(console: Any) -> Any:
    """Return the class of texts that a console prints: rich's, or the one that stands in for it."""
    if isinstance(console, Plain):
        return Text
    import rich.text

    return rich.text.Text
