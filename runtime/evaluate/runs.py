"""Which trained weights a command means: a train folder, or a run folder with one below it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json

WEIGHTS = "weights.json"
TRAIN = "train"
EVAL = "eval"
_NAME = re.compile(r"(.+)-seed(\d+)")


@dataclass(frozen=True, slots=True)
class Trained:
    """A folder of trained weights, and what identifies them. `scale` is None where the folder's name has none."""

    folder: Path
    scale: str | None
    weights: str
    run_hash: str

    @property
    def out(self) -> Path:
        """Where its evaluation is written."""
        return self.folder / EVAL


def find_trained(run: Path, scale: str | None = None, seed: int | None = None) -> Trained:
    """Return the weights that `run` names: its own, or those of RUN/train/SCALE-seedN.

    Raises RunError where there are none, or more than one fits.
    """
    if (run / WEIGHTS).is_file():
        return _read(run)
    fitting = [
        folder
        for folder in sorted((run / TRAIN).glob("*"))
        if (folder / WEIGHTS).is_file()
        and (named := _NAME.fullmatch(folder.name)) is not None
        and scale in (None, named[1])
        and (seed is None or seed == int(named[2]))
    ]
    if not fitting:
        asked = "".join((f" of scale `{scale}`" if scale else "", f" of seed {seed}" if seed is not None else ""))
        _refuse(
            f"no trained weights{asked} in `{run}`", f"`{run / TRAIN}` holds none", f"train first: `dcql train {run}`"
        )
    if len(fitting) > 1:
        names = ", ".join(f"`{folder.name}`" for folder in fitting)
        _refuse(f"`{run}` was trained more than once", f"there are {names}", "name one with --scale and --seed")
    return _read(fitting[0])


def _read(folder: Path) -> Trained:
    path = folder / WEIGHTS
    named = _NAME.fullmatch(folder.name)
    try:
        stated = parse_json(path.read_bytes())
        weights, run_hash = stated["weights_sha256"], stated["run_hash"]
        if not isinstance(weights, str) or not isinstance(run_hash, str):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error) if isinstance(error, OSError) else "it is not what `dcql train` writes"
        _refuse(f"`{path}` cannot be read", reason, "train again")
    return Trained(folder, named[1] if named else None, weights, run_hash)


def _refuse(message: str, label: str, help_: str) -> NoReturn:
    raise RunError(Diagnostic("E1210", message, None, label, (help_,)))
