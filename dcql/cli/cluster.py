"""Where a command has the files of a pool done: here, or by a Ray cluster."""

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dcql.engine.cluster.doing import Cluster


class Engine(StrEnum):
    """Who does the work of a file."""

    LOCAL = "local"
    RAY = "ray"


EngineOption = Annotated[
    Engine,
    typer.Option("--engine", help="Have the files done here, or by a Ray cluster; the result is the same."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="ADDRESS",
        help="The Ray cluster: auto, HOST:PORT or ray://HOST:PORT; without it, one of this machine's cores.",
    ),
]


@contextlib.contextmanager
def cluster_of(engine: Engine, address: str | None, threads: int | None = None) -> Iterator["Cluster | None"]:
    """Give the cluster that the options name, None for this machine alone."""
    if engine is Engine.LOCAL:
        if address is not None:
            raise typer.BadParameter("it names a Ray cluster: write --engine ray too", param_hint="--address")
        yield None
        return
    from dcql.engine.cluster.ray_cluster import ray_cluster

    with ray_cluster(address, threads) as cluster:
        yield cluster
