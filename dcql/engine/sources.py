"""Where a program's `samples` come from: sidecars where they hold all that is read, else the pool's own files."""

from collections.abc import Iterator

from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.duck import Source
from dcql.lower.program import Program

_ROWS_TOGETHER = 1 << 20


def every_file(program: Program, pool: Pool) -> Source:
    """Return all samples of the pool at once, in the order of its files."""
    if program.samples.sidecar is not None and _has_sidecars(pool):
        return Source(program.samples.sidecar, tuple(str(file.sidecar) for file in pool.files))
    return Source(program.samples.raw, tuple(file.path for file in pool.files))


def uids_in_turn(program: Program, pool: Pool) -> Iterator[Source]:
    """Yield the samples of a raw pool that may be kept, told by their uids as written, some files at a time.

    DuckDB keeps the memory of a query until the next one: over all files at once it would grow with the pool.
    """
    together: list[str] = []
    rows = 0
    for file in pool.files:
        together.append(file.path)
        rows += file.rows
        if rows >= _ROWS_TOGETHER:
            yield Source(program.samples.raw_uids, tuple(together))
            together, rows = [], 0
    if together:
        yield Source(program.samples.raw_uids, tuple(together))


def rows_of_file(program: Program, pool: Pool, file: PoolFile) -> Source:
    """Return the samples of one file of an added pool, told by their position in it."""
    if program.samples.sidecar_rows is not None and _has_sidecars(pool):
        return Source(program.samples.sidecar_rows, (str(file.sidecar),))
    return Source(program.samples.raw_rows, (file.path,))


def every_path(pool: Pool) -> tuple[str, ...]:
    """Return every file that a run may read."""
    sidecars = [str(file.sidecar) for file in pool.files if file.sidecar is not None]
    return (*(file.path for file in pool.files), *sidecars)


def _has_sidecars(pool: Pool) -> bool:
    return bool(pool.files) and all(file.sidecar is not None for file in pool.files)
