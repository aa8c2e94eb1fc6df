"""A cluster without processes: what is sent and what comes back goes through bytes, as between machines."""

import pickle
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.work import Attempt, Item, Work, attempt, forget


@dataclass
class Posted:
    """Does the last item first, and each `times` times; `before` is called with every item before it is done.

    `sent` holds the files of the items, in the order in which they were taken.
    """

    before: Callable[[Item], None] = lambda item: None
    times: int = 2
    lanes: int = 1
    threads: int | None = 1
    gpus: int = 0
    sent: list[str] = field(default_factory=list)

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        taken = list(items)
        self.sent += [item.file for item in taken]
        try:
            for item in reversed(taken):
                for _ in range(self.times):
                    self.before(item)
                    there = pickle.loads(pickle.dumps((work, item.packed())))
                    back = pickle.loads(pickle.dumps(attempt(*there)))
                yield item, back
        finally:
            forget()


def posted(before: Callable[[Item], None] = lambda item: None, times: int = 2) -> Cluster:
    """Return a cluster that does everything here."""
    return Cluster(Posted(before, times))
