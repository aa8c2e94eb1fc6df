"""Several plans over one pool, in one run: a recipe and its edits, or the same recipe with other values of a PARAM."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.pool import Pool
from dcql.engine.variants import Variants
from dcql.plan import nodes
from dcql.subset import Uids

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress


def run_variants(
    plans: Sequence[nodes.Plan],
    pool: Pool,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    computing: "Computing | None" = None,
) -> Variants:
    """Run plans as `Compiled.plan` gives them over one pool; every EXPECT is left out.

    Raises RunError for a run that failed.
    """
    from dcql.engine.duck import Resources
    from dcql.engine.run import run
    from dcql.lower.lower import lower
    from dcql.plan.passes import optimize

    given = resources or Resources()
    everything = nodes.Plan((), nodes.PoolScan(), (), ())
    programs = [lower(optimize(replace(plan, promises=()))) for plan in (everything, *plans)]
    every, *results = [run(program, pool, given, progress, None, computing) for program in programs]
    uids = every.subset.uids
    kept: list[NDArray[np.bool_]] = []
    copies: list[NDArray[np.uint32] | None] = []
    for result in results:
        places = np.searchsorted(_in_order(uids), _in_order(result.subset.uids))
        kept.append(np.zeros(len(uids), np.bool_))
        kept[-1][places] = True
        copies.append(None)
        if result.subset.copies is not None:
            taken = np.zeros(len(uids), np.uint32)
            taken[places] = result.subset.copies
            copies[-1] = taken
    statistics = tuple(tuple(found for stage in result.stages for found in stage) for result in results)
    return Variants(uids, tuple(kept), tuple(copies), statistics)


def _in_order(uids: Uids) -> NDArray[np.bytes_]:
    """Return uids as texts of 16 bytes, which numpy can search."""
    words = np.empty((len(uids), 2), ">u8")
    words[:, 0], words[:, 1] = uids["f0"], uids["f1"]
    return words.view("S16").reshape(-1)
