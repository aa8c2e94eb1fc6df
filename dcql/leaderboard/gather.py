"""The submissions below a folder: those that go on a board, and those that do not, with the reason."""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dcql.errors import DcqlError, Diagnostic, RunError
from dcql.leaderboard.compare import Side, side
from dcql.locks.lock import Lock
from dcql.submission import layout
from dcql.submission.check import check_documents
from dcql.submission.documents import (
    Environments,
    Evaluation,
    Line,
    Manifest,
    RunRecord,
    Shards,
    WeightsRecord,
    read_submission,
)
from dcql.submission.entry import Entry

MAX_DEPTH = 6
MAX_SUBMISSIONS = 10_000


@dataclass(frozen=True)
class Accepted:
    """A submission that holds together; `slug` is its name on the site, unique and safe in a path.

    The uids are not kept, but what comparing them takes: `side`.
    """

    place: str
    slug: str
    folder: Path
    files: frozenset[str]
    notes: tuple[str, ...]
    side: Side
    entry: Entry
    lock: Lock
    manifest: Manifest
    shards: Shards
    run: RunRecord
    weights: WeightsRecord
    results: tuple[Line, ...]
    evaluation: Evaluation
    environments: Environments
    recipe: str

    def average(self, name: str) -> float | None:
        """Return one of its averages."""
        return self.evaluation.averages.get(name)

    def metric(self, key: str, name: str) -> float | None:
        """Return a metric of a task, None where there is none."""
        for line in self.results:
            value = line.metrics.get(name)
            if line.key == key and isinstance(value, int | float):
                return float(value)
        return None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A folder that is no submission, or one that does not hold: why, in full."""

    place: str
    faults: tuple[Diagnostic, ...]

    @property
    def reason(self) -> str:
        """The first fault, in one line."""
        first = self.faults[0]
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        label = first.label.split("\n", 1)[0]
        return f"{first.code}: {first.message}{f': {label}' if label else ''}{more}"


def gather(folder: Path) -> tuple[tuple[Accepted, ...], tuple[Rejected, ...]]:
    """Read every submission below a folder, in the order of their paths. Raises RunError (E1320) for no folder.

    Whatever a submission holds, it is accepted or rejected, and stops nothing.
    """
    if not folder.is_dir():
        label = "it is a file" if folder.exists() else "there is no such folder"
        help_ = "name the folder that the submissions lie in"
        raise RunError(Diagnostic("E1320", f"no submissions in `{folder}`", None, label, (help_,)))
    accepted: dict[str, Accepted] = {}
    rejected: list[Rejected] = []
    for path in find(folder):
        place = path.relative_to(folder).as_posix()
        found = _read(path, place)
        if isinstance(found, Accepted) and (same := accepted.get(found.entry.digest)) is not None:
            fault = Diagnostic("E1321", f"the same entry as `{same.place}`", None, found.entry.digest)
            found = Rejected(place, (fault,))
        if isinstance(found, Rejected):
            rejected.append(found)
        else:
            accepted[found.entry.digest] = found
    return tuple(accepted.values()), tuple(rejected)


def find(folder: Path) -> Iterator[Path]:
    """Yield the folders that hold files of a submission; what lies in them, or behind a link, is not looked through."""
    found = 0
    waiting = [(folder, 0)]
    while waiting:
        path, depth = waiting.pop()
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        if depth and any(entry.name in layout.OWN for entry in entries):
            found += 1
            if found > MAX_SUBMISSIONS:
                label = f"more than {MAX_SUBMISSIONS:,} submissions"
                raise RunError(Diagnostic("E1320", f"`{folder}` cannot be made a leaderboard", None, label))
            yield path
        elif depth < MAX_DEPTH:
            below = [entry for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
            waiting += [(Path(entry.path), depth + 1) for entry in reversed(below)]


def _read(path: Path, place: str) -> Accepted | Rejected:
    try:
        submission = read_submission(path)
        report = check_documents(submission)
    except DcqlError as error:
        return Rejected(place, error.diagnostics)
    except Exception as error:  # one submission never stops the others
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return Rejected(place, (Diagnostic("E0901", "internal error while it was checked", None, said),))
    if report.faults:
        return Rejected(place, report.faults)
    found = Accepted(
        place=place,
        slug="",
        files=submission.files,
        notes=report.notes,
        # Without a fault all of them were read.
        entry=_there(submission.entry),
        lock=_there(submission.lock),
        manifest=_there(submission.manifest),
        shards=_there(submission.shards),
        run=_there(submission.run),
        weights=_there(submission.weights),
        results=_there(submission.results),
        evaluation=_there(submission.evaluation),
        environments=_there(submission.environments),
        recipe=_there(submission.recipe),
        side=side(_there(submission.lock).subset, _there(submission.lock).distinct, submission.subset),
        folder=path,
    )
    return replace(found, slug=slug_of(found.entry))


T = TypeVar("T")


def _there(value: T | None) -> T:
    if value is None:
        raise ValueError("a submission without faults lacks a document")
    return value


def slug_of(entry: Entry) -> str:
    """Return a name for paths: ASCII letters, digits and hyphens of the entry's name, and the start of its digest."""
    plain = unicodedata.normalize("NFKD", entry.name).encode("ascii", "ignore").decode("ascii").lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    return f"{words or 'entry'}-{entry.digest.removeprefix('dcentry1:')[:12]}"
