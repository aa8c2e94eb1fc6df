"""Ray: a cluster that is running somewhere, or one of this machine's own. The only module that imports it."""

import importlib
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from typing import Any

from dcql.engine.cluster.batches import Batch, Batches
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.work import Attempt, Done, Failed, Item, Needs, Work, attempt_each
from dcql.errors import Diagnostic, RunError
from dcql.extras import missing
from dcql.files import first_line

# How often the work of a file is begun anew where the process or the node that does it is lost.
_RETRIES = 8
# Results that wait to be taken, and items that wait for a worker, a core: both are small.
_AHEAD = 2
_REPLY = 32 << 20  # bytes: a task that has so many ends, and what it did not come to is sent anew
_OBJECTS = 1 << 30  # bytes for what travels, of a cluster that is started here
_SECONDS = 5.0


@contextmanager
def ray_cluster(address: str | None = None, threads: int | None = None) -> Iterator[Cluster]:
    """Give the Ray cluster at `address`, or one of this machine's cores (`threads`, all without), gone at the end.

    `address` is what `ray.init` takes: `auto` for that of this machine, HOST:PORT, ray://HOST:PORT. In a process that
    is connected already it is that cluster, which stays connected.
    Raises RunError without Ray, where nothing answers, or where it is of another version.
    """
    ray = _imported()
    if ray.is_initialized():
        yield Cluster(RayExecutor(ray))
        return
    _connect(ray, address, threads)
    try:
        yield Cluster(RayExecutor(ray))
    finally:
        ray.shutdown()


def _imported() -> Any:
    # Read when it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise missing("--engine ray", "ray", error) from error
    return ray


def _connect(ray: Any, address: str | None, threads: int | None) -> None:
    if address is not None:
        _refuse_silence(address)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        # Workers import from the folder in which a driver connects: a clone called dcql there would hide the package.
        with chdir(os.sep):
            if address is None:
                # "local" even where a cluster runs on this machine, or RAY_ADDRESS names one: nothing by accident.
                cores = threads or os.cpu_count() or 1
                ray.init("local", num_cpus=cores, include_dashboard=False, object_store_memory=_OBJECTS, **quiet)
            else:
                ray.init(address, **quiet)
    except Exception as error:  # a node that takes too long to start raises no narrower one
        ray.shutdown()
        raise RunError(_unconnected(address, error)) from error
    # It prints a paragraph for each worker that is lost, and has no switch for that.
    worker: Any = importlib.import_module("ray._private.worker")
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _nothing


def _nothing(*_: object, **__: object) -> None:
    pass


def _refuse_silence(address: str) -> None:
    """Raise RunError where no process listens at HOST:PORT: Ray would try for two minutes, and then end this one."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise RunError(_unconnected(address, error)) from error


def _unconnected(address: str | None, error: Exception) -> Diagnostic:
    where = f"at `{address}`" if address is not None else "on this machine"
    if "version mismatch" in str(error).lower():
        told = " ".join(str(error).split())
        return Diagnostic(
            "E0782",
            f"the Ray cluster {where} is of another version",
            None,
            told[told.lower().find("version mismatch") :],
            ("use one version of Ray and of Python on all nodes, and here: `pip install 'ray==VERSION'`",),
        )
    helps = ("`ray status` on its head node says whether it runs", "without --address a cluster is started here")
    return Diagnostic("E0781", f"no Ray cluster {where}", None, first_line(error), helps if address else helps[:0])


class RayExecutor:
    """Does work as tasks of Ray, in the cluster that this process is connected to."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        # One for all work: Ray sends each that is made to every worker, and has it ask for cores anew.
        self._task = ray.remote(_attempt_elsewhere)

    @property
    def lanes(self) -> int:
        """The cores of the cluster now."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @property
    def gpus(self) -> int:
        """The GPUs of the cluster now."""
        return int(self._ray.cluster_resources().get("GPU", 0))

    @property
    def threads(self) -> int:
        """One: all cores have items of their own."""
        return 1

    def attempts(self, work: Work, items: Iterable[Item]) -> Iterator[tuple[Item, Attempt]]:
        """Try every item, each again where its process or node is lost; no more are in flight than find room."""
        ray = self._ray
        _refuse_needs(ray, work.needs)
        task = self._task.options(**_options(work.needs), name=f"dcql: {work.name}")
        shared = ray.put(work)
        waiting: dict[Any, Batch] = {}
        to_come = Batches(items, work.together)
        lanes, asked = self.lanes, time.monotonic()
        try:
            while True:
                if time.monotonic() - asked > _SECONDS:
                    # Nodes come and go; to ask takes as long as a small file.
                    lanes, asked = self.lanes, time.monotonic()
                while len(waiting) < _AHEAD * lanes and (batch := to_come.take(lanes)):
                    waiting[task.remote(shared, [item.packed() for item in batch])] = batch
                if not waiting:
                    return
                ray.wait(list(waiting), num_returns=1, timeout=_SECONDS)
                ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
                for reference in ready:
                    batch = waiting.pop(reference)
                    found = self._taken(reference, batch)
                    to_come.alone(batch[len(found) :])
                    yield from zip(batch, found, strict=False)
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)

    def _taken(self, reference: Any, batch: Batch) -> list[Attempt]:
        """Return what became of the first items of a batch: of none where one of several ended the task itself."""
        from ray import exceptions

        try:
            found: list[Attempt] = self._ray.get(reference)
        except exceptions.RayError as error:
            if len(batch) > 1:
                return []
            item = batch[0]
            if isinstance(error, exceptions.RayTaskError):
                return [Failed((_bug(item, error),))]
            if isinstance(error, exceptions.OutOfDiskError):
                return [Failed((_lost("E0783", "a disk of the cluster is full", item, error),))]
            return [Failed((_lost("E0784", f"`{item.file}` could not be done", item, error),))]
        return found


def _attempt_elsewhere(work: Work, items: list[Item]) -> list[Attempt]:
    """Try items until one fails, or what they gave is as much as should travel at once."""
    # What looks things up in the store finds the one of the run.
    os.environ["DCQL_HOME"] = work.home
    found: list[Attempt] = []
    size = 0
    for tried in attempt_each(work, items):
        found.append(tried)
        size += len(tried.content) if isinstance(tried, Done) else 0
        if size >= _REPLY:
            break
    return found


def _options(needs: Needs) -> dict[str, Any]:
    options: dict[str, Any] = {"num_cpus": needs.cpus, "max_retries": _RETRIES}
    if needs.gpus:
        # Else Ray ends a process with each task that had a GPU, and a model would be loaded for each file.
        options |= {"num_gpus": needs.gpus, "max_calls": 0}
    if needs.memory is not None:
        options["memory"] = needs.memory
    return options


def _refuse_needs(ray: Any, needs: Needs) -> None:
    """Raise RunError where no node has what an item needs: Ray would wait for one for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for what, much in (("CPU", needs.cpus), ("GPU", needs.gpus), ("memory", needs.memory or 0)):
        most = max((node.get(what, 0) for node in nodes), default=0)
        if much > most:
            raise RunError(
                Diagnostic(
                    "E0785",
                    f"no node of the cluster has {much:,g} {what}",
                    None,
                    f"the largest has {most:,g}",
                    ("start a node that has, or ask for less",),
                )
            )


def _bug(item: Item, error: Exception) -> Diagnostic:
    cause = getattr(error, "cause", None) or error
    lines = str(cause).strip().splitlines() or [type(cause).__name__]
    return Diagnostic(
        "E0786",
        f"a worker failed on `{item.file}`",
        None,
        f"{type(cause).__name__}: {lines[-1][:200]}",
        ("every node needs this version of dcql and its packages: `pip install 'dcql[ray]'` there",),
    )


def _lost(code: str, message: str, item: Item, error: Exception) -> Diagnostic:
    return Diagnostic(
        code,
        message,
        None,
        f"`{item.file}`: {first_line(error)}" if item.file not in message else first_line(error),
        (
            f"it was tried {_RETRIES + 1} times; `ray status` and the logs of the node say more",
            "run it again when the nodes are well: finished files are not done twice",
        ),
    )
