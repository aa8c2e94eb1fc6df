"""The pool that recipes are checked against, and what its columns hold."""

import asyncio
from typing import TYPE_CHECKING

from dcql.catalog.pool import Pool
from dcql.catalog.types import DATACOMP, Column, Schema
from dcql.demo_pool import open_or_make
from dcql.errors import DcqlError, Diagnostic

if TYPE_CHECKING:
    from dcql.engine.describe import ColumnSummary


class BoundPool:
    """A pool by its name, path or URL; without one, and where it cannot be opened, the columns of DataComp's metadata.

    `fault` says why it could not be opened.
    """

    def __init__(self, named: str | None) -> None:
        self.named = named
        self.pool: Pool | None = None
        self.fault: Diagnostic | None = None
        self._summaries: dict[str, asyncio.Task[ColumnSummary | None]] = {}

    @property
    def schema(self) -> Schema:
        """The columns that recipes are checked against."""
        return self.pool.schema if self.pool is not None else DATACOMP

    async def open(self) -> None:
        """Open the pool; the demo pool is made where it is named, and there is none yet."""
        if self.named is None:
            return
        try:
            self.pool = await asyncio.to_thread(open_or_make, self.named)
        except DcqlError as error:
            self.fault = error.diagnostics[0]

    async def summary(self, column: Column, seconds: float) -> "ColumnSummary | None":
        """Return what a column holds, None where the pool was not added, or that is not known after so many seconds."""
        if self.pool is None or not self.pool.added:
            return None
        if column.name not in self._summaries:
            self._summaries[column.name] = asyncio.create_task(self._describe(self.pool, column))
        task = self._summaries[column.name]
        done, _ = await asyncio.wait({task}, timeout=seconds)
        return task.result() if done else None

    async def _describe(self, pool: Pool, column: Column) -> "ColumnSummary | None":
        from dcql.engine.describe import describe_column

        try:
            return await asyncio.to_thread(describe_column, pool, column)
        except (DcqlError, KeyError):
            return None
