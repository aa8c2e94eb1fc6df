"""A statement over several files at once: what to plan it takes is spent once, and each file still has a result."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq

from dcql.engine.cluster.statements import OneFile, Ready, refuse_change, source_of
from dcql.engine.cluster.work import Item
from dcql.engine.marked import uneven


def run_over_several(ready: Ready, items: Sequence[Item]) -> Iterator[bytes]:
    """Run a query that gives one row a sample, in order; yield what it folds the rows of each file to.

    Raises RunError where something is wrong with a file, and does not say with which.
    """
    query = ready.query
    with source_of(ready, items) as source:
        batches = ready.session.batches(query.statement, source, query.parameters)
        stretches = Stretches(batches)
        for item in items:
            one: OneFile = item.given
            _refuse_other_rows(one)
            content = query.fold(stretches.take(one.file.rows), query.of)
            if one.path == one.file.path:
                refuse_change(one.file)
            yield content
        stretches.finish()


class Stretches:
    """Record batches, of which so many rows at a time are taken from the front."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self._left: Any = None  # of the batch that was read last

    def take(self, rows: int) -> Iterator[Any]:
        """Yield the next rows. Raises RunError where there are fewer."""
        while rows:
            batch = self._left if self._left is not None else next(self._batches, None)
            if batch is None:
                raise uneven()
            here = min(rows, batch.num_rows)
            self._left = batch.slice(here) if here < batch.num_rows else None
            rows -= here
            yield batch.slice(0, here)

    def finish(self) -> None:
        """Raise RunError where rows are left."""
        if self._left is not None or any(batch.num_rows for batch in self._batches):
            raise uneven()


def _refuse_other_rows(one: OneFile) -> None:
    """Raise RunError where a file of the store has not the rows of its file, for then those of others would be its.

    Of the pool's own files the footer tells, which is compared when they were read.
    """
    if one.path != one.file.path and pq.read_metadata(one.path).num_rows != one.file.rows:
        raise uneven()
