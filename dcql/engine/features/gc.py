"""Cleaning the feature store: what no run needs, and what none can read."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dcql.catalog import store
from dcql.catalog.coverage import coverage_folder
from dcql.catalog.features import RAW, StoredFeature, stored_features
from dcql.catalog.pool import Pool, list_pools, open_pool, read_recorded, unwritable
from dcql.catalog.types import Type
from dcql.engine.features import files
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.vectors import vectors_or_none
from dcql.errors import RunError

# No embeddings beside a file, no images, and no coverage or none of a file as it is now.
_HAS_NONE = ("E0660", "E0641", "E0680", "E0681")
# Inputs that lie with a pool, beside the file whose rows they belong to.
_BESIDE = frozenset({"embedding", "image", "coverage"})


@dataclass
class Freed:
    """What was removed, in counts, and `bytes` in all.

    `busy` names features that a run reads, `unknown` pools of which it cannot be told now what they need.
    """

    bytes: int = 0
    features: int = 0
    damaged: int = 0
    old: int = 0
    values: int = 0
    busy: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def collect(*, everything: bool = False) -> Freed:
    """Remove from the store old versions, unfinished files, what is damaged, and values of files of no added pool.

    Values of pools that were never added go with `everything` only, for nothing says whether they are still there.
    Features that a run reads at the moment are left as they are. Raises RunError where the store cannot be written.
    """
    freed = Freed()
    live = _Live(freed)
    for stored in stored_features():
        with stored.alone() as alone:
            if not alone:
                freed.busy.append(_called(stored))
                continue
            _clean(stored, live, freed, everything=everything)
    _clean_coverage(live, freed)
    return freed


def _clean(stored: StoredFeature, live: "_Live", freed: Freed, *, everything: bool) -> None:
    described = _described(stored)
    if described is None:
        freed.features += 1
        _remove(stored.folder, freed)
        return
    for left in stored.folder.glob(".*.unfinished"):
        freed.old += 1
        _remove(left, freed)
    inputs = _inputs(described)
    keys = stored.keys()
    for key in keys:
        rows = None
        if key.startswith(RAW):
            needed = not everything
        else:
            needed, rows = live.needs(key, _BESIDE & inputs)
        if not needed:
            freed.values += 1
            _remove(stored.folder / key, freed)
            continue
        for old in stored.leftovers(key):
            freed.old += 1
            _remove(old, freed)
        if (newest := stored.newest(key)) is not None and not _is_readable(newest, rows, described):
            freed.damaged += 1
            _remove(stored.folder / key, freed)
    if not stored.keys():
        freed.features += 1
        _remove(stored.folder, freed)


def _clean_coverage(live: "_Live", freed: Freed) -> None:
    """Remove what was recorded of shards of no added pool."""
    folder = store.home() / "coverage"
    needed = live.coverage_folders()
    if needed is None or not folder.is_dir():
        return
    for place in sorted(folder.iterdir()):
        if place not in needed:
            freed.values += 1
            _remove(place, freed)


class _Live:
    """Which files of values the added pools need."""

    def __init__(self, freed: Freed) -> None:
        self._freed = freed
        self._keys: dict[frozenset[str], dict[str, int] | None] = {}

    def needs(self, key: str, kinds: frozenset[str]) -> tuple[bool, int | None]:
        """Return whether a pool needs a file of values of inputs of `kinds`, and its rows.

        True and None where that cannot be told.
        """
        if kinds not in self._keys:
            self._keys[kinds] = self._found(kinds)
        found = self._keys[kinds]
        return (True, None) if found is None else (key in found, found.get(key))

    def coverage_folders(self) -> set[Path] | None:
        """Return where the coverage of each pool is kept, None where that cannot be told."""
        pools = [pool for _, pool, _ in self._pools]
        return None if None in pools else {coverage_folder(pool) for pool in pools if pool is not None}

    @cached_property
    def _pools(self) -> list[tuple[str, Pool | None, bool]]:
        """The added pools, each with whether its files are there; None for one whose record is damaged."""
        pools: list[tuple[str, Pool | None, bool]] = []
        for name in list_pools():
            with contextlib.suppress(RunError):
                pools.append((name, open_pool(name), True))
                continue
            with contextlib.suppress(RunError):
                pools.append((name, read_recorded(name), False))
                continue
            pools.append((name, None, False))
        return pools

    def _found(self, kinds: frozenset[str]) -> dict[str, int] | None:
        """Return the rows of every file of values that a pool needs, None where that cannot be told."""
        found: dict[str, int] = {}
        whole = True
        for name, pool, is_there in self._pools:
            if pool is None or (kinds and not is_there):
                self._do_not_know(name)
                whole = False
                continue
            inputs = Inputs(pool)
            for file in pool.files:
                try:
                    found[inputs.key_for(file, kinds)] = file.rows
                except RunError as error:
                    if error.diagnostics[0].code in _HAS_NONE:
                        continue  # a pool without embeddings or images has no values of what reads them
                    self._do_not_know(name)
                    whole = False
                    break
        return found if whole else None

    def _do_not_know(self, name: str) -> None:
        if name not in self._freed.unknown:
            self._freed.unknown.append(name)


def _described(stored: StoredFeature) -> dict[str, Any] | None:
    """Return what a feature is, None for one that this version of dcql cannot use."""
    try:
        described = stored.described()
        _inputs(described)
    except (RunError, KeyError, IndexError, TypeError, AttributeError):
        return None
    return described


def _inputs(described: dict[str, Any]) -> set[str]:
    """Return the kinds of what a feature reads, itself or through others."""
    kinds = {str(one[1]) for one in described["inputs"]}
    return kinds.union(*(_inputs(inner) for inner in described.get("features", {}).values()))


def _called(stored: StoredFeature) -> str:
    described = _described(stored)
    return str(described["name"]) if described is not None else stored.folder.name


def _is_readable(path: Path, rows: int | None, described: dict[str, Any]) -> bool:
    """Return whether a file of values can be read, and is of as many rows as the pool's file where that is known."""
    try:
        counted = files.read_footer(path).rows
        values = files.read_values(path, counted if rows is None else rows)
        if described.get("output") == Type.EMBEDDING.value:
            vectors_or_none(path, values.value)
    except RunError:
        return False
    return True


def _remove(path: Path, freed: Freed) -> None:
    try:
        freed.bytes += sum(each.stat().st_size for each in _files(path))
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise RunError(unwritable(error)) from error


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (each for each in path.rglob("*") if each.is_file())
    else:
        yield path
