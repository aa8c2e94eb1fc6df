"""Several plans over one pool, in one run: a recipe and its edits, or the same recipe with other values of a PARAM."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dcql.catalog.models import ImageArgument
from dcql.catalog.pool import Pool
from dcql.compiler import MAX_CALLS
from dcql.demo_pool import unpack_images

if TYPE_CHECKING:
    from dcql.engine.duck import Resources
    from dcql.engine.features.report import Computing
    from dcql.engine.run import Progress
    from dcql.engine.variants import Variants
    from dcql.plan import nodes

__all__ = ["run_variants"]


def run_variants(
    plans: "Sequence[nodes.Plan]",
    pool: Pool,
    resources: "Resources | None" = None,
    progress: "Progress | None" = None,
    computing: "Computing | None" = None,
) -> "Variants":
    """Run plans as `Compiled.plan` gives them over one pool; every EXPECT is left out.

    What the plans share is computed once. `progress(what, done, total)` is called as stages and files are done, and
    `computing` says what of features may be computed. Raises RunError for a run that failed.
    """
    from dcql.engine.duck import Resources
    from dcql.engine.variants import run_merged
    from dcql.lower.variants import lower_variants
    from dcql.plan.lengths import over
    from dcql.plan.passes import optimize
    from dcql.plan.variants import merge

    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_CALLS))
    merged = merge([optimize(plan) for plan in plans])
    # Here the pool is known, and nothing tells this program apart by its text.
    lowered = lower_variants(replace(merged, plan=over(merged.plan, pool)))
    if any(spec.reads(ImageArgument) for spec in lowered.program.features):
        unpack_images(pool)
    return run_merged(merged, lowered, pool, resources or Resources(), progress, computing)
