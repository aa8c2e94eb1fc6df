"""The metrics of an evaluation: functions of numpy arrays, each with the source of its formula.

Every function that makes metrics returns a dict of name -> number, in DataComp's names. Where a metric is the share of
something that is empty, its value is None, never 0.
"""

Metrics = dict[str, float | int | None]
