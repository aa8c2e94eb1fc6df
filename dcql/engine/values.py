"""A recipe that has run, sample by sample: what its clauses compare, its features, and columns of chosen samples."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.features import ID_DIGITS, StoredFeature, features_folder
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Type
from dcql.engine.duck import Resources, session
from dcql.engine.features import files
from dcql.engine.features.asking import Asking
from dcql.engine.features.columns import identity_of
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.report import Computing
from dcql.engine.features.rows import rows_of
from dcql.engine.inside import Inside
from dcql.engine.run import Progress, store_inputs
from dcql.engine.sources import every_path
from dcql.engine.statistics import Found, Statistics
from dcql.errors import DcqlError
from dcql.lower.program import Program
from dcql.lower.statement import ROW
from dcql.lower.values import ReadValues
from dcql.subset import Subset, Uids

# Nothing is computed, and whatever a model failed on was accepted when the recipe ran.
STORED = Computing(compute=False, max_failures=Fraction(1))


@dataclass(frozen=True, eq=False, slots=True)
class FileValues:
    """What was read of one file, row for row.

    `values` are (rows,) int64, float32 or float64 for each expression, with (rows,) bool in `known` where there is one
    that is not NULL, and `members`, which samples belong to its population. `depths` are (rows,) integers, for each
    filter the clauses that a sample passes, one more than there are where the filter does not read it.
    """

    values: tuple[NDArray[Any], ...]
    known: tuple[NDArray[np.bool_], ...]
    members: tuple[NDArray[np.bool_], ...]
    depths: tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Observed:
    """A program whose statistics are known, over a pool that is open."""

    pool: Pool
    statistics: Statistics
    asking: Asking

    def values(self, read: ReadValues, file: PoolFile) -> FileValues:
        """Read the values of one file. Raises RunError."""
        source = self.statistics.sources.rows_of_file(file)
        found: dict[str, NDArray[Any]] = {}
        known: dict[str, NDArray[np.bool_]] = {}
        for batch in self.statistics.session.batches(read.statement, source, self.statistics.parameters):
            # Looking things up in tables may change the order.
            rows = numbers(batch.column(ROW)).astype(np.int64)
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                values = truths(column) if str(column.type) == "bool" else numbers(column)
                into = found.setdefault(name, np.zeros(file.rows, values.dtype))
                into[rows] = values
                known.setdefault(name, np.zeros(file.rows, np.bool_))[rows] = present(column)
        every = np.ones(file.rows, np.bool_)
        nothing = np.zeros(file.rows, np.int64)
        return FileValues(
            tuple(found.get(one.value, nothing) for one in read.values),
            tuple(known.get(one.value, ~every) for one in read.values),
            tuple(every if one.member is None else found.get(one.member, ~every) for one in read.values),
            tuple(found.get(name, nothing) for name in read.depths),
        )

    def feature(self, spec: FeatureSpec, file: PoolFile) -> files.Values | None:
        """Return what is stored of a feature for a file, asked for by whatever run; None where nothing is."""
        try:
            identity = identity_of(spec, self.asking.assets)
        except DcqlError:
            return None  # weights or assets that it is made with are not here, so that it is not known which it is
        place = features_folder() / identity.removeprefix("sha256:")[:ID_DIGITS]
        if not file.rows or not place.is_dir():
            return None
        newest = StoredFeature(identity, place).newest(self.asking.features.inputs.key(file, spec))
        return files.read_values(newest, file.rows) if newest is not None else None

    def uids(self, file: PoolFile) -> Uids:
        """Return the uids of a file, row for row."""
        return self.asking.features.inputs.uids(file)


@contextmanager
def observing(
    program: Program,
    pool: Pool,
    resources: Resources,
    frozen: Mapping[str, Found],
    tell: Progress,
) -> Iterator[Observed]:
    """Open a pool for a program that has run: `frozen` are its statistics by name; its features are stored.

    Raises RunError where the pool cannot be read, or a feature is no longer stored.
    """
    program = program.over(pool)
    with (
        session(every_path(pool), resources, (features_folder(),)) as open_session,
        Asking(program, pool, open_session, STORED, resources, tell) as asking,
    ):
        store_inputs(program, pool, open_session)
        statistics = Statistics(program, pool, open_session, asking.sources, asking.satisfy, frozen)
        statistics.compute(lambda: asking.advance(len(statistics.found), statistics.parameters))
        yield Observed(pool, statistics, asking)


def read_columns(file: PoolFile, columns: Mapping[str, Type], positions: NDArray[np.int64]) -> dict[str, list[Any]]:
    """Return the values of columns at rows of a file, ascending, as Python has them. Raises RunError."""
    found: dict[str, list[Any]] = {name: [] for name in columns}
    for table in rows_of(file, columns, positions, len(positions)) if len(positions) else ():
        for name in columns:
            found[name] += table.column(name).to_pylist()
    return found


def locate(pool: Pool, uids: Uids) -> list[tuple[tuple[int, int], int, int]]:
    """Return where samples lie, by their uids, strictly ascending: uid, number of the file, row; those that are there.

    Raises RunError where the pool cannot be read.
    """
    found = []
    inputs, inside = Inputs(pool), Inside(Subset(uids), pool)
    for number, file in enumerate(pool.files if len(uids) else ()):
        rows = np.flatnonzero(inside.of(file))
        for row, uid in zip(rows.tolist(), inputs.uids_at(file, rows) if len(rows) else (), strict=True):
            found.append(((int(uid["f0"]), int(uid["f1"])), number, row))
    return found


def read_images(pool: Pool, uids: Uids) -> list[bytes | None]:
    """Return the encoded images of uids, in any order; None for one without. Raises RunError without tars."""
    from dcql.engine.shards import read

    return [image for batch in read(Inputs(pool).shards, uids) for image in batch]
