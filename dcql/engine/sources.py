"""Where a program's `samples` come from: sidecars where they hold all that is read, else the pool's own files."""

from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Column, Type
from dcql.engine.duck import Source
from dcql.lower.program import Id
from dcql.plan.nodes import Literal

# What a sidecar holds (dcql.catalog.pool.PoolFile).
_IN_SIDECAR = (Type.INT, Type.FLOAT, Type.DOUBLE, Type.BOOL)


def columns_of(pool: Pool, names: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the pool's columns of these names."""
    wanted = set(names)
    return tuple(column for column in pool.schema.columns if column.name in wanted)


def every_file(pool: Pool, columns: tuple[Column, ...]) -> Source:
    """Return all samples of the pool at once, in the order of its files."""
    if _sidecars_suffice(pool, columns):
        return Source(columns, tuple(str(file.sidecar) for file in pool.files), Id.NONE, True)
    return Source(columns, tuple(file.path for file in pool.files), Id.NONE, False)


def uids_of_every_file(pool: Pool, columns: tuple[Column, ...], needed: tuple[tuple[str, str, Literal], ...]) -> Source:
    """Return the samples of a raw pool that pass the comparisons in `needed`, told by their uids as written."""
    return Source(columns, tuple(file.path for file in pool.files), Id.UID, False, needed)


def rows_of_file(pool: Pool, file: PoolFile, columns: tuple[Column, ...]) -> Source:
    """Return the samples of one file of an added pool, told by their position in it."""
    if _sidecars_suffice(pool, columns):
        return Source(columns, (str(file.sidecar),), Id.ROW, True)
    return Source(columns, (file.path,), Id.ROW, False)


def every_path(pool: Pool) -> tuple[str, ...]:
    """Return every file that a run may read."""
    sidecars = [str(file.sidecar) for file in pool.files if file.sidecar is not None]
    return (*(file.path for file in pool.files), *sidecars)


def _sidecars_suffice(pool: Pool, columns: tuple[Column, ...]) -> bool:
    held = all(column.type in _IN_SIDECAR for column in columns)
    return held and bool(pool.files) and all(file.sidecar is not None for file in pool.files)
