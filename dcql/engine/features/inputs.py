"""What models read of a pool: columns, embeddings and images of chosen rows, a piece at a time."""

import posixpath
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import arrow_of
from dcql.catalog import store
from dcql.catalog.coverage import Coverage, open_coverage
from dcql.catalog.features import RAW
from dcql.catalog.models import (
    ColumnArgument,
    CoverageArgument,
    EmbeddingArgument,
    FeatureArgument,
    FeatureSpec,
    ImageArgument,
)
from dcql.catalog.pool import Pool, PoolFile
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.digest import sha256_of
from dcql.engine.embeddings import Embeddings, digest
from dcql.engine.uids import parse_uids
from dcql.subset import UID, Uids, join_words

KEY_DIGITS = 32


@dataclass
class Inputs:
    """What the samples of a pool give to models."""

    pool: Pool

    def key(self, file: PoolFile, spec: FeatureSpec) -> str:
        """Return what tells the inputs of a feature in one file apart: the file's digest, and those beside it.

        What a feature reads through another one counts as what it reads itself.
        An added pool knows the digest of each file's content. Of raw files the footer stands for it, as everywhere.
        """
        kinds = [(EmbeddingArgument, "embedding"), (ImageArgument, "image"), (CoverageArgument, "coverage")]
        return self.key_for(file, frozenset(name for kind, name in kinds if spec.reads(kind)))

    def key_for(self, file: PoolFile, kinds: frozenset[str]) -> str:
        """Return the key of a file for features that read inputs of `kinds`: "embedding", "image" and "coverage" count.

        Raises RunError where the pool has no such inputs.
        """
        read: list[str] = [file.content or sha256_of([file.size, file.footer])]
        if "embedding" in kinds:
            read.append(digest(npz_beside(file)))
        if "image" in kinds:
            read.append(self.shards.digest)
        if "coverage" in kinds:
            read.append("coverage " + self.coverage.key(file))
        return ("" if file.content else RAW) + sha256_of(read).removeprefix("sha256:")[:KEY_DIGITS]

    def uids(self, file: PoolFile) -> Uids:
        """Return the uids of a file, (rows,) of dtype u8,u8. Raises RunError where it cannot be read."""
        if file.rank is not None:
            return self._ranked(np.load(file.rank))
        from dcql.engine.features.rows import ROWS_READ, rows_of

        every = np.arange(file.rows, dtype=np.int64)
        parts = [table.column("uid") for table in rows_of(file, {"uid": Type.TEXT}, every, ROWS_READ)]
        read = [join_words(*parse_uids(texts, file=file.name, first_row=None)) for texts in parts]
        return np.concatenate(read) if read else join_words(*(np.empty(0, np.uint64),) * 2)

    def uids_at(self, file: PoolFile, rows: NDArray[np.int64]) -> Uids:
        """Return the uids of some rows of a file, (n,) of dtype u8,u8. Raises RunError where it cannot be read."""
        if file.rank is not None:
            return self._ranked(np.load(file.rank, mmap_mode="r")[rows])
        return self.uids(file)[rows]

    def _ranked(self, ranks: NDArray[Any]) -> Uids:
        assert self.pool.uids is not None
        # Taken as 16-byte items, uids come faster than as pairs.
        items = np.load(self.pool.uids, mmap_mode="r").view(f"V{UID.itemsize}")
        ranked: Uids = items.take(ranks).view(UID)
        return ranked

    @cached_property
    def shards(self) -> Any:
        """The index of the pool's images, made on first use and kept in the store."""
        from dcql.engine.shards import index

        place = sha256_of([self.pool.source]).removeprefix("sha256:")[:KEY_DIGITS]
        return index(self.pool.source, store.home() / "shards" / place)

    @cached_property
    def coverage(self) -> Coverage:
        """What was recorded of the pool's shards. Raises RunError where nothing was."""
        return open_coverage(self.pool)

    def pieces(
        self,
        file: PoolFile,
        spec: FeatureSpec,
        positions: NDArray[np.int64],
        size: int,
        vectors: Mapping[str, NDArray[Any]],
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the inputs of the rows at `positions` (ascending), at most `size` rows at a time.

        Columns come as arrow arrays, embeddings as (n, d) in the stored dtype, images as a list of bytes or None, and
        the coverage as an arrow array of uint8, the numbers of State.
        `vectors` are those of the features that it reads, by parameter, (rows, d) for all rows of the file.
        Raises RunError where something cannot be read.
        """
        from dcql.engine.features.rows import rows_of  # it brings in Arrow, and most runs find everything stored

        columns = {one.column: one.type for one in spec.inputs if isinstance(one, ColumnArgument)}
        images = any(isinstance(one, ImageArgument) for one in spec.inputs)
        embeddings = {
            one.key: Embeddings.open(npz_beside(file), one.key, rows=file.rows)
            for one in spec.inputs
            if isinstance(one, EmbeddingArgument)
        }
        covered = any(isinstance(one, CoverageArgument) for one in spec.inputs)
        states = self.coverage.states(file) if covered else None
        read = columns | ({"uid": Type.TEXT} if images else {})
        tables = rows_of(file, read, positions, size) if read else None
        for start in range(0, len(positions), size):
            here = positions[start : start + size]
            table = next(tables) if tables is not None else None
            found = self._images(table.column("uid")) if images and table is not None else None
            piece: list[Any] = []
            for one in spec.inputs:
                match one:
                    case ColumnArgument():
                        assert table is not None
                        piece.append(table.column(one.column).combine_chunks())
                    case EmbeddingArgument():
                        piece.append(_taken(embeddings[one.key].rows(int(here[0]), int(here[-1]) + 1), here))
                    case FeatureArgument():
                        piece.append(_taken(vectors[one.parameter][here[0] : here[-1] + 1], here))
                    case ImageArgument():
                        piece.append(found)
                    case CoverageArgument():
                        assert states is not None
                        piece.append(arrow_of(states[here]))
            yield tuple(piece)

    def _images(self, uids: Any) -> list[bytes | None]:
        from dcql.engine.shards import read

        words = join_words(*parse_uids(uids, file=self.pool.name, first_row=None))
        return [image for batch in read(self.shards, words) for image in batch]


def npz_beside(file: PoolFile) -> str:
    """Return the path of the embeddings beside a file of the pool."""
    return posixpath.splitext(file.path)[0] + ".npz"


def _taken(between: NDArray[Any], here: NDArray[np.int64]) -> NDArray[Any]:
    """Return some rows of an embedding, of which all from the first to the last are given; all are not copied."""
    return between if len(between) == len(here) else between[here - here[0]]


def shards_store() -> Path:
    """Return where indexes of images are kept."""
    return store.home() / "shards"
