"""A model at work for a run: in processes of its own, or here."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dcql.catalog.models import ColumnArgument, FeatureSpec, FileAsset, PoolAsset
from dcql.engine.features.assets import Assets, checked_sha256
from dcql.engine.features.report import Computing
from dcql.engine.features.weights import weights_of, weights_path
from dcql.engine.features.workers import Ask, Workers
from dcql.engine.udfs import table
from dcql.engine.udfs.answers import Answers, Model
from dcql.errors import Diagnostic, RunError

# Starting a process takes as long as answering for some thousands of samples.
_FEWEST_FOR_PROCESSES = 20_000
_ROWS_AT_ONCE = {"EMBEDDING": 8192, "IMAGE": 256, "COVERAGE": 1 << 20}
_TEXT_ROWS = 4096


class Running:
    """A loaded model; `rows` is how many samples it takes at once, `lanes` how many work side by side."""

    def __init__(self, spec: FeatureSpec, assets: Assets, computing: Computing, total: int) -> None:
        refuse_unread(spec, computing)
        self.rows = rows_at_once(spec, computing)
        self.lanes = 1
        self._workers: Workers | None = None
        self._model: Model | None = None
        weights = _weights_file(spec, assets)
        given = [one for one in spec.assets if one.kind == "ASSET"]
        if _in_processes(spec, total):
            # Never more than there is work for.
            self.lanes = max(1, min(computing.workers or cores(), -(-total // self.rows)))
            files = {one.parameter: str(assets.path(one.asset)) for one in given}
            sha256 = spec.model.code.sha256 if spec.model.code is not None else ""
            returns = spec.model.output.type.name
            ask = Ask(spec.model.name, spec.model.code_path, sha256, returns, str(weights or ""), files, spec.options)
            self._workers = Workers(ask, self.lanes)
            return
        arrays = {one.parameter: assets.array(one.asset) for one in given}
        self._model = table.load(spec.model.name, weights=weights, assets=arrays, options=options_of(spec, computing))

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._workers is not None:
            self._workers.stop(at_once=kind is not None)

    def ask(self, pieces: Iterable[tuple[Any, ...]]) -> Iterator[Answers]:
        """Yield the answers for pieces of inputs, in their order."""
        if self._workers is not None:
            yield from self._workers.ask(pieces)
            return
        assert self._model is not None
        for piece in pieces:
            yield self._model(*piece)


def _weights_file(spec: FeatureSpec, assets: Assets) -> Path | None:
    """Return the file of weights to load, its digest checked; None for a model without."""
    for one in spec.assets:
        if one.kind == "WEIGHTS":
            assert isinstance(one.asset, FileAsset | PoolAsset)
            assets.digest(one.asset)
            return assets.path(one.asset)
    weights = weights_of(spec)
    if weights is None:
        return None
    path = weights_path(weights)
    assert path is not None
    checked_sha256(path, weights.sha256, f"MODEL {spec.model.name}")
    return path


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(spec: FeatureSpec, total: int) -> bool:
    """Return whether a model runs in processes of its own: what reads text only, where it is worth their start.

    A user's own code always does, so that what it does to its process stays there.
    """
    if spec.model.code is not None:
        return True
    reads_columns = all(isinstance(one, ColumnArgument) for one in spec.inputs)
    return reads_columns and spec.model.name in table.IN_PROCESSES and total >= _FEWEST_FOR_PROCESSES


def rows_at_once(spec: FeatureSpec, computing: Computing) -> int:
    """Return how many samples a model is asked of at once."""
    kinds = {one.kind for one in spec.model.parameters}
    suits = min((_ROWS_AT_ONCE[kind] for kind in kinds if kind in _ROWS_AT_ONCE), default=_TEXT_ROWS)
    return computing.rows or suits


def options_of(spec: FeatureSpec, computing: Computing) -> dict[str, bool | int | float | str]:
    """Return the options that a model is loaded with: the feature's, and the device where it runs on several."""
    on_device = spec.model.code is None and spec.model.name in table.ON_DEVICES
    return {**spec.options, **({"device": computing.device} if on_device else {})}


def refuse_unread(spec: FeatureSpec, computing: Computing) -> None:
    """Raise RunError for a model that is the recipe author's own code, where that is not to run."""
    if spec.model.code is None or computing.own_code:
        return
    raise RunError(
        Diagnostic(
            "E0604",
            f"`{spec.name}` runs code of the recipe's author",
            None,
            f"`{spec.model.code.file}` is Python, and can do whatever you can",
            ("read it; if it is fine, run the recipe with --own-code",),
        )
    )
