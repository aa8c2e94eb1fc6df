"""Models on embeddings: the nearest row of a matrix, the inner product with a vector or with the best rows of a matrix.

Every answer is what exact arithmetic gives; none depends on batch, BLAS, threads or device (`products` says how).
Vectors come as (n, d) float16, float32 or float64. A vector with NaN or infinity in it has no answer and is a failure.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.engine.udfs.answers import NOT_FINITE, Answers, Model
from dcql.engine.udfs.products import (
    Rows,
    double_error,
    in_double,
    prepare,
    sign_of_difference,
    values,
)
from dcql.engine.udfs.scratch import scratch
from dcql.engine.udfs.search import BATCH, OnCpu, OnTorch, Scores, candidates
from dcql.errors import Diagnostic, RunError, did_you_mean

Options = Mapping[str, int | float | str]
TOO_LARGE = "the inner product is beyond float64"
DEVICES = ("auto", "cpu", "cuda")


def load_nearest(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> Model:
    """Return the model nearest(vectors) -> INT: the row of the one asset, (k, d), with the largest inner product.

    The product is with the row as it is, not normalised; of equal ones the lowest row is taken, row 0 for a vector of
    zeros. `margin` is how far that product is ahead of the next best, from float64 in one fixed order: the same bits
    for the same vector in any batch; NaN where there is no answer, infinite for a matrix of one row. Option `device`:
    auto (the default; CUDA where torch finds it), cpu or cuda. Raises RunError for an asset or option that does not
    fit.
    """
    matrix = _matrix(assets)
    _known(options, "device")
    return Nearest(matrix, _scores(matrix, options))


def load_similarity(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> Model:
    """Return similarity(a, b) -> DOUBLE without an asset: the inner product of two vectors of a sample.

    With one asset, (k, d), it is similarity(vectors): the largest inner product with any of its rows. Values are
    float64, as `products.values` says: rounding them to a grid of 2^-14 or coarser gives what exact values give.
    Options and errors are those of `load_nearest`.
    """
    if assets:
        return load_knn(weights=weights, assets=assets, options={**options, "k": 1})
    _known(options, "device")
    return Paired()


def load_knn(*, weights: Path | None, assets: Mapping[str, NDArray[Any]], options: Options) -> Model:
    """Return knn(vectors) -> DOUBLE: the `k`-th largest inner product with rows of the one asset, (rows, d).

    Rows that are equal count as many. Values as for `load_similarity`; raises RunError also for a `k` that is not a
    whole number from 1 to the asset's rows.
    """
    matrix = _matrix(assets)
    _known(options, "device", "k")
    count = options.get("k")
    if type(count) is not int or not 1 <= count <= len(matrix):
        raise _fault(
            "E0667",
            f"k = {count} is no rank among {len(matrix):,} rows",
            "the k-th largest inner product is asked for",
            f"give a whole number from 1 to {len(matrix)}",
        )
    return Ranked(matrix, _scores(matrix, options), count)


def ids_nearest(matrix: NDArray[Any], centroids: NDArray[Any], options: Options | None = None) -> NDArray[np.int64]:
    """Return the rows of `centroids` (k, d) that are nearest to some row of `matrix` (n, d), sorted, each once.

    Nearest as in `load_nearest`, with its option `device`. Raises RunError for arrays that do not fit.
    """
    options = options or {}
    model = load_nearest(weights=None, assets={"centroids": centroids}, options=options)
    assert isinstance(model, Nearest)
    _check_matrix("matrix", matrix)
    _check_width(matrix, model.matrix)
    seen = np.zeros(len(centroids), bool)

    def look(part: slice) -> None:
        rows = _prepared(matrix[part], 0)
        if not rows.finite.all():
            raise _unfit("matrix", "a row holds NaN or infinity")
        seen[model.leaders(rows)[0]] = True

    _batches(look, len(matrix))
    return np.flatnonzero(seen)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The row of a matrix with the largest inner product."""

    matrix: Rows
    scores: Scores

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for vectors (n, d) with int64 rows and margins."""
        (vectors,) = inputs
        _check_width(vectors, self.matrix)
        ids = np.zeros(len(vectors), np.int64)
        margin = np.empty(len(vectors), np.float32)
        finite = np.ones(len(vectors), bool)

        def answer(part: slice) -> None:
            rows = _prepared(vectors[part], 0)
            finite[part] = rows.finite
            ids[part], margin[part] = self.leaders(rows)

        _batches(answer, len(vectors))
        margin[~finite] = np.nan
        return _answers(ids, finite, margin)

    def leaders(self, vectors: Rows) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the nearest row and the margin of each vector; (n,) both."""
        ids = np.zeros(len(vectors), np.int64)
        margin = np.zeros(len(vectors), np.float32)
        if len(self.matrix) == 1:
            margin[:] = np.inf
            return ids, margin
        for found in candidates(self.scores, self.matrix, vectors, 2):
            sample, pair = self._two_of_many(vectors, found.sample, found.row)
            sample, pair = np.concatenate([found.clear, sample]), np.concatenate([found.ids, pair])
            ids[sample], margin[sample] = self._better(vectors, sample, pair)
        return ids, margin

    def _better(
        self, vectors: Rows, sample: NDArray[np.int64], pair: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the better of two rows, (m, 2), for each of m samples, and by how much."""
        first, second = pair[:, 0], pair[:, 1]
        ahead = in_double(vectors, sample, self.matrix, first, second)
        error = double_error(vectors, sample, self.matrix, first) + double_error(vectors, sample, self.matrix, second)
        sign = np.sign(ahead).astype(np.int64)
        for place in np.flatnonzero(abs(ahead) <= error):
            sign[place] = self._sign(vectors, sample[place], first[place], second[place])
        best = np.where(sign > 0, first, np.where(sign < 0, second, np.minimum(first, second)))
        with np.errstate(over="ignore"):
            scaled = np.ldexp(np.maximum(sign * ahead, 0), vectors.shift[sample] + self.matrix.shift[first])
            return best, scaled.astype(np.float32)

    def _two_of_many(
        self, vectors: Rows, sample: NDArray[np.int64], row: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the samples of the pairs, which are sorted, and the two best rows of each."""
        if not len(sample):
            return sample, np.empty((0, 2), np.int64)
        products = in_double(vectors, sample, self.matrix, row)
        error = double_error(vectors, sample, self.matrix, row)
        order = np.lexsort((-products, sample))
        starts = np.flatnonzero(np.diff(sample, prepend=-1))
        samples, counts = sample[starts], np.diff(starts, append=len(sample))
        pairs = np.stack([row[order[starts]], row[order[starts + 1]]], 1)
        least = products[order[starts + 1]] - 2 * np.maximum.reduceat(error, starts)
        near = products >= np.repeat(least, counts)
        for place in np.flatnonzero(np.add.reduceat(near.astype(np.int64), starts) > 2):
            part = slice(starts[place], starts[place] + counts[place])
            pairs[place] = self._exact_two(vectors, samples[place], row[part][near[part]])
        return samples, pairs

    def _exact_two(self, vectors: Rows, sample: int, rows: NDArray[np.int64]) -> tuple[int, int]:
        best, second = int(rows[0]), -1
        for row in rows[1:].tolist():
            if self._sign(vectors, sample, row, best) > 0:
                best, second = row, best
            elif second < 0 or self._sign(vectors, sample, row, second) > 0:
                second = row
        return best, second

    def _sign(self, vectors: Rows, sample: int, first: int, second: int) -> int:
        return sign_of_difference(vectors.stored[sample], self.matrix.stored[first], self.matrix.stored[second])


@dataclass(frozen=True, slots=True)
class Ranked:
    """The `count`-th largest inner product with the rows of a matrix."""

    matrix: Rows
    scores: Scores
    count: int

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for vectors (n, d) with float64 products."""
        (vectors,) = inputs
        _check_width(vectors, self.matrix)
        return _in_batches(self._products, vectors)

    def _products(self, vectors: Rows) -> NDArray[np.float64]:
        products = np.zeros(len(vectors))
        for found in candidates(self.scores, self.matrix, vectors, self.count):
            sample = np.repeat(found.clear, self.count)
            each = values(vectors, sample, self.matrix, found.ids.ravel())
            products[found.clear] = each.reshape(-1, self.count).min(1)
            if len(found.sample):
                each = values(vectors, found.sample, self.matrix, found.row)
                order = np.lexsort((-each, found.sample))
                samples, starts = np.unique(found.sample, return_index=True)
                products[samples] = each[order[starts + self.count - 1]]
        return products


@dataclass(frozen=True, slots=True)
class Paired:
    """The inner product of two vectors of a sample."""

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for two arrays (n, d) with float64 products."""
        first, second = inputs
        _check_vectors(first)
        _check_vectors(second)
        if first.shape != second.shape:
            raise _widths(first.shape[1], second.shape[1])
        return _in_batches(_row_by_row, first, second)


def _row_by_row(first: Rows, second: Rows) -> NDArray[np.float64]:
    every = np.arange(len(first))
    return values(first, every, second, every)


def _in_batches(products: Callable[..., NDArray[np.float64]], *arrays: NDArray[Any]) -> Answers:
    found = np.empty(len(arrays[0]))
    finite = np.ones(len(found), bool)

    def answer(part: slice) -> None:
        rows = [_prepared(array[part], place) for place, array in enumerate(arrays)]
        finite[part] = np.logical_and.reduce([one.finite for one in rows])
        found[part] = products(*rows)

    _batches(answer, len(found))
    return _answers(found, finite)


def _prepared(vectors: NDArray[Any], place: int) -> Rows:
    """Return vectors as Rows in memory of this thread, one for each `place`."""
    return prepare(vectors, out=scratch(f"vectors {place}", vectors.shape, np.float32))


def _batches(work: Callable[[slice], None], count: int) -> None:
    """Do the work for slices of all samples, on as many threads as BLAS would take, each of which multiplies by itself.

    So all of the work is spread and not multiplication alone, and no thread waits for another.
    """
    from threadpoolctl import threadpool_info, threadpool_limits  # looks through all loaded libraries: on first use

    threads = max((each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"), default=1)
    size = min(BATCH, -(-count // threads)) or 1
    parts = (slice(start, start + size) for start in range(0, count, size))
    with threadpool_limits(1, "blas"), _swift_turns(), ThreadPoolExecutor(threads) as workers:
        for _ in workers.map(work, parts):
            pass


@contextmanager
def _swift_turns() -> Iterator[None]:
    """Let a thread that comes back from a multiplication have its turn soon.

    Another thread that calls numpy again and again takes the interpreter back before a waiting one has woken up, until
    that one has waited for Python's switch interval: 5 ms, a seventh of what multiplying a batch takes.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _answers(found: NDArray[Any], finite: NDArray[np.bool_], margin: NDArray[np.float32] | None = None) -> Answers:
    import pyarrow as pa

    failures = {int(place): NOT_FINITE for place in np.flatnonzero(~finite)}
    failures |= {int(place): TOO_LARGE for place in np.flatnonzero(finite & ~np.isfinite(found))}
    missing = np.zeros(len(found), bool)
    missing[list(failures)] = True
    return Answers(pa.array(found, mask=missing), failures, margin)


def _scores(matrix: Rows, options: Options) -> Scores:
    device = options.get("device", "auto")
    if device not in DEVICES:
        meant = did_you_mean(str(device), DEVICES)
        advice = f"did you mean `{meant}`?" if meant else "say auto, cpu or cuda"
        raise _fault("E0668", f"no device `{device}`", "models run on auto, cpu or cuda", advice)
    if device == "cpu":
        return OnCpu(matrix.narrow)
    if importlib.util.find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return OnTorch(matrix.narrow, "cuda")
    if device == "cuda":
        raise _fault("E0668", "no CUDA device", "torch is not installed or finds none", "say device = 'auto'")
    return OnCpu(matrix.narrow)


def _known(options: Options, *names: str) -> None:
    for name in options:
        if name not in names:
            there = ", ".join(f"`{known}`" for known in names)
            raise _fault("E0669", f"no option `{name}`", f"the model has {there}", "leave it out")


def _matrix(assets: Mapping[str, NDArray[Any]]) -> Rows:
    if len(assets) != 1:
        raise _unfit(", ".join(assets) or "none", f"the model takes one asset, not {len(assets)}")
    ((name, matrix),) = assets.items()
    _check_matrix(name, matrix)
    rows = prepare(np.ascontiguousarray(matrix), together=True)
    if not rows.finite.all():
        raise _unfit(name, "a row holds NaN or infinity")
    return rows


def _check_matrix(name: str, matrix: NDArray[Any]) -> None:
    if not _is_floats(matrix) or 0 in matrix.shape:
        shape = " x ".join(str(size) for size in matrix.shape)
        raise _unfit(name, f"it is {shape} of {matrix.dtype}")


def _check_vectors(vectors: NDArray[Any]) -> None:
    if not _is_floats(vectors):
        raise _unfit("vectors", f"they have {vectors.ndim} dimensions of {vectors.dtype}")


def _check_width(vectors: NDArray[Any], matrix: Rows) -> None:
    _check_vectors(vectors)
    if vectors.shape[1] != matrix.stored.shape[1]:
        raise _widths(vectors.shape[1], matrix.stored.shape[1])


def _is_floats(array: NDArray[Any]) -> bool:
    return array.ndim == 2 and array.dtype in (np.float16, np.float32, np.float64)


def _unfit(name: str, reason: str) -> RunError:
    return _fault(
        "E0665",
        f"`{name}` is not a matrix of embeddings",
        reason,
        "give rows and columns of finite float16, float32 or float64",
    )


def _widths(one: int, other: int) -> RunError:
    return _fault(
        "E0666",
        f"an inner product of vectors of {one} and {other} values",
        "both have to come from the same model",
        "name embeddings and an asset of one width",
    )


def _fault(code: str, message: str, label: str, advice: str) -> RunError:
    return RunError(Diagnostic(code, message, None, label, (advice,)))
