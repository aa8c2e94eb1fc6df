"""The statistics of a program, for those who want to know what features are asked of and nothing of the output."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from dcql.catalog.features import features_folder
from dcql.catalog.pool import Pool
from dcql.engine.duck import Resources, Session, session
from dcql.engine.features.asking import Asking
from dcql.engine.features.columns import Tell
from dcql.engine.run import store_inputs
from dcql.engine.sources import every_path
from dcql.engine.statistics import Statistics
from dcql.lower.program import Demand, Program


def each_demand(
    program: Program,
    pool: Pool,
    resources: Resources,
    make: Callable[[Program, Session], Asking],
    satisfy: Callable[[Asking, Demand], None],
    tell: Tell,
    folders: tuple[Path, ...] = (),
) -> None:
    """Compute the stages of a program, and call `satisfy` for each demand in turn.

    `make` gives what is asked; SQL may read files in `folders`, those of the pool and the feature store. Raises what a
    run raises.
    """
    program = program.over(pool)
    with ExitStack() as opened:
        open_session = opened.enter_context(session(every_path(pool), resources, (features_folder(), *folders)))
        store_inputs(program, pool, open_session)
        asking = opened.enter_context(make(program, open_session))
        statistics = Statistics(program, pool, open_session, asking.sources, lambda demand: satisfy(asking, demand))

        def advance() -> None:
            done = len(statistics.found)
            asking.advance(done, statistics.parameters)
            tell("statistics", done, len(program.stages))

        statistics.compute(advance)
