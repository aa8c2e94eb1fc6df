"""The statistics of a program, for those who want to know what features are asked of and nothing of the output."""

from collections.abc import Callable
from contextlib import ExitStack

from dcql.catalog.features import features_folder
from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources, session
from dcql.engine.features.asking import Asking
from dcql.engine.features.columns import Tell
from dcql.engine.features.report import Computing
from dcql.engine.run import store_sets
from dcql.engine.sources import every_path
from dcql.engine.statistics import Statistics
from dcql.lower.program import Demand, Program


def each_demand(
    program: Program,
    pool: Pool,
    resources: Resources,
    computing: Computing,
    tell: Tell,
    satisfy: Callable[[Asking, Demand], None],
) -> None:
    """Compute the stages of a program, and call `satisfy` for each demand in turn. Raises what a run raises."""
    with ExitStack() as opened:
        open_session = opened.enter_context(session(every_path(pool), resources, (features_folder(),)))
        store_sets(program, open_session)
        asking = opened.enter_context(Asking(program, pool, open_session, computing, resources, tell))
        statistics = Statistics(program, pool, open_session, asking.sources, lambda demand: satisfy(asking, demand))
        statistics.compute(lambda: asking.advance(len(statistics.found), statistics.parameters))
