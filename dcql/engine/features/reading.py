"""What features give to a feature that reads them: vectors, and where there are none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import present
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import PoolFile
from dcql.engine.features import files
from dcql.engine.features.vectors import Halves, vectors_or_none
from dcql.engine.udfs.answers import Answers

# Where a feature's values for a file of the pool are.
PathOf = Callable[[FeatureSpec, PoolFile], Path]


@dataclass(frozen=True)
class Read:
    """Of rows of a file: which of them have all vectors that are read, why the others have none, and the vectors.

    `there` is (n,) bool, `failures` the reason by place among the n rows, for those whose vector failed. `vectors` are
    (rows, d) by parameter, for all rows of the file.
    """

    there: NDArray[np.bool_]
    failures: Mapping[int, str] = field(default_factory=dict)
    vectors: Mapping[str, Halves] = field(default_factory=dict)

    def nothing(self) -> Answers:
        """Return the answers for the rows that lack a vector, one after the other: NULL, for the vector's reason."""
        lacking = np.flatnonzero(~self.there)
        reasons = {place: self.failures[at] for place, at in enumerate(lacking.tolist()) if at in self.failures}
        return Answers(pa.nulls(len(lacking)), reasons)


def read_inner(spec: FeatureSpec, file: PoolFile, positions: NDArray[np.int64], path_of: PathOf) -> Read:
    """Return what the features that `spec` reads say of the rows of a file at `positions`.

    Of several that failed on a row, the first one gives the reason. Raises RunError where stored values are damaged.
    """
    there = np.ones(len(positions), np.bool_)
    failures: dict[int, str] = {}
    vectors: dict[str, Halves] = {}
    for parameter, inner in spec.inner.items():
        path = path_of(inner, file)
        values = files.read_values(path, file.rows)
        has = present(values.value)
        vectors[parameter] = vectors_or_none(path, values.value)
        lacks = ~has[positions]
        for place in np.flatnonzero(lacks):
            reason = values.failure[int(positions[place])].as_py()
            if reason is not None:
                failures.setdefault(int(place), reason)
        there &= ~lacks
    return Read(there, failures, vectors)
