"""A user's own model: one Python file, named in a recipe with its digest.

    # sharpness.py: MODEL sharpness(caption TEXT) RETURNS FLOAT VERSION 1 FROM 'sharpness.py' SHA256 '..';
    def load(weights, assets, options):
        def answer(captions):
            return [None if text is None else len(set(text)) / max(1, len(text)) for text in captions]
        return answer

`load` is called once a process, with the weights' path (None without WEIGHTS), the assets and the options by parameter.
What it returns is called with a list a column argument: text, numbers, images as bytes, embeddings as rows of a numpy
array; None where a sample has none. It returns one answer a sample, None where it has none. A sample on which it raises
counts as failed, and has NULL.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dcql.engine.udfs.answers import Answers, Model
from dcql.errors import Diagnostic, RunError

ENTRY = "load"
_LONGEST_REASON = 200


def load(
    code: Path, *, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, bool | int | float | str]
) -> Model:
    """Run a user's file and load its model. Raises RunError where it fails or has no `load`."""
    names: dict[str, Any] = {"__name__": "dcql_model", "__file__": str(code)}
    try:
        exec(compile(code.read_bytes(), str(code), "exec"), names)
        answer = names[ENTRY](weights, assets, options)
    except Exception as error:
        what = f"it has no function `{ENTRY}`" if ENTRY not in names else f"{type(error).__name__}: {error}"
        raise RunError(
            Diagnostic(
                "E0611", f"the model in `{code}` cannot be loaded", None, what, ("docs/models.md shows how one looks",)
            )
        ) from error
    return _Own(answer, code)


class _Own:
    def __init__(self, answer: Callable[..., Any], code: Path) -> None:
        self._answer = answer
        self._code = code

    def __call__(self, *inputs: Any) -> Answers:
        """Answer for all samples at once, and one by one where that raises."""
        columns = [_listed(column) for column in inputs]
        rows = len(columns[0])
        try:
            return Answers(_array(self._checked(self._answer(*columns), rows)))
        except Exception:  # whatever a user's code raises; which sample it was is found below
            pass
        values: list[Any] = []
        failures: dict[int, str] = {}
        for row in range(rows):
            try:
                values += self._checked(self._answer(*(column[row : row + 1] for column in columns)), 1)
                _array(values[-1:])
            except Exception as error:
                failures[row] = f"{type(error).__name__}: {error}"[:_LONGEST_REASON]
                values[row:] = [None]
        return Answers(_array(values), failures)

    def _checked(self, answers: Any, rows: int) -> list[Any]:
        found = [_plain(answer) for answer in answers]
        if len(found) != rows:
            raise ValueError(f"{len(found)} answers for {rows} samples")
        return found


def _listed(column: Any) -> Sequence[Any]:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        texts: list[Any] = column.to_pylist()
        return texts
    rows: Sequence[Any] = column
    return rows


def _plain(answer: Any) -> Any:
    if isinstance(answer, np.generic):
        answer = answer.item()
    if isinstance(answer, float) and math.isnan(answer):
        return None
    if answer is not None and not isinstance(answer, bool | int | float | str):
        raise TypeError(f"{type(answer).__name__} is no answer: give text, a number, True, False or None")
    return answer


def _array(values: list[Any]) -> Any:
    mixed = any(isinstance(value, float) for value in values)
    return pa.array([float(v) if mixed and isinstance(v, int) else v for v in values])
