"""What a model gives back, and what a model is to the engine."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dcql.dataclass import dataclass

# Why a model has no answer for a vector.
NOT_FINITE = "the vector holds NaN or infinity"


@dataclass(frozen=True)
class Answers:
    """What a model says of n samples, in their order.

    `values` is a pyarrow array, n long, of the model's output type, NULL where there is no answer. `failures` gives the
    reason for each position at which the model failed; its value is NULL. `margin` is (n,) float32, how far the answer
    is ahead of the next best one, None for a model that knows no such thing.
    """

    values: Any
    failures: Mapping[int, str] = field(default_factory=dict)
    margin: NDArray[np.float32] | None = None


class Model(Protocol):
    """A model with its weights loaded.

    What it says of a sample does not depend on the other samples of the call.
    """

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for n samples: text as a pyarrow array, embeddings as (n, d), images as a list of bytes or None."""
        ...
