"""Adding a pool by a cluster: each file's work is made wherever there is room, and kept in the store."""

from collections.abc import Callable, Sequence

from dcql.engine.cluster.doing import Cluster, Tell
from dcql.engine.cluster.faults import fault_of
from dcql.engine.cluster.work import Done, Item, Needs, Work
from dcql.engine.intake import read_work
from dcql.engine.shared_pool import refuse_unlike
from dcql.engine.shared_store import Mark, marked, seen
from dcql.engine.taking import Taking, refuse_change

TakeIn = Callable[[Sequence[Taking], Tell], None]


def take_in_by(cluster: Cluster) -> TakeIn:
    """Return what has files taken in by the nodes of a cluster, each with a task's memory."""

    def take_in(takings: Sequence[Taking], tell: Tell) -> None:
        done, total = 0, sum(taking.footer.rows for taking in takings)
        needs = Needs(memory=max(taking.memory for taking in takings))
        items = (Item(taking.name, taking.footer.rows, taking) for taking in takings)
        with marked() as mark:
            work = Work("add", _take, mark, start=_enter, needs=needs)
            for item, attempt in cluster.executor.attempts(work, items):
                if not isinstance(attempt, Done):
                    refuse_change(item.given.footer)  # where it is gone for everybody, the node is not to blame
                    raise fault_of(item, attempt)
                cluster.done += 1
                cluster.cpu_seconds += attempt.cpu_seconds
                done += item.rows
                tell(item.file, done, total)
        seen(lambda: all(read_work(taking.kept) is not None for taking in takings))

    return take_in


def _enter(mark: Mark) -> None:
    mark.enter()


def _take(started: None, item: Item) -> bytes:
    taking: Taking = item.given
    refuse_unlike(taking.footer.file, taking.footer.digest)
    taking.take(lambda rows: None)
    return b""
