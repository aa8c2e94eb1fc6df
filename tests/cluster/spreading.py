"""Runs on a cluster that is this process, with what they kept in a folder of their own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcql.engine.cluster.batches import Batches
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.results import Results
from dcql.engine.cluster.work import Attempt, InProcess, Item, Work, attempt_each, forget


@dataclass(frozen=True)
class Disturbed(InProcess):
    """Does work here, and something else before the n-th item."""

    at: int = 0
    disturb: object = None

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        def disturbed() -> Iterator[Item]:
            for number, item in enumerate(items):
                if number == self.at:
                    assert callable(self.disturb)
                    self.disturb()
                yield item

        yield from super().attempts(work, disturbed())


@dataclass(frozen=True)
class Together(InProcess):
    """Does here what a worker is sent: several items at once, and anew what it did not come to."""

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        waiting = Batches(items, work.together)
        try:
            while batch := waiting.take(self.lanes):
                found = list(attempt_each(work, [item.packed() for item in batch]))
                waiting.alone(batch[len(found) :])
                yield from zip(batch, found, strict=False)
        finally:
            forget()


def kept_in(folder: Path, executor: InProcess | None = None) -> Cluster:
    """Return a cluster that is this process and keeps what is done in a folder."""
    return Cluster(executor or InProcess(1), Results(folder))
