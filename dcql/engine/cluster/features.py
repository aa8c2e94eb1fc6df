"""Computing a feature by a cluster: a process of it loads the model once, and answers for one file after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.faults import fault_of
from dcql.engine.cluster.work import Done, Item, Needs, Work
from dcql.engine.features.by_file import Loaded, Loading, Share
from dcql.engine.features.report import Spread
from dcql.engine.shared_store import Mark, marked, seen
from dcql.errors import Diagnostic, RunError


def spread_over(cluster: Cluster) -> Spread:
    """Return what has the shares of features computed by the nodes of a cluster.

    A model that can use a GPU gets one where the cluster has any, and else a core, as all others do.
    """

    def spread(loading: Loading, shares: Iterable[Share]) -> Iterator[int]:
        on_gpu = _uses_gpu(loading, cluster.executor.gpus)
        loading = loading.on("cuda" if on_gpu else "cpu")
        items = (Item(share.file.name, len(share.positions), share) for share in shares)
        done: list[Share] = []
        with marked() as mark:
            given = (mark, loading)
            work = Work(loading.spec.name, _compute, given, start=_load, needs=Needs(gpus=1.0 if on_gpu else 0.0))
            for item, attempt in cluster.executor.attempts(work, items):
                if not isinstance(attempt, Done):
                    raise fault_of(item, attempt)
                cluster.done += 1
                cluster.cpu_seconds += attempt.cpu_seconds
                done.append(replace(item.given, images=None))
                yield item.rows
        for share in done:
            if not seen(share.is_stored):
                raise RunError(_unseen(share))

    return spread


def _uses_gpu(loading: Loading, gpus: int) -> bool:
    """Return whether a model gets a GPU. Raises RunError where it must have one and there is none."""
    device = loading.options.get("device") if loading.spec.model.code is None else None
    if device is None:
        return False
    if device == "cuda" and not gpus:
        raise RunError(
            Diagnostic(
                "E0794",
                f"`{loading.spec.name}` is to run on GPUs, and the cluster has none",
                None,
                f"--device cuda, and the model `{loading.spec.model.name}`",
                ("start a node that has one", "or leave --device out: it runs on CPUs then"),
            )
        )
    return device != "cpu" and gpus > 0


def _load(given: tuple[Mark, Loading]) -> Loaded:
    mark, loading = given
    mark.enter()
    return loading.load()


def _compute(model: Loaded, item: Item) -> bytes:
    share: Share = item.given
    share.compute(model)
    return b""


def _unseen(share: Share) -> Diagnostic:
    return Diagnostic(
        "E0795",
        f"what a node stored of `{share.spec.name}` for `{share.file.name}` is not to be seen here",
        None,
        f"in {share.stored.folder / share.key}, which nodes of the cluster wrote to",
        (
            "run it again: what is stored is not computed twice",
            "look whether the disk of DCQL_HOME is one for all nodes",
        ),
    )
