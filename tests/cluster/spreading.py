"""Runs on a cluster that is this process, with what they kept in a folder of their own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.results import Results
from dcql.engine.cluster.work import Attempt, InProcess, Item, Work


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


def kept_in(folder: Path, executor: InProcess | None = None) -> Cluster:
    """Return a cluster that is this process and keeps what is done in a folder."""
    return Cluster(executor or InProcess(1), Results(folder))
