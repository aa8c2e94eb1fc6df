"""Weights of models: the files that are here, in the user's folder or as packages ship them."""

from pathlib import Path

from dcql.catalog import store
from dcql.catalog.models import FeatureSpec, WeightsFile
from dcql.engine.udfs import table
from dcql.errors import Diagnostic, RunError


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
