"""A finished training: its model with its weights, which are those that weights.json states."""

from pathlib import Path
from typing import Any

from dcql.runtime.clip_model import ClipModel, create
from dcql.runtime.identity import RunRecord
from dcql.runtime.scales import ModelConfig, model_of
from dcql.runtime.train import checkpoint, folder

from dcql.errors import Diagnostic, RunError


def load(path: Path) -> tuple[ClipModel, RunRecord]:
    """Return the model of a training folder, its weights in place and in evaluation mode, and the record of its run.

    Raises RunError for a training that is not done, and where run hash or digest of the weights are not as stated.
    """
    record = folder.read_run(path)
    summary = folder.read_summary(path)
    if summary is None:
        raise RunError(
            Diagnostic(
                "E1106",
                f"the training in `{path}` is not done",
                None,
                f"it holds no {folder.SUMMARY}",
                ("run `dcql train` again: it goes on from the last checkpoint",),
            )
        )
    tensors, header = checkpoint.load(path / folder.WEIGHTS)
    check(path, record, summary, tensors, header)
    model = create(_config(path, record), record.key["seed"])
    model.module.load_state_dict(tensors)
    model.module.eval()
    return model, record


def check(
    path: Path, record: RunRecord, summary: dict[str, Any], tensors: checkpoint.Tensors, header: dict[str, Any]
) -> None:
    """Raise RunError where weights are not those of their weights.json and their run."""
    found = checkpoint.digest(tensors)
    for what, stated, is_ in (
        ("run hash", record.run_hash, summary["run_hash"]),
        ("run hash", record.run_hash, header.get("run_hash")),
        ("digest", summary["weights_sha256"], found),
    ):
        if stated != is_:
            raise RunError(
                Diagnostic(
                    "E1105",
                    f"`{path / folder.WEIGHTS}` is not what was trained here",
                    None,
                    f"its {what} is {is_}, and {stated} is stated",
                    ("train again, in a new folder",),
                )
            )


def _config(path: Path, record: RunRecord) -> ModelConfig:
    """Return the model's settings as the run key holds them."""
    try:
        return model_of(record.key["scale"]["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            Diagnostic(
                "E1105",
                f"`{path / folder.RUN}` describes no model that this dcql knows",
                None,
                str(error),
                ("use the dcql that trained it",),
            )
        ) from error
