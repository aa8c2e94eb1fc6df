"""What became of a run's features, as plain data."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcql.catalog.pool import Pool
    from dcql.engine.features.report import FeaturesReport, Use
    from dcql.engine.features.sample import StoredValue
    from dcql.engine.locate import Place


def features_to_json(report: "FeaturesReport") -> dict[str, Any]:
    """Return the features, assets and margins of a run.

    How many values were computed and how many were stored before is left out: the same run gives the same data.
    """
    return {
        "features": [use_to_json(use, report.digests.get(use.spec.name)) for use in report.uses],
        "assets": dict(report.assets),
        "margins": [
            {"text": one.text, "feature": one.feature, "step": one.step, "near": one.near, "asked": one.asked}
            for one in report.margins
        ],
    }


def reasons(use: "Use") -> list[tuple[str, int]]:
    """Return why a model failed and how often, most often first."""
    return sorted(use.reasons.items(), key=lambda item: (-item[1], item[0]))


def use_to_json(use: "Use", digest: str | None) -> dict[str, Any]:
    """Return what became of a feature; `digest` is its content digest, None over a raw pool."""
    model = use.spec.model
    weights = next((one for one in model.weights if one.file == use.weights), None)
    return {
        "name": use.spec.name,
        "type": use.spec.output.text,
        "id": use.id,
        "model": {"name": model.name, "version": model.version},
        "weights": {"file": weights.file, "sha256": weights.sha256} if weights is not None else None,
        "asked": use.asked,
        "failed": use.failed,
        "reasons": dict(reasons(use)),
        "digest": digest,
    }


def known_to_json(
    pool: "Pool", place: "Place", values: Mapping[str, Any], stored: "Sequence[StoredValue]"
) -> dict[str, Any]:
    """Return what a pool and the feature store hold of a sample."""
    return {
        "uid": place.uid,
        "pool": {"name": pool.name, "samples": pool.rows},
        "file": place.file.name,
        "row": place.row,
        "columns": {name: plainly(value) for name, value in values.items() if name != "uid"},
        "features": [
            {
                "name": one.name,
                "id": one.id,
                "model": one.model,
                "type": one.output,
                "value": one.value,
                "failure": one.failure,
            }
            for one in stored
        ],
    }


def plainly(value: Any) -> Any:
    """Return a value of a pool's column as JSON has it: what it has no form for is text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [plainly(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plainly(one) for name, one in value.items()}
    return value if value is None or isinstance(value, bool | int | str) else str(value)
