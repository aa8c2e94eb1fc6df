"""One sample of a pool, seen through a recipe: its values, and where they stand among the others."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from dcql.catalog.features import features_folder
from dcql.catalog.pool import Pool
from dcql.engine.copies import check_copies
from dcql.engine.duck import Resources, Session, session
from dcql.engine.features.report import Computing
from dcql.engine.locate import Place
from dcql.engine.run import Progress, store_inputs
from dcql.engine.sources import Sources, every_path
from dcql.engine.statistics import Found, Statistics
from dcql.lower.alone import Alone
from dcql.lower.observe import ROW_PARAMETER, Observation
from dcql.lower.program import Demand, Program
from dcql.lower.statement import Statement

if TYPE_CHECKING:
    from dcql.engine.features.asking import Asking


@dataclass(frozen=True, slots=True)
class Standing:
    """How a ranking came out: samples with a value, below and equal to the sample's; below and equal to the cut."""

    known: int
    below: int
    same: int
    cut_below: int
    cut_same: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows of a feature for the sample: nothing, a value, or why the model gave none."""

    known: bool
    failure: str | None


@dataclass(frozen=True)
class Observed:
    """What was found out about a sample.

    `values` are those of the observation's expressions, in order, `standings` those of its rankings. `places` holds for
    each LIMIT how many samples come before this one and how many reach it, `firsts` for each DISTINCT ON the uid that
    is first in its group and the size of the group; None where no sample is in it. `found` are the statistics, by name.
    """

    kept: bool
    copies: int
    samples: int
    values: tuple[Any, ...]
    standings: tuple[Standing, ...]
    places: Mapping[str, tuple[int, int]]
    firsts: Mapping[str, tuple[str | None, int]]
    found: Mapping[str, tuple[Found, ...]]
    stored: Mapping[str, Stored] = field(default_factory=dict)


def observe(
    observation: Observation,
    pool: Pool,
    place: Place,
    resources: Resources,
    tell: Progress,
    computing: Computing | None = None,
) -> Observed:
    """Compute a recipe's statistics, as a run does, then answer the observation for the sample at `place`.

    Features that the recipe asks for and that are not stored are computed, as `computing` says. Raises what a run does.
    """
    with computed(observation.program, pool, resources, tell, computing) as (duck, sources, statistics, features):
        given = {**statistics.parameters, ROW_PARAMETER: place.row}
        here, everywhere = sources.rows_of_file(place.file), sources.every_file()
        kept, copies = duck.rows(observation.sample, here, given)[0]
        values = tuple(value for each in observation.values for value in duck.rows(each, here, given)[0])
        given |= {f"v{number}": value for number, value in enumerate(values)}

        def counted(statement: Statement) -> tuple[Any, ...]:
            return duck.rows(statement, everywhere, given)[0]

        counts = counted(observation.counts) if observation.counts is not None else ()
        size = len(fields(Standing))
        standings = tuple(Standing(*counts[at : at + size]) for at in range(0, len(counts), size))
        places = {}
        for name, statement in observation.places:
            samples, ahead = counted(statement)
            places[name] = (ahead, samples)
        firsts = {name: counted(statement) for name, statement in observation.firsts}
        stored = _stored(features, place) if features is not None else {}
    found: dict[str, list[Found]] = {}
    for one in (one for stage in statistics.found for one in stage):
        found.setdefault(one.name, []).append(one)
    by_name = {name: tuple(ones) for name, ones in found.items()}
    taken = int(copies) if kept else 0
    return Observed(bool(kept), taken, pool.rows, values, standings, places, firsts, by_name, stored)


def count_alone(
    alone: Alone, pool: Pool, resources: Resources, tell: Progress, computing: Computing | None = None
) -> dict[str, int]:
    """Compute a recipe's statistics, then count its clauses by themselves; return the counts by column.

    Raises what a run does.
    """
    if alone.counts is None:
        return {}
    with computed(alone.program, pool, resources, tell, computing) as (duck, sources, statistics, _):
        (batch,) = duck.batches(alone.counts, sources.every_file(), statistics.parameters)
        return {name: batch.column(name)[0].as_py() for name in batch.schema.names}


@contextmanager
def computed(
    program: Program, pool: Pool, resources: Resources, tell: Progress, computing: Computing | None
) -> "Iterator[tuple[Session, Sources, Statistics, Asking | None]]":
    """Compute a program's statistics, and the features that it asks for; then the session is there for more questions.

    Raises what a run does.
    """
    with ExitStack() as opened:
        needs_models = bool(program.features or program.asset_sets)
        folders = (features_folder(),) if needs_models else ()
        duck = opened.enter_context(session(every_path(pool), resources, folders))
        store_inputs(program, pool, duck)
        features = None
        sources, satisfy = Sources(program, pool), _nobody
        if needs_models:
            from dcql.engine.features.asking import Asking  # few recipes have features, and they bring in Arrow

            features = opened.enter_context(Asking(program, pool, duck, computing, resources, tell))
            sources, satisfy = features.sources, features.satisfy
        statistics = Statistics(program, pool, duck, sources, satisfy)

        def advance() -> None:
            done = len(statistics.found)
            if features is not None:
                features.advance(done, statistics.parameters)
            if program.stages:
                tell("statistics", done, len(program.stages))

        statistics.compute(advance)
        check_copies(program.checks, pool, duck, sources, statistics.parameters, statistics.worst)
        yield duck, sources, statistics, features


def _stored(asking: "Asking", place: Place) -> dict[str, Stored]:
    """Return what the store knows of each feature for the sample."""
    from dcql.engine.features.files import read_known, read_values

    result: dict[str, Stored] = {}
    for spec in asking.program.features:
        path = asking.features.path(spec, place.file)
        known = bool(read_known(path, place.file.rows)[place.row])
        failure = read_values(path, place.file.rows).failure[place.row].as_py() if known else None
        result[spec.name] = Stored(known, failure)
    return result


def _nobody(demand: Demand) -> None:
    raise AssertionError(f"a program without features asks for {demand.feature}")
