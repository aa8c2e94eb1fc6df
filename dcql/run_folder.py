"""A run folder that is read: the subset, and the manifest that says where it comes from.

DIR/
  subset.npy       the subset, in DataComp's form
  manifest.json    hash, counts, pool, recipe, thresholds, funnel, versions
"""

from pathlib import Path
from typing import Any, NoReturn

from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json
from dcql.subset import Subset

SUBSET = "subset.npy"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class RunFolder:
    """A run folder that was read: its subset has the hash that its manifest states."""

    path: Path
    subset: Subset
    manifest: dict[str, Any]

    @property
    def hash(self) -> str:
        """The subset's hash, `dcql1:..`."""
        return self.subset.hash

    @property
    def pool(self) -> str:
        """The fingerprint of the pool that the recipe ran on, `dcpool1:..`; empty where that pool was not added."""
        return str(self.manifest["pool"]["fingerprint"] or "")


def read(folder: Path) -> RunFolder:
    """Read a run folder. Raises RunError for another folder, and for a subset without the hash in the manifest."""
    if not (folder / MANIFEST).is_file() or not (folder / SUBSET).is_file():
        _refuse_reading(
            "E0759",
            f"`{folder}` is not a run folder",
            f"it holds no {MANIFEST} and {SUBSET}" if folder.is_dir() else "there is no such folder",
            "name a folder that `dcql run --out` wrote",
        )
    try:
        manifest = parse_json((folder / MANIFEST).read_bytes())
        stated = manifest["hash"]
        manifest["pool"]["name"], manifest["pool"]["fingerprint"], manifest["recipe"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        _refuse_reading(
            "E0760",
            f"`{folder / MANIFEST}` cannot be read",
            str(error) if isinstance(error, OSError) else "it is not the manifest of a run",
            "run the recipe again",
        )
    subset = Subset.load(folder / SUBSET)
    if subset.hash != stated:
        _refuse_reading(
            "E0760",
            f"`{folder / SUBSET}` is not the subset of its manifest",
            f"its hash is {subset.hash}, the manifest states {stated}",
            "run the recipe again, or name the .npy file itself",
        )
    return RunFolder(folder, subset, manifest)


def _refuse_reading(code: str, message: str, label: str, help_: str) -> NoReturn:
    raise RunError(Diagnostic(code, message, None, label, (help_,)))
