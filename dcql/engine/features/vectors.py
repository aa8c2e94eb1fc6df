"""The vectors of an EMBEDDING feature: N.npy beside N.parquet, (rows, d) float16, row for row.

The parquet file says which rows have a vector; what the .npy holds for the others is never read. It is written before
the parquet file: alone it is what a kill left, and means nothing. There is none while no row has a vector, for then it
is not known how long they are.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import present
from dcql.engine.udfs.answers import NOT_FINITE, Answers
from dcql.errors import Diagnostic, RunError
from dcql.npy import map_npy
from dcql.scratch import unfinished

Halves: TypeAlias = NDArray[np.float16]

_AT_ONCE = 1 << 14


def vectors_file(path: Path) -> Path:
    """Return where the vectors of a version of a file's values lie."""
    return path.with_suffix(".npy")


def as_halves(answers: Answers, feature: str) -> Answers:
    """Return a model's vectors as float16, halves to even, -0 as 0; a vector with NaN or infinity is a failure.

    `values` is an arrow list of one length, or of type null where there is no vector at all. Raises RunError for a
    number beyond float16.
    """
    there = has_vector(answers.values)
    if not there.any():
        return Answers(pa.nulls(len(there)), answers.failures, answers.margin)
    given = matrix(answers.values)
    finite = np.isfinite(given).all(axis=1)
    failures = {**answers.failures, **dict.fromkeys(np.flatnonzero(there & ~finite).tolist(), NOT_FINITE)}
    there &= finite
    with np.errstate(over="ignore"):
        halves = np.where(there[:, None], given, 0).astype(np.float16) + np.float16(0)
    beyond = np.argwhere(~np.isfinite(halves))
    if len(beyond):
        raise RunError(
            Diagnostic(
                "E0606",
                f"{float(given[tuple(beyond[0])])!r} does not fit `{feature}`",
                None,
                "an EMBEDDING holds numbers of 16 bits, from -65504 to 65504",
                ("let the model give vectors of length 1",),
            )
        )
    return Answers(array_of(halves, there), failures, answers.margin)


def array_of(vectors: Halves, there: NDArray[np.bool_]) -> Any:
    """Return vectors (n, d) as an arrow list of float16, NULL where there is none."""
    return pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(vectors).reshape(-1)), vectors.shape[1], mask=pa.array(~there)
    )


def matrix(values: Any) -> NDArray[Any]:
    """Return an arrow list of one length as (n, d), whatever where it is NULL."""
    width = values.type.list_size
    # flatten() would leave NULLs out, and .values ignores where a slice begins.
    flat = values.values.slice(values.offset * width, len(values) * width)
    numbers: NDArray[Any] = flat.to_numpy(zero_copy_only=False)
    return numbers.reshape(len(values), width)


def joined_vectors(parts: Sequence[Any], feature: str) -> Any:
    """Return arrow arrays of vectors as one. Raises RunError where they are of several lengths."""
    types = list(dict.fromkeys(part.type for part in parts if not pa.types.is_null(part.type)))
    if len(types) > 1:
        raise other_width(feature, types[0].list_size, types[1].list_size)
    if not types:
        return pa.nulls(sum(len(part) for part in parts))
    return pa.concat_arrays([part if part.type == types[0] else pa.nulls(len(part), types[0]) for part in parts])


def has_vector(values: Any) -> NDArray[np.bool_]:
    """Return where an arrow array holds a vector, (n,) bool."""
    return np.zeros(len(values), np.bool_) if pa.types.is_null(values.type) else present(values)


def width_of(values: Any) -> int:
    """Return how long the vectors of an arrow array are, 0 where that is not known."""
    return 0 if pa.types.is_null(values.type) else int(values.type.list_size)


def open_vectors(path: Path, rows: int) -> Halves:
    """Map the vectors of a version of a file's values into memory, (rows, d).

    Raises RunError where they are damaged or of another length.
    """
    file = vectors_file(path)
    try:
        vectors: Halves = map_npy(file)
    except (OSError, ValueError) as error:
        raise RunError(_damaged(file, str(error))) from error
    if vectors.dtype != np.float16 or vectors.ndim != 2 or len(vectors) != rows:
        raise RunError(_damaged(file, f"it is {vectors.dtype} of shape {vectors.shape}, not {rows:,} rows of float16"))
    return vectors


def vectors_or_none(path: Path, value: Any) -> Halves:
    """Map the vectors of a version whose column `value` is given; (rows, 0) where no row has any."""
    return open_vectors(path, len(value)) if present(value).any() else np.zeros((len(value), 0), np.float16)


def write_vectors(path: Path, rows: int, parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], Halves]]) -> None:
    """Write the vectors of a version of a file's values. Raises OSError.

    A part is rows of the file, ascending, rows of a matrix, and the matrix, all of one width. Rows of no part take no
    room on disk where the file system knows holes.
    """
    target = vectors_file(path)
    width = parts[0][2].shape[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with unfinished(target) as place:
        with place.open("wb") as file:
            header = {"descr": "<f2", "fortran_order": False, "shape": (rows, width)}
            np.lib.format.write_array_header_1_0(file, header)
            start = file.tell()
            for at, taken, vectors in parts:
                for first in range(0, len(at), _AT_ONCE):
                    here = at[first : first + _AT_ONCE]
                    chunk = np.ascontiguousarray(vectors[taken[first : first + _AT_ONCE]].astype("<f2", copy=False))
                    ends = np.flatnonzero(np.diff(here) != 1) + 1
                    for low, high in zip([0, *ends], [*ends, len(here)], strict=True):
                        file.seek(start + int(here[low]) * width * 2)
                        file.write(chunk[low:high].tobytes())
            file.truncate(start + rows * width * 2)
            file.flush()
            os.fsync(file.fileno())
        place.replace(target)


def other_width(feature: str, one: int, other: int) -> RunError:
    """Return the error of a model whose vectors are not all of one length."""
    return RunError(
        Diagnostic(
            "E0606",
            f"a vector of length {other} does not fit `{feature}`",
            None,
            f"its other vectors are of length {one}",
            ("let the model give vectors of one length",),
        )
    )


def _damaged(path: Path, reason: str) -> Diagnostic:
    helps = ("remove them: `dcql feature gc`, and the next run computes them again",)
    return Diagnostic("E0605", f"the stored vectors in `{path}` cannot be read", None, reason, helps)
