"""What a model answers for rows of one file of a pool: the same wherever it runs."""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import PoolFile
from dcql.engine.features import files
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.reading import PathOf, read_inner
from dcql.engine.features.vectors import joined_vectors
from dcql.engine.udfs.answers import Answers
from dcql.errors import RunError

# What was computed is stored at least this often, so that a kill costs little.
_SECONDS_BETWEEN_MERGES = 30.0


class Asked(Protocol):
    """A model that is ready to answer."""

    @property
    def rows(self) -> int:
        """How many samples it takes at once."""
        ...

    def ask(self, pieces: Iterable[tuple[Any, ...]]) -> Iterator[Answers]:
        """Yield the answers for pieces of inputs, in their order."""
        ...


def answers_for(
    model: Asked, inputs: Inputs, spec: FeatureSpec, file: PoolFile, positions: NDArray[np.int64], path_of: PathOf
) -> Iterator[tuple[NDArray[np.int64], Answers]]:
    """Yield answers for rows of a file as they are stored, gathered so that the store is not written too often.

    Where the model comes to an end before its time, what it answered until then comes first. Rows that lack a vector
    which the model reads come first of all: it is not asked of them.
    """
    read = read_inner(spec, file, positions, path_of)
    if not read.there.all():
        yield positions[~read.there], files.as_stored(read.nothing(), spec.output, spec.name)
        positions = positions[read.there]
    gathered: list[Answers] = []
    start = end = 0
    since = time.monotonic()
    ended: RunError | None = None
    pieces = inputs.pieces(file, spec, positions, model.rows, read.vectors)
    try:
        for answers in model.ask(pieces):
            gathered.append(files.as_stored(answers, spec.output, spec.name))
            end += len(answers.values)
            if time.monotonic() - since > _SECONDS_BETWEEN_MERGES:
                yield positions[start:end], _joined(gathered, spec)
                gathered, start, since = [], end, time.monotonic()
    except RunError as error:
        ended = error
    if gathered:
        yield positions[start:end], _joined(gathered, spec)
    if ended is not None:
        raise ended


def _joined(parts: list[Answers], spec: FeatureSpec) -> Answers:
    failures: dict[int, str] = {}
    before = 0
    for part in parts:
        failures |= {before + place: reason for place, reason in part.failures.items()}
        before += len(part.values)
    margins = [part.margin for part in parts if part.margin is not None]
    values = [part.values for part in parts]
    joined = joined_vectors(values, spec.name) if spec.is_embedding else pa.concat_arrays(values)
    return Answers(joined, failures, np.concatenate(margins) if margins else None)
