"""`reshard`: scan, plan, write, finish."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from dcql.runtime.reshard.faces import read_boxes
from dcql.runtime.reshard.finish import finish
from dcql.runtime.reshard.plan import plan
from dcql.runtime.reshard.settings import Settings
from dcql.runtime.reshard.ustar import RECORD
from dcql.runtime.reshard.work import TASK, Work, held, writable
from dcql.runtime.reshard.workers import each
from dcql.runtime.run_folder import RunFolder, shards_of
from dcql.runtime.run_folder import read as read_run
from dcql.runtime.shards import INDEX, MANIFEST, META, MISSING, SIZES, SUBSET, ShardSet
from dcql.runtime.shards import read as read_shards
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, list_shards, locate, unreadable
from dcql.subset import Subset, join_words, sort_order

UNFINISHED = ".unfinished"

_NAMES = "|".join(re.escape(name) for name in (INDEX, SUBSET, MISSING, SIZES, META, MANIFEST))
_OURS = re.compile(rf"\.unfinished|\d{{8}}\.tar|{_NAMES}|\.(\d{{8}}\.tar|{_NAMES})\.\d+\.unfinished")
_EMPTY = re.compile(r"\.unfinished")


def reshard(run: Path, tars: str | Path, out: str | Path | None = None, settings: Settings | None = None) -> ShardSet:
    """Write the training shards of a run folder from the tars of its pool, a folder, file or URL.

    They are written to `out`, RUN/shards without one, a path or URL. Where a reshard of the same was stopped, it goes
    on; where it was finished, nothing is done. Raises RunError.
    """
    settings = settings or Settings()
    opened = read_run(run)
    if opened.subset.distinct == 0:
        _refuse_empty(run)
    place = os.fspath(out if out is not None else shards_of(run))
    place = place if "://" in place else os.path.abspath(place)
    listed = list_shards(os.fspath(tars))
    folder = (shards_of(run) if "://" in place else Path(place)) / UNFINISHED
    done = _finished(place, folder, opened, settings)
    if done is not None:
        return done
    with _work(folder, place, opened, listed, settings) as work:
        _scan(work, settings)
        missing, counts = _plan(work, opened.subset, settings)
        _write(work, settings)
        return finish(work, opened, missing, counts, settings)


def _finished(place: str, folder: Path, opened: RunFolder, settings: Settings) -> ShardSet | None:
    """Return the shards that lie at `place` already; raise RunError where they are others."""
    filesystem, path = locate(place)
    try:
        names = {os.path.basename(str(entry["name"]).rstrip("/")) for entry in filesystem.ls(path, detail=True)}
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        if not filesystem.exists(path):
            return None
        _refuse_other(place, "it is a file")
    except OSError as error:
        raise RunError(unreadable(place, error)) from error
    if MANIFEST in names:
        found = read_shards(place)
        ours: dict[str, Any] = {"subset": opened.hash, "pool": opened.pool, "copied": settings.copy, **settings.policy}
        theirs = {"subset": found.subset, "pool": found.pool, "copied": found.copied, **found.policy}
        for what in sorted(ours.keys() | theirs.keys()):
            if ours.get(what) != theirs.get(what):
                _refuse_other(place, f"it holds shards of which `{what}` is {theirs.get(what)}, not {ours.get(what)}")
        return found
    # Names say little: a pool's own tars are called as training shards are.
    known = _OURS if (folder / TASK).exists() and Work(folder).task["out"] == place else _EMPTY
    stranger = min((name for name in names if not known.fullmatch(name)), default=None)
    if stranger is not None:
        _refuse_other(place, f"it holds `{stranger}`, which no unfinished reshard wrote")
    return None


@contextlib.contextmanager
def _work(folder: Path, place: str, opened: RunFolder, tars: tuple[Listed, ...], settings: Settings) -> Iterator[Work]:
    """Give the folder of unfinished work, new or left by a process that was stopped; removed once all is done."""
    task = {
        "subset": opened.hash,
        "pool": opened.pool,
        "out": place,
        "policy": dict(settings.policy),
        "copied": settings.copy,
        "boxes": os.fspath(settings.boxes) if settings.boxes is not None else None,
        "tars": [[tar.name, tar.path, tar.size] for tar in tars],
    }
    with writable(str(folder.parent)):
        folder.mkdir(parents=True, exist_ok=True)
    work = Work(folder)
    with held(folder):
        with writable(str(folder)):
            # Where no shard was written, nothing is lost by starting anew.
            if not (folder / TASK).exists() or (work.task != task and not any((folder / "shards").iterdir())):
                work = Work(folder)
                _clear(folder)
                work.save("uids", opened.subset.uids)
                unfinished = folder / f"{TASK}.unfinished"
                unfinished.write_text(json.dumps(task), encoding="utf-8")
                os.replace(unfinished, folder / TASK)
        if work.task != task:
            _refuse_unfinished(place, min(name for name in task if work.task.get(name) != task[name]))
        for left in folder.parent.glob(".*.unfinished") if "://" not in place else ():
            left.unlink(missing_ok=True)  # of processes that were killed
        yield work
        # A process that outlives one that was killed may still be at a step of it.
        shutil.rmtree(folder, ignore_errors=True)
    if "://" in place:
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def _clear(folder: Path) -> None:
    """Empty a folder of work but for its own folders."""
    for name in ("scan", "shards"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir()
    (folder / TASK).unlink(missing_ok=True)


def _scan(work: Work, settings: Settings) -> None:
    wanted = [number for number in range(len(work.tars)) if work.record(f"scan/{number:06d}") is None]
    each(work, "scan", wanted, settings.workers, lambda done: settings.tell("finding samples", done, len(wanted)))


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found beside the samples that are taken."""

    duplicates: int
    unnamed: int
    incomplete: int


def _plan(work: Work, subset: Subset, settings: Settings) -> tuple[NDArray[np.int64], Counts]:
    """Plan the shards, and return which uids are missing; raise RunError where they may not be."""
    found, told = [], []
    for number in range(len(work.tars)):
        found.append(work.array(f"scan/{number:06d}"))
        told.append(work.record(f"scan/{number:06d}") or {})
    planned = plan(subset, found, settings.shard_size, settings.shard_bytes - 2 * RECORD)
    counts = Counts(planned.duplicates, sum(each["unnamed"] for each in told), sum(each["incomplete"] for each in told))
    if not len(planned.taken):
        _refuse_foreign(work, subset)
    if len(planned.missing) and not settings.allow_missing:
        _refuse_missing(subset, planned.missing, counts)
    with writable(str(work.folder)):
        for name in ("taken", "copies", "starts"):
            work.save(name, getattr(planned, name))
        if settings.blur and settings.boxes is not None:
            uids = join_words(planned.taken["uid_high"], planned.taken["uid_low"])
            order = sort_order(planned.taken["uid_high"], planned.taken["uid_low"])
            places, boxes = read_boxes(os.fspath(settings.boxes), uids[order])
            work.save("box_places", places[np.argsort(order)])
            work.save("boxes", boxes)
    return planned.missing, counts


def _write(work: Work, settings: Settings) -> None:
    shards = len(work.array("starts")) - 1
    wanted = [number for number in range(shards) if work.record(f"shards/{number:06d}") is None]
    what = "writing shards" if settings.copy else "planning shards"
    each(work, "write", wanted, settings.workers, lambda done: settings.tell(what, shards - len(wanted) + done, shards))


def _refuse_empty(run: Path) -> NoReturn:
    raise RunError(
        Diagnostic("E1011", f"the subset of `{run}` is empty", None, "it has no uid", ("run another recipe",))
    )


def _refuse_foreign(work: Work, subset: Subset) -> NoReturn:
    label = (
        f"the subset has {subset.distinct:,} uids, and the tars that were named ({len(work.tars):,}) hold none of them"
    )
    advice = ("name the tars of the pool that the recipe ran on",)
    raise RunError(Diagnostic("E1011", "the subset is of another pool than the tars", None, label, advice))


def _refuse_missing(subset: Subset, missing: NDArray[np.int64], counts: Counts) -> NoReturn:
    first = subset.uids[missing[0]]
    label = f"the first is {int(first['f0']):016x}{int(first['f1']):016x}"
    if counts.incomplete:
        label += f"; samples without an image or a caption: {counts.incomplete:,}"
    if counts.unnamed:
        label += f"; images without a .json that gives a uid: {counts.unnamed:,}"
    advice = (
        "name all tars of the pool",
        "select what is there: `dcql pool coverage`, and `WHERE available` in the recipe",
        "train on what there is, with the count recorded: --allow-missing",
    )
    message = f"{len(missing):,} of the subset's {subset.distinct:,} uids are in no tar"
    raise RunError(Diagnostic("E1012", message, None, label, advice))


def _refuse_other(place: str, label: str) -> NoReturn:
    advice = "name a new folder, or remove this one if it is not wanted"
    raise RunError(Diagnostic("E1007", f"`{place}` holds something else", None, label, (advice,)))


def _refuse_unfinished(place: str, name: str) -> NoReturn:
    label = f"a reshard of another {name} was stopped there"
    advice = ("give the command that was given before, and it goes on", f"remove `{place}`, if it is not wanted")
    raise RunError(Diagnostic("E1007", f"`{place}` holds something else", None, label, advice))


__all__: list[Any] = ["Counts", "reshard"]
