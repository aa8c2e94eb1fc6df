"""What the coverage of a pool says of a sample: whether its image is there, and whether it is the one of the pool."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dcql.arrays import numbers
from dcql.catalog.coverage import State
from dcql.engine.udfs.answers import Answers, Model

_REASONS = {
    State.UNSTATED: "its .json has no sha256",
    State.UNRECORDED: "the pool has no sha256 for it",
}


def load_in_shards(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> Model:
    """Return COVERAGE -> BOOL: whether the shards hold an image of the sample, with its caption and its .json."""
    return _in_shards


def load_as_recorded(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> Model:
    """Return COVERAGE -> BOOL: whether the image was downloaded from the bytes whose SHA-256 the pool recorded.

    FALSE where there is no image; it fails where one of the two hashes is not there.
    """
    return _as_recorded


def _in_shards(given: Any) -> Answers:
    return Answers(pa.array(numbers(given) != State.ABSENT))


def _as_recorded(given: Any) -> Answers:
    states = numbers(given)
    unknown = np.isin(states, list(_REASONS))
    failures = {place: _REASONS[State(int(states[place]))] for place in np.flatnonzero(unknown).tolist()}
    return Answers(pa.array(states == State.INTACT, mask=unknown), failures)
