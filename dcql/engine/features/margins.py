"""How many samples lie so near a threshold that computing a feature anew might move them across it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcql.arrays import indices, numbers
from dcql.engine.features.columns import Features
from dcql.engine.features.report import MarginFound


def margins(features: Features, parameters: Mapping[str, Any]) -> tuple[MarginFound, ...]:
    """Count what is near the thresholds of a program; `parameters` are the values of its statistics."""
    found: list[MarginFound] = []
    for one in features.program.margins:
        spec = features.spec(one.feature)
        step = 2.0 ** -(spec.output.bits or 0)
        value = parameters.get(one.statistic) if one.statistic else one.value
        near = asked = 0
        for number, file in enumerate(features.pool.files):
            if not file.rows:
                continue
            rows = features.positions(one.demand, number)
            asked += len(rows)
            if value is None or not len(rows):
                continue
            values = features.value(spec, number)
            taken = values.take(indices(rows)).drop_null()
            near += int(np.count_nonzero(np.abs(numbers(taken) * step - value) <= step))
        found.append(MarginFound(one.text, one.feature, step, near, asked))
    return tuple(found)
