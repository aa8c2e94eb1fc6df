"""The rows of a matrix with the largest inner products: float32 in tiles, with every row in question kept.

Scores are made by matrix multiplication, tile by tile, and only the best few are kept, so that memory does not grow
with the matrix. A float32 score is off by at most a proven bound; where another row comes within twice that bound of
the last of the best, the sample is looked at again and every such row is kept. Which rows these are depends on the
machine, but they always hold the rows that are exactly the best: `products` decides among them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dcql.engine.udfs.products import Rows, single_bound
from dcql.engine.udfs.scratch import scratch

BATCH = 4096  # samples in work at a time
_TILE = 1024  # rows of the matrix in work at a time on a CPU: 16 MiB of scores
_TILE_CUDA = 32768  # and on a GPU: 256 MiB
_AGAIN = 128  # samples looked at again at a time: all of them may be as near to every row
_MORE = 3  # scores kept beyond those asked for: nearly always all that come into question
_FEW = 8  # as many best are found one after the other, more by partitioning


class Scores(Protocol):
    """A matrix (k, d) to multiply with on some device."""

    def tiles(self, vectors: NDArray[np.float32]) -> Iterator[tuple[int, Any]]:
        """Yield the first row and the (n, rows) float32 scores of each tile, as arrays of the device."""
        ...

    def best(
        self, scores: Any, kept: int, count: int, floor: NDArray[np.float32], slack: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the `kept` largest of each row of scores, largest first, and where they are; destroys the scores.

        Those below the row's `floor` (n,), or more than `slack` (n,) below the `count`-th largest, may be missing: -inf
        stands for them.
        """
        ...

    def above(self, scores: Any, floor: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places (row, column) of the scores that are at least their row's floor."""
        ...


@dataclass(frozen=True, slots=True)
class OnCpu:
    """Scores by numpy's BLAS."""

    matrix: NDArray[np.float32]

    def tiles(self, vectors: NDArray[np.float32]) -> Iterator[tuple[int, Any]]:
        """Yield the scores, all in the same memory of this thread."""
        space = scratch("scores", (len(vectors), min(_TILE, len(self.matrix))), np.float32)
        for start in range(0, len(self.matrix), _TILE):
            tile = self.matrix[start : start + _TILE]
            out = space if len(tile) == space.shape[1] else scratch("scores", (len(vectors), len(tile)), np.float32)
            yield start, np.matmul(vectors, tile.T, out=out)

    def best(
        self, scores: Any, kept: int, count: int, floor: NDArray[np.float32], slack: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the largest scores and their columns."""
        if kept > _FEW:
            ids = np.argpartition(scores, -kept, axis=1)[:, -kept:]
            found = np.take_along_axis(scores, ids, 1)
            order = np.argsort(-found, axis=1)
            return np.take_along_axis(found, order, 1), np.take_along_axis(ids, order, 1)
        largest = np.full((len(scores), kept), -np.inf, np.float32)
        ids = np.zeros((len(scores), kept), np.int64)
        floor = floor.copy()
        rows = np.arange(len(scores))
        for place in range(kept):
            part = scores if len(rows) == len(scores) else scores[rows]
            columns = part.argmax(1)
            found = part[np.arange(len(rows)), columns]
            largest[rows, place], ids[rows, place] = found, columns
            if place == count - 1:
                floor[rows] = np.maximum(floor[rows], _below(found, slack[rows]))
            # Few rows have a next one that matters, once many have been seen.
            more = found >= floor[rows]
            rows, columns = rows[more], columns[more]
            scores[rows, columns] = -np.inf
        return largest, ids

    def above(self, scores: Any, floor: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of the scores that are at least their row's floor."""
        rows, columns = np.nonzero(scores >= floor[:, None])
        return rows, columns


class OnTorch:
    """Scores by torch, in full float32: TF32 is off while they are made."""

    _precision = Lock()

    def __init__(self, matrix: NDArray[np.float32], device: str) -> None:
        import torch

        self._torch = torch
        self._matrix = torch.tensor(matrix, device=device)

    def tiles(self, vectors: NDArray[np.float32]) -> Iterator[tuple[int, Any]]:
        """Yield the scores of each tile."""
        torch = self._torch
        moved = torch.tensor(vectors, device=self._matrix.device)
        for start in range(0, len(self._matrix), _TILE_CUDA):
            with self._precision:  # torch's setting is one for all threads
                before = torch.get_float32_matmul_precision()
                torch.set_float32_matmul_precision("highest")
                try:
                    scores = moved @ self._matrix[start : start + _TILE_CUDA].T
                finally:
                    torch.set_float32_matmul_precision(before)
            yield start, scores

    def best(
        self, scores: Any, kept: int, count: int, floor: NDArray[np.float32], slack: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the largest scores and their columns, floor or not: on a GPU a look costs little, a question much."""
        if kept > _FEW:
            found, places = scores.topk(kept, dim=1)
            return found.cpu().numpy(), places.cpu().numpy()
        largest, ids = [], []
        for _ in range(kept):
            found, places = scores.max(dim=1)
            scores.scatter_(1, places[:, None], float("-inf"))
            largest.append(found)
            ids.append(places)
        return self._torch.stack(largest, 1).cpu().numpy(), self._torch.stack(ids, 1).cpu().numpy()

    def above(self, scores: Any, floor: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of the scores that are at least their row's floor."""
        places = (scores >= self._torch.tensor(floor, device=scores.device)[:, None]).nonzero().cpu().numpy()
        return places[:, 0], places[:, 1]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows that come into question as one of the `count` best, for n samples.

    `clear` are the positions of samples with just `count` of them, `ids` (len(clear), count) int64. Of the others, the
    pairs (`sample`, `row`), sorted by sample, then row, are all that there is.
    """

    clear: NDArray[np.int64]
    ids: NDArray[np.int64]
    sample: NDArray[np.int64]
    row: NDArray[np.int64]


def candidates(scores: Scores, matrix: Rows, vectors: Rows, count: int) -> Iterator[Candidates]:
    """Find the rows of the matrix that may be among the `count` with the largest inner products; count <= its rows.

    Each sample stands in one of what is yielded, but for a vector of zeros, to which all rows are equally near.
    """
    some = np.flatnonzero(vectors.lengths > 0)
    narrow = vectors.narrow if len(some) == len(vectors) else vectors.narrow[some]
    kept = min(count + _MORE, len(matrix))
    # `count` rows are exactly at least the last of the best less a bound, so a row that is as good has a score of at
    # least that less another bound, in this multiplication and in any other.
    bound = single_bound(narrow.shape[1]) * vectors.lengths[some] * matrix.lengths.max()
    slack = (2 * bound * (1 + 2.0**-20)).astype(np.float32)
    best, ids = _best(scores, narrow, kept, count, slack)
    floor = _below(best[:, count - 1], slack)
    near = best >= floor[:, None]
    clear = near.sum(1) == count
    unseen = near[:, -1] & (kept < len(matrix)) & ~clear
    sample, place = np.nonzero(near & ~(clear | unseen)[:, None])
    row = ids[sample, place]
    order = np.lexsort((row, sample))
    yield Candidates(some[clear], ids[clear, :count], some[sample[order]], row[order])
    again = np.flatnonzero(unseen)
    for part in (again[start : start + _AGAIN] for start in range(0, len(again), _AGAIN)):
        found = [(scores.above(tile, floor[part]), start) for start, tile in scores.tiles(narrow[part])]
        sample = np.concatenate([some[part[places]] for (places, _), _ in found])
        row = np.concatenate([columns + start for (_, columns), start in found])
        order = np.lexsort((row, sample))
        yield Candidates(some[:0], ids[:0, :count], sample[order], row[order])


def _best(
    scores: Scores, vectors: NDArray[np.float32], kept: int, count: int, slack: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the `kept` largest scores of each vector and their rows, as far as they matter, largest first."""
    best = np.full((len(vectors), kept), -np.inf, np.float32)
    ids = np.zeros((len(vectors), kept), np.int64)
    for start, tile in scores.tiles(vectors):
        floor = _below(best[:, count - 1], slack)
        found, places = scores.best(tile, min(kept, tile.shape[1]), count, floor, slack)
        if start == 0:
            best[:, : found.shape[1]], ids[:, : found.shape[1]] = found, places
            continue
        changed = np.flatnonzero(found[:, 0] >= floor)
        both = np.concatenate([best[changed], found[changed]], 1)
        rows = np.concatenate([ids[changed], places[changed] + start], 1)
        order = np.argsort(-both, axis=1)[:, :kept]
        best[changed], ids[changed] = np.take_along_axis(both, order, 1), np.take_along_axis(rows, order, 1)
    return best, ids


def _below(scores: NDArray[np.float32], slack: NDArray[np.float32]) -> NDArray[np.float32]:
    # Rounded down: a row as good as the last must not be lost to the rounding of this difference.
    return np.asarray(np.nextafter(scores - slack, np.float32(-np.inf)))
