"""Where a statement cannot go on, and the words around that place."""

from dataclasses import dataclass

from dcql.syntax.scan import Word


@dataclass(frozen=True)
class Place:
    """Where a statement cannot go on: its words, the place of the first that does not fit, the terminals that would."""

    words: list[Word]
    index: int
    accepted: set[str]

    def at(self, distance: int) -> str:
        """Return the word `distance` away from the place, in capitals; empty outside the statement."""
        index = self.index + distance
        return self.words[index].upper if 0 <= index < len(self.words) else ""

    def kind(self, distance: int) -> str:
        """Return the kind of the word `distance` away; empty outside the statement."""
        index = self.index + distance
        return self.words[index].kind if 0 <= index < len(self.words) else ""

    def before(self) -> list[str]:
        """Return the words since the innermost parenthesis that is open, without what is inside closed ones."""
        found: list[str] = []
        depth = 0
        for word in reversed(self.words[: self.index]):
            depth += {")": 1, "(": -1}.get(word.text, 0)
            if depth < 0:
                break
            if depth == 0 and word.text != "(":
                found.append(word.upper)
        return found[::-1]

    def function(self) -> str:
        """Return the name before the innermost parenthesis that is open, in capitals; empty without one."""
        depth = 0
        for index in range(self.index - 1, 0, -1):
            depth += {")": 1, "(": -1}.get(self.words[index].text, 0)
            if depth < 0:
                return self.words[index - 1].upper
        return ""

    def closed_function(self) -> str:
        """Return the name before the parentheses that end right here, in capitals; empty without them."""
        return Place(self.words, self.index - 1, set()).function() if self.at(-1) == ")" else ""
