"""Which items are sent together: many at first, and fewer as the end comes nearer, so that all lanes end at once."""

from collections import deque
from collections.abc import Iterable

from dcql.engine.cluster.work import Item

Batch = tuple[Item, ...]

# In each round every lane gets a batch of so many fifths of its share of what is left: were it the whole, the slowest
# one would end long after all; were it less, more of the last files would be a task each.
_FIFTHS = 4
# So few rows are a lane's share as a whole: another round would take longer than it saves.
_LEAST = 1 << 20


class Batches:
    """Items that wait to be sent, in order, of which up to `together` rows may go as one; 0 sends each by itself.

    Those are taken from `items` one by one, as they are sent.
    """

    def __init__(self, items: Iterable[Item], together: int) -> None:
        items = list(items) if together else items
        self._rows = sum(item.rows for item in items) if isinstance(items, list) else 0
        self._together = together
        self._to_come = iter(items)
        self._held: Item | None = None
        self._alone: deque[Item] = deque()
        self._enough = 0  # rows of a batch of this round
        self._round = 0  # batches that are left of it

    def take(self, lanes: int) -> Batch:
        """Return the next batch for one of so many lanes, empty where nothing waits."""
        if self._alone:
            return (self._alone.popleft(),)
        if not self._round:
            share = -(-self._rows // lanes)
            self._enough = max(-(-_FIFTHS * share // 5), min(_LEAST, share))
            self._round = lanes
        self._round -= 1
        batch: list[Item] = []
        rows = 0
        while (item := self._next()) is not None:
            if batch and rows + item.rows > self._together:
                self._held = item
                break
            batch.append(item)
            rows += item.rows
            if rows >= self._enough:
                break
        self._rows -= rows
        return tuple(batch)

    def alone(self, batch: Batch) -> None:
        """Let items of a batch that were not done wait again, each by itself, so that one at fault is known."""
        self._alone.extend(batch)

    def _next(self) -> Item | None:
        held, self._held = self._held, None
        return held or next(self._to_come, None)
