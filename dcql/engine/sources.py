"""Where a program's `samples` come from: sidecars where they hold all that is read, else the pool's own files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from dcql.catalog.pool import Pool, PoolFile
from dcql.dataclass import dataclass
from dcql.engine.duck import Source
from dcql.lower.program import Program
from dcql.lower.statement import LENGTHS, Statement

# DuckDB keeps the memory of a query until the next one, and the more files it reads together, the more it keeps: a
# pool's size shows in the peak from two large files on. Small files still go to all threads.
_ROWS_TOGETHER = 500_000

# The files of features by parameter, beside each of some files of a pool.
Beside = Callable[[tuple[PoolFile, ...]], Mapping[str, tuple[str, ...]]]


def _nothing_beside(files: tuple[PoolFile, ...]) -> Mapping[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True)
class Sources:
    """The samples of a pool for a program; `beside` gives the files of its features as they are now."""

    program: Program
    pool: Pool
    beside: Beside = field(default=_nothing_beside)

    def every_file(self) -> Source:
        """Return all samples of the pool at once, in the order of its files."""
        samples, files = self.program.samples, self.pool.files
        if samples.sidecar is not None and self._has_sidecars:
            return Source(samples.sidecar, tuple(str(file.sidecar) for file in files), self._beside(files))
        return Source(samples.raw, tuple(file.path for file in files), self._beside(files))

    def every_place(self) -> Source:
        """Return all samples of the pool at once, told by their place."""
        samples, files = self.program.samples, self.pool.files
        if samples.sidecar_rows is not None and self._has_sidecars:
            return Source(samples.sidecar_rows, tuple(str(file.sidecar) for file in files), self._beside(files))
        return Source(samples.raw_rows, tuple(file.path for file in files), self._beside(files))

    def every_named(self) -> Source:
        """Return all samples of the pool at once, told by their place, with their uids."""
        samples, files = self.program.samples, self.pool.files
        assert samples.raw_named is not None
        return Source(samples.raw_named, tuple(file.path for file in files), self._beside(files))

    def named(self, samples: Statement) -> Source:
        """Return all samples of the pool at once, by place and uid, as a statement's own `samples` says."""
        return Source(samples, tuple(file.path for file in self.pool.files), self._beside(self.pool.files))

    def uids_in_turn(self) -> Iterator[Source]:
        """Yield the samples of a raw pool, told by their uids as written, some files at a time.

        Where the program has `kept`, they are those that may be kept.
        """
        together: list[PoolFile] = []
        rows = 0
        for file in self.pool.files:
            together.append(file)
            rows += file.rows
            if rows >= _ROWS_TOGETHER:
                yield self._uids_of(tuple(together))
                together, rows = [], 0
        if together:
            yield self._uids_of(tuple(together))

    def rows_of_file(self, file: PoolFile) -> Source:
        """Return the samples of one file, told by their position in it."""
        samples = self.program.samples
        if samples.sidecar_rows is not None and self._has_sidecars:
            return Source(samples.sidecar_rows, (str(file.sidecar),), self._beside((file,)))
        return Source(samples.raw_rows, (file.path,), self._beside((file,)))

    def _uids_of(self, files: tuple[PoolFile, ...]) -> Source:
        samples = self.program.samples
        told = samples.raw_uids if self.program.kept is None or samples.raw_kept is None else samples.raw_kept
        return Source(told, tuple(file.path for file in files), self._beside(files))

    def _beside(self, files: tuple[PoolFile, ...]) -> Mapping[str, tuple[str, ...]]:
        beside = self.beside(files)
        if not self.program.lengths:
            return beside
        return {**beside, LENGTHS: tuple(str(file.lengths) for file in files)}

    @property
    def _has_sidecars(self) -> bool:
        return bool(self.pool.files) and all(file.sidecar is not None for file in self.pool.files)


def every_path(pool: Pool) -> tuple[str, ...]:
    """Return every file that a run may read."""
    kept = [str(path) for file in pool.files for path in (file.sidecar, file.lengths) if path is not None]
    return (*(file.path for file in pool.files), *kept)
