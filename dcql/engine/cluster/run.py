"""Program, pool -> subset, spread over a cluster: the same result as `engine.run.run` has.

Scans, group counts and the last query are done file by file where there is room; this process adds them up. It holds
the open session of a run as well: tables of sets, of groups and of what is first are made here and travel.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.cluster.doing import Cluster, here
from dcql.engine.cluster.last import Asked, Gathering, last
from dcql.engine.cluster.results import key_of, results
from dcql.engine.cluster.spread import Spread, SpreadStatistics, alone
from dcql.engine.cluster.statements import close_session, unpacked
from dcql.engine.counts import Counts
from dcql.engine.duck import Resources, Source
from dcql.engine.run import Opened, Progress, Result, opened, result_of, silent
from dcql.engine.sources import Sources
from dcql.engine.statistics import Found
from dcql.engine.uids import Gathered
from dcql.lower.program import Program
from dcql.subset import Subset

if TYPE_CHECKING:
    from dcql.engine.features.report import BeforeModels, Computing


def run_spread(
    cluster: Cluster,
    program: Program,
    pool: Pool,
    resources: Resources,
    progress: Progress | None = None,
    frozen: Mapping[str, Found] | None = None,
    computing: "Computing | None" = None,
    before_models: "BeforeModels | None" = None,
) -> Result:
    """Run a program on a pool as `engine.run.run` does, on a cluster.

    `resources` holds for this process, and its memory for DuckDB in each worker too.
    Raises RunError as `engine.run.run` does, and where a file cannot be done.
    """
    tell = progress or silent
    cluster.results.tidy()
    cluster.results.note_run(_key(program, pool))
    program = program.over(pool)
    with ExitStack() as stack:
        stack.callback(close_session)
        ready = stack.enter_context(opened(program, pool, resources, tell, computing, before_models))
        spread = Spread(cluster, program, pool, ready.session, tell, resources.memory)
        ready = replace(ready, statistics=partial(SpreadStatistics, spread=spread))

        def last_of(parameters: dict[str, Any]) -> tuple[Counts, Subset | Gathered]:
            return _last(ready, spread, parameters)

        statistics, (counts, found) = ready.compute(last_of, frozen or {})
        report = ready.features.report() if ready.features is not None else None
    return result_of(program, pool, statistics, found, counts.funnel(), report)


def left_of(program: Program, pool: Pool, resources: Resources) -> Cluster | None:
    """Return this process as a cluster where a run of this program on this pool was spread before, else None.

    Then what was done of it need not be done again.
    """
    if not results().has_run(_key(program, pool)):
        return None
    return here(resources.threads)


def _key(program: Program, pool: Pool) -> str:
    return key_of("run", program.digest, pool.physical, pool.fingerprint)


def _last(ready: Opened, spread: Spread, parameters: dict[str, Any]) -> tuple[Counts, Subset | Gathered]:
    """Run the last query, in the form that `engine.run` takes."""
    program, pool = ready.program, ready.pool
    counts = Counts(program.blocks)
    gathering = Gathering(pool, counts, has_copies=program.has_copies)
    demands = ready.features.observed if ready.features is not None else ()
    skipping = not pool.added and program.kept is not None
    one_clause = skipping and [len(block.clauses) for block in program.blocks] == [1]
    blocks = () if skipping else program.blocks
    if pool.added and program.marks is not None and program.in_order:
        asked = Asked(blocks, program.kept_where, program.has_copies, demands, "", dict(program.marks.told))
        statement, sources = program.marks.statement, alone(ready.sources)
    elif pool.added:
        asked = Asked(blocks, None, program.has_copies, demands, "")
        statement, sources = program.output, _rows_of_each(ready.sources)
    else:
        if skipping and not one_clause:
            assert program.marks is not None
            counted = Asked(program.blocks, program.kept_where, has_copies=False, demands=demands, pool="")
            marks, each_file = program.marks.statement, alone(ready.sources)
            for _, content in spread.each_in_order("samples", marks, each_file, last, counted, parameters):
                found = unpacked(content)
                counts.merge(found["depths"], found["undefined"])
        asked = Asked(blocks, None, program.has_copies, () if skipping else demands, pool.name)
        statement, sources = program.kept or program.output, _uids_of_each(ready.sources)
    name = "uids" if skipping and not one_clause else "samples"
    # Where samples are skipped there are fewer rows than samples.
    each = spread.each if statement is program.kept else spread.each_in_order
    for file, content in each(name, statement, sources, last, asked, parameters):
        told = gathering.add(file, content)
        if ready.features is not None:
            ready.features.note(file, told)
    if one_clause:
        counts.depths[0] += (pool.rows - gathering.kept, gathering.kept, 0)
    return counts, gathering.found()


def _rows_of_each(sources: Sources) -> Iterator[tuple[PoolFile, Source]]:
    for file in sources.pool.files:
        yield file, sources.rows_of_file(file)


def _uids_of_each(sources: Sources) -> Iterator[tuple[PoolFile, Source]]:
    for file in sources.pool.files:
        yield file, next(replace(sources, pool=replace(sources.pool, files=(file,))).uids_in_turn())
