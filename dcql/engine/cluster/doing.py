"""The work of many files: kept results first, the others as they are done."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from dcql.engine.cluster.results import Results, results
from dcql.engine.cluster.work import Content, Done, Executor, InProcess, Item, Work
from dcql.errors import RunError

Tell = Callable[[str, int, int], None]


@dataclass
class Cluster:
    """Where work is done and what was done of it is kept.

    `cpu_seconds` adds up what the processes of the cluster took, `done` and `kept` count items that were done and that
    were there.
    """

    executor: Executor
    results: Results = field(default_factory=results)
    cpu_seconds: float = 0.0
    done: int = 0
    kept: int = 0


def here(threads: int | None = None) -> Cluster:
    """Return a cluster that is this process, with so many threads, one a core without."""
    return Cluster(InProcess(threads))


def done_of(
    cluster: Cluster, work: Work, items: Iterable[Item], tell: Tell, *, before: int = 0, total: int | None = None
) -> Iterator[tuple[Item, Content]]:
    """Do the work of all items; yield each with its bytes, in any order, those that are kept first.

    `tell(work.name, done, total)` is told the rows as they are done: `before` of `total` were before this, where the
    items are a part of what is to be told. Raises RunError where an item cannot be done; those that were done are kept.
    """
    items = list(items)
    total = total if total is not None else before + sum(item.rows for item in items)
    done = before
    missing: list[Item] = []
    tell(work.name, done, total)
    for item in items:
        content = cluster.results.find(item.key) if item.key else None
        if content is None:
            missing.append(item)
            continue
        cluster.kept += 1
        done += item.rows
        tell(work.name, done, total)
        yield item, content
    if not missing:
        return
    for item, attempt in cluster.executor.attempts(work, missing):
        if not isinstance(attempt, Done):
            raise RunError(*attempt.diagnostics)
        if item.key:
            cluster.results.keep(item.key, attempt.content)
        cluster.done += 1
        cluster.cpu_seconds += attempt.cpu_seconds
        done += item.rows
        tell(work.name, done, total)
        yield item, attempt.content
