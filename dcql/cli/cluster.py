"""Where a command does its work: here, or on a cluster."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dcql.cli.progress import Progress

if TYPE_CHECKING:
    from dcql.engine.cluster.doing import Cluster

# Gives the cluster, None for this process, once threads and progress are known.
Where = Callable[[int | None, Progress], "AbstractContextManager[Cluster | None]"]


class Engine(StrEnum):
    """What does the work: this process, or a cluster of Ray's."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[Engine, typer.Option("--engine", help="Do the work here, or file by file on a Ray cluster.")]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="The Ray cluster, or `auto` for this machine's; without it, one is started on this machine's cores.",
    ),
]


@contextmanager
def nowhere_else(threads: int | None, tell: Progress) -> "Iterator[Cluster | None]":
    """Give no cluster."""
    yield None


def spread(engine: Engine, address: str | None) -> Where:
    """Return what gives the cluster that the options of a command name."""
    if engine is Engine.LOCAL:
        if address is not None:
            raise typer.BadParameter("--address is of a cluster: it goes with --engine ray")
        return nowhere_else

    @contextmanager
    def on_ray(threads: int | None, tell: Progress) -> "Iterator[Cluster | None]":
        from dcql.engine.cluster.ray_cluster import ray_cluster

        tell("connecting to Ray", 0, 0)
        with ray_cluster(address, threads) as cluster:
            yield cluster

    return on_ray
