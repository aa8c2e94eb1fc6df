"""Which items are sent together: many at first, and fewer as the end comes nearer, so that all lanes end at once."""

from collections import deque
from collections.abc import Iterable

from dcql.engine.cluster.work import Item

Batch = tuple[Item, ...]

# A batch is so many fifths of a lane's share of what is left: were it the whole, the slowest one would end long after
# all; were it less, more of the last files would be a task each.
_FIFTHS = 4


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

    def take(self, lanes: int) -> Batch:
        """Return the next batch for one of so many lanes, empty where nothing waits."""
        if self._alone:
            return (self._alone.popleft(),)
        enough = -(-_FIFTHS * self._rows // (5 * lanes))
        batch: list[Item] = []
        rows = 0
        while (item := self._next()) is not None:
            if batch and rows + item.rows > self._together:
                self._held = item
                break
            batch.append(item)
            rows += item.rows
            if rows >= enough:
                break
        self._rows -= rows
        return tuple(batch)

    def alone(self, batch: Batch) -> None:
        """Let items of a batch that were not done wait again, each by itself, so that one at fault is known."""
        self._alone.extend(batch)

    def _next(self) -> Item | None:
        held, self._held = self._held, None
        return held or next(self._to_come, None)
