"""A model at work for a run: in processes of its own, or here."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dcql.catalog import store
from dcql.catalog.models import ColumnArgument, FeatureSpec, FileAsset, PoolAsset, WeightsFile
from dcql.engine.assets import Assets, checked_sha256
from dcql.engine.udfs import table
from dcql.engine.udfs.answers import Answers, Model
from dcql.errors import Diagnostic, RunError

# Starting a process takes as long as answering for some thousands of samples.
_FEWEST_FOR_PROCESSES = 20_000
_ROWS_AT_ONCE = {"EMBEDDING": 8192, "IMAGE": 256}
_TEXT_ROWS = 4096


def weights_folder() -> Path:
    """Return where a user puts weights files: $DCQL_HOME/weights."""
    return store.home() / "weights"


def weights_of(spec: FeatureSpec) -> WeightsFile | None:
    """Return the weights that a model uses here: the first of its files that is there; None where it has none.

    Raises RunError where none of them is.
    """
    if not spec.model.weights:
        return None
    for one in spec.model.weights:
        if weights_path(one) is not None:
            return one
    names = " or ".join(one.file for one in spec.model.weights)
    raise RunError(
        Diagnostic(
            "E0613",
            f"the weights of `{spec.model.name}` are not here",
            None,
            f"it needs {names}",
            (f"put the file into {weights_folder()}",),
        )
    )


def weights_path(weights: WeightsFile) -> Path | None:
    """Return a weights file in the user's folder, else as a package ships it, or None."""
    own = weights_folder() / weights.file
    return own if own.is_file() else table.packaged(weights.file)


class Running:
    """A loaded model; `rows` is how many samples it takes at once, `lanes` how many work side by side."""

    def __init__(
        self, spec: FeatureSpec, assets: Assets, own_code: bool, workers: int | None, device: str, total: int
    ) -> None:
        self._spec = spec
        if spec.model.code is not None and not own_code:
            raise RunError(
                Diagnostic(
                    "E0614",
                    f"`{spec.name}` runs code of the recipe's author",
                    None,
                    f"`{spec.model.code.file}` is Python, and can do whatever you can",
                    ("read it; if it is fine, run the recipe with --own-code",),
                )
            )
        kinds = {one.kind for one in spec.model.parameters}
        self.rows = min((_ROWS_AT_ONCE[kind] for kind in kinds if kind in _ROWS_AT_ONCE), default=_TEXT_ROWS)
        weights = _weights_file(spec, assets)
        files = {one.parameter: assets.path(one.asset) for one in spec.assets if one.kind == "ASSET"}
        self.lanes = 1
        self._workers = None
        self._model: Model | None = None
        text_only = all(isinstance(one, ColumnArgument) for one in spec.inputs)
        processes = workers or len(os.sched_getaffinity(0))
        if text_only and (spec.model.code is not None or spec.model.name in table.IN_PROCESSES):
            small = total < _FEWEST_FOR_PROCESSES and spec.model.code is None
            if not small:
                from dcql.engine.workers import Ask, Workers

                # Never more than there is work for.
                self.lanes = max(1, min(processes, -(-total // self.rows)))
                ask = Ask(
                    spec.model.name,
                    spec.model.code_path,
                    str(weights or ""),
                    {name: str(path) for name, path in files.items()},
                    spec.options,
                )
                self._workers = Workers(ask, self.lanes)
                return
        arrays: Mapping[str, Any] = {one.parameter: assets.array(one.asset) for one in spec.assets if one.kind == "ASSET"}
        options = {**spec.options, **({"device": device} if spec.model.name in table.ON_DEVICES else {})}
        if spec.model.code is not None:
            from dcql.engine.udfs import own

            self._model = own.load(Path(spec.model.code_path), weights=weights, assets=arrays, options=spec.options)
        else:
            self._model = table.load(spec.model.name, weights=weights, assets=arrays, options=options)

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *given: object) -> None:
        if self._workers is not None:
            self._workers.__exit__(*given)

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
