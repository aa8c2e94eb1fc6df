"""The feature store: frozen columns, one file of values for each file of a pool.

$DCQL_HOME/features/ID/             ID: the first 32 digits of the feature id
    feature.json                    what was asked, for people and for `dcql feature`
    users                           held by flock, shared, while a run reads; old versions go when nobody does
    KEY/                            one pool file's values, by the digest of what the model read; raw-.. for files
                                    of a pool that was not added
        lock                        held by flock while the values change
        N.parquet                   the values after the N-th change: value, known, failure, margin, row for row
        N.npy                       of an EMBEDDING: its vectors, row for row

A file of values is never changed: a new version is written beside it and renamed into place, so a kill at any moment
leaves the old one or the new one. N.npy takes its place before N.parquet does, and means nothing without it.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcql.catalog import store
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import unwritable
from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError
from dcql.json_text import parse_json
from dcql.scratch import unfinished

STORE_VERSION = 1
ID_DIGITS = 32
NOTHING = "nothing"
RAW = "raw-"

_FOLDER = re.compile(rf"[0-9a-f]{{{ID_DIGITS}}}")


@dataclass(frozen=True)
class StoredFeature:
    """A feature in the store: its id in full, and its folder."""

    id: str
    folder: Path

    def versions(self, key: str) -> list[Path]:
        """Return the versions of a file's values, newest last."""
        folder = self.folder / key
        return [folder / f"{number}.parquet" for number in _versions_in(_names_in(folder))]

    def newest(self, key: str) -> Path | None:
        """Return a file's values as they are now, None where nothing is stored."""
        versions = self.versions(key)
        return versions[-1] if versions else None

    def keys(self) -> list[str]:
        """Return the keys of the files that it holds values of."""
        with os.scandir(self.folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())

    def described(self) -> dict[str, Any]:
        """Return what was asked, as plain data. Raises RunError for a store of another version or a damaged one."""
        path = self.folder / "feature.json"
        try:
            described = parse_json(path.read_bytes())
            version, identity = described["store_version"], str(described["id"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(_foreign(self.folder, f"feature.json cannot be read: {error}")) from error
        if version != STORE_VERSION:
            raise RunError(_foreign(self.folder, f"it is of version {version}, not {STORE_VERSION}"))
        if identity.removeprefix("sha256:")[:ID_DIGITS] != self.folder.name:
            raise RunError(_foreign(self.folder, f"it holds the feature {identity}"))
        assert isinstance(described, dict)
        return described

    def newest_versions(self) -> list[Path]:
        """Return the values of all files as they are now."""
        return [newest for key in self.keys() if (newest := self.newest(key)) is not None]

    @contextlib.contextmanager
    def changing(self, key: str) -> Iterator[None]:
        """Hold a file's values against other writers, waiting for them."""
        with _held(self.folder / key / "lock", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Keep every version that is there now, then remove the old ones if nobody else reads."""
        with _held(self.folder / "users", fcntl.LOCK_SH):
            yield
        self.tidy()

    def tidy(self) -> None:
        """Remove old versions and unfinished files, where no run reads."""
        with self.alone() as alone:
            for key in self.keys() if alone else ():
                if not self.leftovers(key):
                    continue
                with (
                    contextlib.suppress(BlockingIOError),
                    _held(self.folder / key / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB),
                ):
                    for old in self.leftovers(key):
                        old.unlink(missing_ok=True)

    def leftovers(self, key: str) -> list[Path]:
        """Return the old versions and unfinished files of a file's values, and vectors that are of none."""
        folder = self.folder / key
        names = _names_in(folder)
        versions = _versions_in(names)
        kept = {f"{versions[-1]}.npy"} if versions else set()
        old = [f"{version}.parquet" for version in versions[:-1]]
        vectors = sorted(name for name in names if name.endswith(".npy") and name not in kept)
        unfinished_ = [name for name in names if name.startswith(".") and name.endswith(".unfinished")]
        return [folder / name for name in (*old, *vectors, *unfinished_)]

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep all runs out while it lasts; gives False, and keeps nobody out, where a run reads the feature."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(_held(self.folder / "users", fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _versions_in(names: list[str]) -> list[str]:
    """Return the numbers of the versions among the names in a folder, newest last."""
    numbers = (name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))
    return sorted(filter(str.isdecimal, numbers), key=int)


def features_folder() -> Path:
    """Return the folder of the feature store."""
    return store.home() / "features"


def open_feature(spec: FeatureSpec, identity: str, asked: dict[str, Any]) -> StoredFeature:
    """Return the place of a feature in the store, made if need be; `asked` goes into its feature.json.

    Raises RunError where the store cannot be written, or is of another version.
    """
    stored = StoredFeature(identity, features_folder() / identity.removeprefix("sha256:")[:ID_DIGITS])
    path = stored.folder / "feature.json"
    if not path.exists():
        described = {"store_version": STORE_VERSION, "id": identity, "name": spec.name, **asked}
        try:
            stored.folder.mkdir(parents=True, exist_ok=True)
            with unfinished(path) as place:
                place.write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", encoding="utf-8")
                place.replace(path)
        except OSError as error:
            raise RunError(unwritable(error)) from error
    if (known := stored.described()["id"]) != identity:
        raise RunError(_foreign(stored.folder, f"it holds the feature {known}"))
    return stored


def stored_features() -> tuple[StoredFeature, ...]:
    """Return the features in the store by id, damaged ones too; the id is that of the folder, cut off."""
    folder = features_folder()
    if not folder.is_dir():
        return ()
    # Beside the features lie values in which nothing is known, for any of them.
    places = sorted(path for path in folder.iterdir() if _FOLDER.fullmatch(path.name) and _is_begun(path))
    return tuple(StoredFeature(f"sha256:{place.name}", place) for place in places)


def _is_begun(folder: Path) -> bool:
    """Return whether a folder holds a feature: a kill may leave one in which there is nothing yet."""
    return (folder / "feature.json").exists() or (folder.is_dir() and any(path.is_dir() for path in folder.iterdir()))


@contextlib.contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(unwritable(error)) from error
        try:
            fcntl.flock(descriptor, how)
            if not _is_at(path, descriptor):
                continue  # it was removed while this waited, and holds nobody out
            yield
            return
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _foreign(folder: Path, reason: str) -> Diagnostic:
    return Diagnostic(
        "E0605",
        f"the stored feature in `{folder}` cannot be used",
        None,
        reason,
        ("remove it: `dcql feature gc`, and the next run computes it again",),
    )
