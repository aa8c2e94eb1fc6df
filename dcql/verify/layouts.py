"""A pool in other files: the same samples in the same order, cut and grouped otherwise."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dcql.catalog.models import Asset, EmbeddingArgument, FitAsset, MadeAsset
from dcql.catalog.pool import Pool, PoolFile
from dcql.compiler import Run
from dcql.engine.embeddings import Embeddings
from dcql.engine.features.inputs import npz_beside
from dcql.errors import Diagnostic, RunError
from dcql.files import first_line, locate
from dcql.lower.program import Program

# Beyond these a pool is not written anew unless it is asked for.
MAX_ROWS = 2_000_000
MAX_BYTES = 1 << 30
# How many rows a row group has: all of a file's, or a fiftieth.
WHOLE, SMALL = 0, 50
_FEWEST_ROWS = 97
_ROWS_READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one file of a pool: those of the n-th `file`, from `start` to before `stop`."""

    file: int
    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.stop - self.start


Layout = tuple[tuple[Piece, ...], ...]


def as_it_is(pool: Pool) -> Layout:
    """Return the layout of a pool, as the layout of another one with the same files."""
    return tuple((Piece(number, 0, file.rows),) for number, file in enumerate(pool.files))


def merged(pool: Pool) -> Layout:
    """Return all samples in one file."""
    return (tuple(Piece(number, 0, file.rows) for number, file in enumerate(pool.files)),)


def split(pool: Pool) -> Layout:
    """Return each file in three, of unequal length where there are enough rows."""
    pieces: list[tuple[Piece, ...]] = []
    for number, file in enumerate(pool.files):
        cuts = sorted({0, file.rows // 7, file.rows // 2, file.rows})
        pieces += [(Piece(number, start, stop),) for start, stop in pairwise(cuts)]
    return tuple(pieces)


def embeddings_of(program: Program) -> tuple[str, ...]:
    """Return the arrays beside a pool's files that a program reads."""
    read = [one.key for spec in program.every_feature for one in spec.inputs if isinstance(one, EmbeddingArgument)]
    given = [one.asset for one in program.asset_sets]
    given += [one.asset for spec in program.every_feature for one in spec.assets]
    return tuple(sorted({*read, *(fit.embedding for asset in given for fit in _fits(asset))}))


def _fits(asset: Asset) -> Iterator[FitAsset]:
    """Yield what is fitted of an asset, itself or what it is made of."""
    if isinstance(asset, FitAsset):
        yield asset
    for one in asset.of if isinstance(asset, MadeAsset) else ():
        yield from _fits(one)


def why_not(pool: Pool, arrays: tuple[str, ...], *, full: bool) -> str | None:
    """Return why a pool is not written anew: it is too large, or there is no room; None where it is."""
    size = sum(file.size for file in pool.files)
    for file in pool.files if arrays else ():
        found = [Embeddings.open(npz_beside(file), key, rows=file.rows) for key in arrays]
        size += sum(one.shape[0] * one.shape[1] * one.dtype.itemsize for one in found)
    if not full and pool.rows > MAX_ROWS:
        return f"{pool.rows:,} samples are more than {MAX_ROWS:,}: --full"
    if not full and size > MAX_BYTES:
        return f"{size / 1e9:.1f} GB are more than {MAX_BYTES / 1e9:.1f} GB: --full"
    if not full and any("://" in file.path for file in pool.files):
        return "the pool lies behind a URL: --full"
    # The files, and beside them sidecars and ranks of about their size.
    if 3 * size > (free := shutil.disk_usage(tempfile.gettempdir()).free):
        return f"{3 * size / 1e9:.1f} GB are needed in {tempfile.gettempdir()}, and {free / 1e9:.1f} GB are free"
    return None


def write(run: Run, layout: Layout, folder: Path, row_group: int) -> None:
    """Write the pool of a run to `folder` in another layout, each file in WHOLE or SMALL row groups.

    Raises RunError where a file cannot be read, or the files cannot be put into one.
    """
    folder.mkdir()
    keys = embeddings_of(run.compiled.program)
    for number, pieces in enumerate(layout):
        path = folder / f"{number:08d}.parquet"
        try:
            _write_file(run.pool, pieces, path, row_group)
        except (OSError, pa.ArrowException) as error:
            raise RunError(
                Diagnostic(
                    "E1453",
                    f"`{run.pool.name}` cannot be written in other files",
                    None,
                    (error.strerror if isinstance(error, OSError) else None) or first_line(error),
                    ("free some space for temporary files, or name another place for them: TMPDIR",),
                )
            ) from error
        if keys:
            np.savez(path.with_suffix(".npz"), **{key: _vectors(run.pool, pieces, key) for key in keys})


def _write_file(pool: Pool, pieces: tuple[Piece, ...], path: Path, row_group: int) -> None:
    rows = sum(piece.rows for piece in pieces)
    schema = _schema(pool.files[pieces[0].file])
    size = max(1, rows) if row_group == WHOLE else max(_FEWEST_ROWS, rows // row_group)
    # Other pages than most files have: no dictionaries, and small.
    with pq.ParquetWriter(path, schema, use_dictionary=False, data_page_size=1 << 14) as writer:
        waiting: list[Any] = []
        held = 0
        for piece in pieces:
            for batch in _read(pool.files[piece.file], piece):
                waiting.append(pa.Table.from_batches([batch]).select(schema.names).cast(schema))
                held += batch.num_rows
                while held >= size:
                    table = pa.concat_tables(waiting)
                    writer.write_table(table.slice(0, size), row_group_size=size)
                    waiting, held = [table.slice(size)], held - size
        if held:
            writer.write_table(pa.concat_tables(waiting), row_group_size=size)


def _schema(file: PoolFile) -> Any:
    filesystem, path = locate(file.path)
    with filesystem.open(path, "rb") as stream:
        return pq.ParquetFile(stream).schema_arrow


def _read(file: PoolFile, piece: Piece) -> Iterator[Any]:
    """Yield the rows of a piece as arrow record batches."""
    filesystem, path = locate(file.path)
    seen = 0
    with filesystem.open(path, "rb") as stream:
        for batch in pq.ParquetFile(stream).iter_batches(_ROWS_READ):
            start, stop = max(piece.start - seen, 0), min(piece.stop - seen, batch.num_rows)
            if start < stop:
                yield batch.slice(start, stop - start)
            seen += batch.num_rows
            if seen >= piece.stop:
                return


def _vectors(pool: Pool, pieces: tuple[Piece, ...], key: str) -> Any:
    parts = []
    for piece in pieces:
        file = pool.files[piece.file]
        parts.append(Embeddings.open(npz_beside(file), key, rows=file.rows).rows(piece.start, piece.stop))
    return np.concatenate(parts)
