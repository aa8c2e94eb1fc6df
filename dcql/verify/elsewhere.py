"""Another store, for as long as a condition lasts: the user's own is read, and never written."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import present
from dcql.catalog import store
from dcql.catalog.coverage import Coverage, coverage_folder, identity_of, keep_states, known_coverage, save
from dcql.catalog.features import ID_DIGITS, StoredFeature, features_folder
from dcql.catalog.models import CoverageArgument, ImageArgument, InputArgument
from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import Run
from dcql.engine.add import add
from dcql.engine.features import files
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.report import Use
from dcql.engine.features.vectors import array_of, vectors_or_none
from dcql.engine.udfs.answers import Answers
from dcql.scratch import scratch
from dcql.verify.layouts import Layout, Piece


@dataclass(frozen=True)
class Other:
    """A store that is empty at first, in `folder`; `real` is the user's, from which values are carried.

    `coverage` is that of the run's pool, where the recipe asks for it.
    """

    run: Run
    real: Path
    folder: Path
    coverage: Coverage | None = None

    def carry(
        self, pool: Pool, layout: Layout, apart: frozenset[str] = frozenset(), halved: frozenset[str] = frozenset()
    ) -> None:
        """Take over the coverage, and the values that the run's features have, to where `pool` has their samples.

        `layout` says of which pieces of the run's pool each file of `pool` is made. Of the features in `apart` nothing
        is taken over, of those in `halved` the values of every other sample by its uid.
        """
        if self.coverage is not None:
            self._carry_coverage(self.coverage, pool, layout)
        report = self.run.result.features
        for use in report.uses if report is not None else ():
            if use.spec.name in apart:
                continue
            self._carry(use, pool, layout, half=use.spec.name in halved)

    def _carry_coverage(self, before: Coverage, pool: Pool, layout: Layout) -> None:
        folder = coverage_folder(pool)
        files: dict[str, tuple[str, str]] = {}
        for file, pieces in zip(pool.files, layout, strict=True):
            parts = [before.states(self.run.pool.files[one.file])[one.start : one.stop] for one in pieces]
            states = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
            files[file.name] = (identity_of(file), keep_states(folder, states))
        save(replace(before, files=files, folder=folder))

    def _carry(self, use: Use, pool: Pool, layout: Layout, *, half: bool) -> None:
        before = StoredFeature(use.id, self.real / "features" / use.id.removeprefix("sha256:")[:ID_DIGITS])
        now = StoredFeature(use.id, features_folder() / before.folder.name)
        now.folder.mkdir(parents=True)
        shutil.copyfile(before.folder / "feature.json", now.folder / "feature.json")
        ours, theirs = Inputs(self.run.pool), Inputs(pool)
        if self.coverage is not None:
            ours.coverage = self.coverage  # the store of now has that of the other files
        with before.reading():
            for file, pieces in zip(pool.files, layout, strict=True):
                start = 0
                for piece in pieces:
                    source = self.run.pool.files[piece.file]
                    newest = before.newest(ours.key(source, use.spec)) if piece.rows else None
                    if newest is not None:
                        positions, answers = _answers(use, newest, source.rows, piece)
                        if half:
                            kept = np.flatnonzero(ours.uids(source)["f1"][positions + piece.start] % 2 == 1)
                            positions, answers = positions[kept], _some(answers, kept)
                        if len(positions):
                            files.merge(
                                now, theirs.key(file, use.spec), file.rows, use.spec, positions + start, answers
                            )
                    start += piece.rows


def _answers(
    use: Use, path: Path, rows: int, piece: Piece
) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", Answers]:
    """Return which rows of a piece have stored values, counted from its start, and the values as answers."""
    values = files.read_values(path, rows)
    known = np.flatnonzero(values.known[piece.start : piece.stop])
    at = pa.array(known + piece.start)
    given = values.value.take(at)
    if use.spec.is_embedding:
        vectors = vectors_or_none(path, values.value)
        given = array_of(vectors[known + piece.start], present(given)) if vectors.shape[1] else pa.nulls(len(known))
    reasons = values.failure.take(at).to_pylist()
    failures = {place: reason for place, reason in enumerate(reasons) if reason is not None}
    return known, Answers(given, failures, values.margin.take(at).to_numpy(zero_copy_only=False).astype(np.float32))


def _some(answers: Answers, kept: NDArray[np.int64]) -> Answers:
    failures = {place: answers.failures[at] for place, at in enumerate(kept.tolist()) if at in answers.failures}
    assert answers.margin is not None
    return Answers(answers.values.take(pa.array(kept)), failures, answers.margin[kept])


@contextlib.contextmanager
def store_for(run: Run) -> Iterator[Other]:
    """Let $DCQL_HOME be an empty folder, with the user's weights, until the block ends.

    Processes that start meanwhile have another seed for Python's hashes than this one was given.
    """
    # Its states are read from where they are, whatever the store is by then.
    coverage = known_coverage(run.pool) if _reads(run, CoverageArgument) else None
    real, before = store.home(), {name: os.environ.get(name) for name in ("DCQL_HOME", "PYTHONHASHSEED")}
    with scratch() as folder:
        home = folder / "home"
        home.mkdir()
        if (real / "weights").is_dir():
            (home / "weights").symlink_to(real / "weights", target_is_directory=True)
        # Where the images of a pool lie is found by walking its tars, once.
        if (real / "shards").is_dir() and _reads(run, ImageArgument):
            shutil.copytree(real / "shards", home / "shards")
        os.environ["DCQL_HOME"] = str(home)
        os.environ["PYTHONHASHSEED"] = "2" if before["PYTHONHASHSEED"] == "1" else "1"
        try:
            yield Other(run, real, folder, coverage)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def opened(pool: Pool, source: str | Path, *, is_added: bool) -> Pool:
    """Return the pool that lies at `source`, added to the store of now or raw, under the name of `pool`.

    What is beside a pool's samples, its images and assets, stays where it is.
    """
    found = add(_name(pool), source) if is_added else open_pool(Path(source))
    return replace(found, name=pool.name, source=pool.source)


def _name(pool: Pool) -> str:
    return pool.name if store.is_pool_name(pool.name) else "pool"


def _reads(run: Run, kind: type[InputArgument]) -> bool:
    return any(spec.reads(kind) for spec in run.compiled.program.features)
