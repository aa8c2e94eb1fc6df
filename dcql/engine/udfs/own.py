"""A user's own model: one Python file, named in a recipe with its digest.

    # sharpness.py: MODEL sharpness(caption TEXT) RETURNS FLOAT VERSION 1 FROM 'sharpness.py' SHA256 '..';
    def load(weights, assets, options):
        def answer(captions):
            return [None if text is None else len(set(text)) / max(1, len(text)) for text in captions]
        return answer

`load` is called once a process, with the weights' path (None without WEIGHTS), the assets and the options by parameter.
What it returns is called with a list a column argument: text, numbers, images as bytes, embeddings as rows of a numpy
array; None where a sample has none. It returns one answer a sample, None where it has none;
an EMBEDDING is a list of numbers, or a row of an array. Where it raises, or answers
with another type, that sample counts as failed and has NULL.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dcql.catalog.types import Type
from dcql.engine.udfs.answers import Answers, Model
from dcql.errors import Diagnostic, RunError

ENTRY = "load"
_LONGEST_REASON = 200
_ARROW = {Type.TEXT: pa.string(), Type.INT: pa.int64(), Type.BOOL: pa.bool_()}
_PYTHON: dict[Type, tuple[type, ...]] = {Type.TEXT: (str,), Type.INT: (int,), Type.BOOL: (bool,)}


def load(
    code: Path,
    *,
    sha256: str,
    returns: Type,
    weights: Path | None,
    assets: Mapping[str, Any],
    options: Mapping[str, bool | int | float | str],
) -> Model:
    """Run a user's file, whose SHA-256 in hex is known, and load its model.

    The model answers in the arrow type of `returns`: string, int64, bool, lists of float64 of one length for an
    EMBEDDING, or float64 for every kind of number else.
    Raises RunError for another file, and where it fails or has no `load`.
    """
    names: dict[str, Any] = {"__name__": "dcql_model", "__file__": str(code)}
    try:
        content = code.read_bytes()
    except OSError as error:
        raise RunError(unloadable(code, str(error.strerror))) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RunError(
            Diagnostic(
                "E0609",
                f"`{code}` has another SHA-256",
                None,
                "it changed since the recipe was checked",
                ("run the recipe again when nothing writes to the file any more",),
            )
        )
    try:
        exec(compile(content, str(code), "exec"), names)
        if ENTRY not in names:
            raise RunError(unloadable(code, f"it has no function `{ENTRY}`"))
        answer = names[ENTRY](weights, assets, options)
    except RunError:
        raise
    except Exception as error:
        raise RunError(unloadable(code, f"{type(error).__name__}: {error}")) from error
    return _Own(answer, returns)


def unloadable(code: Path, reason: str) -> Diagnostic:
    """Return the diagnostic that a user's file cannot be loaded."""
    helps = ("docs/models.md shows how one looks",)
    return Diagnostic("E0611", f"the model in `{code}` cannot be loaded", None, reason, helps)


class _Own:
    def __init__(self, answer: Callable[..., Any], returns: Type) -> None:
        self._answer = answer
        self._returns = returns

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for all samples at once, and one by one where that raises."""
        columns = [_listed(column) for column in inputs]
        rows = len(columns[0])
        try:
            return Answers(self._checked(self._answer(*columns), rows))
        except Exception:  # whatever a user's code raises; which sample it was is found below
            pass
        values: list[Any] = []
        failures: dict[int, str] = {}
        for row in range(rows):
            try:
                given = self._answer(*(column[row : row + 1] for column in columns))
                values += self._checked(given, 1).to_pylist()
            except Exception as error:
                failures[row] = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
                values.append(None)
        return Answers(self._array(values), failures)

    def _checked(self, answers: Any, rows: int) -> Any:
        found = [_plain(answer, self._returns) for answer in answers]
        if len(found) != rows:
            raise ValueError(f"{len(found)} answers for {rows} samples")
        return self._array(found)

    def _array(self, values: list[Any]) -> Any:
        if self._returns is not Type.EMBEDDING:
            return pa.array(values, _ARROW.get(self._returns, pa.float64()))
        widths = list(dict.fromkeys(len(one) for one in values if one is not None))
        if len(widths) > 1:
            raise RunError(
                Diagnostic(
                    "E0606",
                    f"a model gives a vector of length {widths[0]}, and one of length {widths[1]}",
                    None,
                    "the vectors of an EMBEDDING are of one length",
                    ("let the model give vectors of one length",),
                )
            )
        return pa.array(values, pa.list_(pa.float64(), widths[0]) if widths else pa.null())


def _listed(column: Any) -> Sequence[Any]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        texts: list[Any] = column.to_pylist()
        return texts
    rows: Sequence[Any] = column
    return rows


def _plain(answer: Any, returns: Type) -> Any:
    """Return an answer as Python's own type for `returns`, NaN as None. Raises TypeError for another type."""
    if returns is Type.EMBEDDING:
        return _vector(answer)
    if isinstance(answer, np.generic):
        answer = answer.item()
    if answer is None or (isinstance(answer, float) and math.isnan(answer)):
        return None
    right = isinstance(answer, _PYTHON.get(returns, (int, float)))
    if not right or (isinstance(answer, bool) and returns is not Type.BOOL):
        raise TypeError(f"{type(answer).__name__} {answer!r} is no {returns.value}")
    return answer if returns in _PYTHON else float(answer)


def _vector(answer: Any) -> list[float] | None:
    """Return an answer as numbers in a row. Raises TypeError for anything else, and for none at all."""
    if answer is None:
        return None
    numbers = np.asarray(answer)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf" or not len(numbers):
        raise TypeError(f"{type(answer).__name__} {answer!r} is no vector of numbers")
    vector: list[float] = numbers.astype(np.float64).tolist()
    return vector
