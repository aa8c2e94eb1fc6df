"""A Ray cluster of several raylets on this machine, which are killed: from outside, or in the middle of a task.

Imported by the processes of the cluster, so that it imports neither pytest nor Ray on the way in.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dcql.engine.cluster.work import Attempt, Executor, Item, Work

# A raylet that was killed refuses connections, which two checks in short order see; Ray takes 15 seconds as it comes.
# One that is slow to answer lives: nothing is held against it for a minute.
NOTICED_SOON = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 200,
    "health_check_failure_threshold": 2,
    "health_check_timeout_ms": 60_000,
}
_SECONDS = 120.0  # for nodes to come; a busy machine takes long


class Raylets:
    """A head that does no work, so that nothing is lost with what cannot be lost, and raylets of one core each."""

    def __init__(self, raylets: int) -> None:
        from ray.cluster_utils import Cluster

        head = {
            "num_cpus": 0,
            "include_dashboard": False,
            "include_log_monitor": False,
            "no_monitor": True,
            "_system_config": NOTICED_SOON,
        }
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Any] = []
        self.replaced = 0
        self.address: str = self._cluster.address
        self.complete(raylets)

    def complete(self, raylets: int) -> None:
        """Clear away what is dead, and start what is missing to so many raylets."""
        for node in [node for node in self._nodes if _raylet(node).poll() is not None]:
            self._remove(node)
        while len(self._nodes) < raylets:
            self._nodes.append(self._cluster.add_node(num_cpus=1, wait=False))
        self._cluster.wait_for_nodes(_SECONDS)

    def replace_one(self) -> None:
        """Kill a raylet hard with all that it started, and start another."""
        raylets = len(self._nodes)
        self._remove(self._nodes[0])
        self.complete(raylets)
        self.replaced += 1

    def ended_by(self, pid: int) -> int | None:
        """Return the signal that ended a raylet of this cluster, None while it lives. Raises KeyError for others."""
        code: int | None = {_raylet(node).pid: _raylet(node) for node in self._nodes}[pid].poll()
        return code if code is None else -code

    def stop(self) -> None:
        """End all of it."""
        self._cluster.shutdown()

    def _remove(self, node: Any) -> None:
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.remove(node)


def _raylet(node: Any) -> Any:
    """Return the process of a node's raylet."""
    [raylet] = node.all_processes["raylet"]
    return raylet.process


@dataclass
class Losing:
    """Does work by Ray, and in each phase of a run loses the raylet of a file that is nearly done.

    A phase is a way of folding the rows of a statement: of `engine/cluster/statements.py` and `last.py`. `lost` has
    the process ids of the raylets by phase. AssertionError where none was lost in a phase.
    """

    by: Executor
    raylets: Raylets
    folder: Path
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def lanes(self) -> int:
        """Those of the cluster."""
        return self.by.lanes

    @property
    def threads(self) -> int | None:
        """Those of the cluster."""
        return self.by.threads

    @property
    def gpus(self) -> int:
        """Those of the cluster."""
        return self.by.gpus

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        """Try every item; in a phase that is new, one of them takes its raylet with it."""
        phase: str = work.given.fold.__qualname__
        if phase in self.lost:
            yield from self.by.attempts(work, items)
            return
        self.raylets.complete(2)  # not four: each takes a second to start
        fatal = self.folder / phase
        fatal.touch()
        several = work.do_several and FatalAmong(work.do_several, fatal)
        yield from self.by.attempts(replace(work, do=Fatal(work.do, fatal), do_several=several), items)
        assert not fatal.exists(), f"no raylet was lost in {phase}"
        self.lost[phase] = int(_took(fatal).read_text())
        assert self.raylets.ended_by(self.lost[phase]) == signal.SIGKILL


@dataclass(frozen=True)
class Fatal:
    """Does an item and, as long as a file is there, kills the raylet that it is done by, and then itself."""

    do: Callable[[Any, Item], bytes]
    place: Path

    def __call__(self, started: Any, item: Item) -> bytes:
        content = self.do(started, item)
        _kill_once(self.place)
        return content


@dataclass(frozen=True)
class FatalAmong:
    """Does several items at once, and kills as `Fatal` does when it has done the first."""

    do_several: Callable[[Any, Sequence[Item]], Iterator[bytes]]
    place: Path

    def __call__(self, started: Any, items: Sequence[Item]) -> Iterator[bytes]:
        for content in self.do_several(started, items):
            _kill_once(self.place)
            yield content


def _kill_once(place: Path) -> None:
    try:
        place.rename(_took(place))  # of several processes one succeeds
    except FileNotFoundError:
        return
    raylet = os.getppid()
    assert Path(f"/proc/{raylet}/comm").read_text().strip() == "raylet"
    _took(place).write_text(str(raylet))
    os.kill(raylet, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _took(place: Path) -> Path:
    return place.with_name(f"{place.name}.lost")
