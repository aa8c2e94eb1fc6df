"""Assets: what a recipe's models are given besides samples, opened and checked by digest.

A pool binds its assets in assets.toml, in its root folder:

    [centroids_l14]
    file = "assets/centroids_l14.npy"
    sha256 = "…"
"""

import hashlib
import json
import os
import posixpath
import tomllib
from collections.abc import Callable
from dataclasses import field
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dcql.catalog import store
from dcql.catalog.models import Asset, FileAsset, FitAsset, MadeAsset, PoolAsset
from dcql.catalog.pool import Pool, unwritable
from dcql.dataclass import dataclass
from dcql.digest import sha256_of
from dcql.errors import Diagnostic, RunError, did_you_mean
from dcql.files import is_below, locate
from dcql.json_text import parse_json
from dcql.npy import map_npy
from dcql.scratch import unfinished

ASSETS_FILE = "assets.toml"
LIBRARY = "stdlib:"

Fit = Callable[[FitAsset], NDArray[np.float32]]


class NotMadeError(Exception):
    """An asset that is made of others, or fitted, was not made yet."""

    def __init__(self, asset: Asset) -> None:
        self.asset = asset
        super().__init__(asset.name)


@dataclass
class Assets:
    """The assets of a run on a pool; `fit` computes one that is fitted to samples, and names what it was fitted on.

    Without `make`, NotMadeError is raised for one that would have to be made.
    """

    pool: Pool
    fit: Fit
    fitted_on: Callable[[FitAsset], str]
    make: bool = True
    _arrays: dict[Asset, Any] = field(default_factory=dict)
    _digests: dict[Asset, str] = field(default_factory=dict)

    def array(self, asset: Asset) -> NDArray[Any] | tuple[str, ...]:
        """Return an asset: a matrix (n, d) of floats, ids (n,) int64, or the lines of a text file.

        Raises RunError where it is missing, of another form, or not the one that was named by its digest.
        """
        if asset not in self._arrays:
            match asset:
                case PoolAsset() | FileAsset():
                    path = self._file(asset)
                    self._arrays[asset] = read_asset(path, asset.name)
                    # After it was read: a file that took the place of the one that was hashed is noticed.
                    checked_sha256(path, *self._promised(asset))
                case MadeAsset():
                    self._arrays[asset] = self._kept(asset, self.digest(asset), lambda: self._made(asset))
                case FitAsset():
                    self._arrays[asset] = self._kept(asset, self._identity(asset), lambda: self.fit(asset))
        return self._arrays[asset]  # type: ignore[no-any-return]

    def digest(self, asset: Asset) -> str:
        """Return what tells an asset apart: the digest of its file, of what it is made of, of what was fitted."""
        if asset not in self._digests:
            match asset:
                case PoolAsset() | FileAsset():
                    self._digests[asset] = "sha256:" + checked_sha256(self._file(asset), *self._promised(asset))
                case MadeAsset():
                    of = [self.digest(one) for one in asset.of]
                    self._digests[asset] = sha256_of({"made": asset.model, "version": asset.version, "of": of})
                case FitAsset():
                    array = self.array(asset)
                    assert isinstance(array, np.ndarray)
                    self._digests[asset] = array_digest(array)
        return self._digests[asset]

    def path(self, asset: Asset) -> Path:
        """Return an asset as a file, made first where need be."""
        match asset:
            case PoolAsset() | FileAsset():
                return self._file(asset)
            case MadeAsset() | FitAsset():
                self.array(asset)
                return self._place(self.digest(asset) if isinstance(asset, MadeAsset) else self._identity(asset))

    def _place(self, identity: str) -> Path:
        return store.home() / "assets" / f"{identity.removeprefix('sha256:')}.npy"

    def _identity(self, asset: FitAsset) -> str:
        return sha256_of(
            {
                "fit": asset.model,
                "version": asset.version,
                "embedding": asset.embedding,
                "seed": asset.seed,
                "options": {name: str(value) for name, value in asset.options},
                "on": self.fitted_on(asset),
            }
        )

    def _made(self, asset: MadeAsset) -> NDArray[Any]:
        from dcql.engine.udfs.vectors import ids_nearest

        rows, centroids = (self.array(one) for one in asset.of)
        for one, matrix in zip(asset.of, (rows, centroids), strict=True):
            if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
                _refuse("E0608", f"asset `{one.name}` is no matrix", "`nearest` takes rows of numbers", ())
        assert isinstance(rows, np.ndarray)
        assert isinstance(centroids, np.ndarray)
        ids: NDArray[np.int64] = ids_nearest(rows, centroids)
        return ids

    def _kept(self, asset: Asset, identity: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return an array that was made before, or make it and keep it in the store."""
        path = self._place(identity)
        if path.is_file():
            found = read_asset(path, path.stem)
            assert isinstance(found, np.ndarray)
            return found
        if not self.make:
            raise NotMadeError(asset)
        made = make()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished(path) as place:
                with place.open("wb") as file:
                    np.save(file, made, allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())
                place.replace(path)
        except OSError as error:
            raise RunError(unwritable(error)) from error
        return made

    def _file(self, asset: PoolAsset | FileAsset) -> Path:
        if isinstance(asset, FileAsset):
            if asset.path.startswith(LIBRARY):
                return Path(str(package_files("dcql.stdlib") / asset.path.removeprefix(LIBRARY)))
            return Path(asset.path)
        return bound_assets(self.pool)[0] / str(self._bound(asset)["file"])

    def _promised(self, asset: PoolAsset | FileAsset) -> tuple[str, str]:
        """Return the digest that an asset's file must have, and who says so."""
        if isinstance(asset, FileAsset):
            return asset.sha256, f"ASSET {asset.name}"
        return str(self._bound(asset)["sha256"]), ASSETS_FILE

    def _bound(self, asset: PoolAsset) -> dict[str, Any]:
        folder, bound = bound_assets(self.pool)
        if asset.name not in bound:
            near = did_you_mean(asset.name, list(bound))
            known = f"it binds {', '.join(f'`{name}`' for name in bound)}" if bound else f"it has no {ASSETS_FILE}"
            helps = (
                f"a similar asset is bound: `{near}`" if near else known,
                f'bind it in `{folder / ASSETS_FILE}`: [{asset.name}] with file = ".." and sha256 = ".."',
            )
            _refuse("E0608", f"the pool binds no asset `{asset.name}`", f"pool `{self.pool.name}`", helps)
        row: dict[str, Any] = bound[asset.name]
        return row


def bound_assets(pool: Pool) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return the folder of a pool's assets.toml, and what it binds by name; nothing where there is no such file.

    Raises RunError for a file that is no assets.toml.
    """
    if "://" in pool.source and not pool.source.startswith("file://"):
        return Path(), {}  # its path means nothing on this machine
    _, root = locate(pool.source)
    folders = [root] if os.path.isdir(root) else [posixpath.dirname(root)]
    if posixpath.basename(folders[0]) == "metadata":
        folders.append(posixpath.dirname(folders[0]))
    for folder in folders:
        path = Path(folder) / ASSETS_FILE
        if not path.is_file():
            continue
        try:
            bound = tomllib.loads(path.read_text(encoding="utf-8"))
            for name, row in bound.items():
                if not (isinstance(row["file"], str) and isinstance(row["sha256"], str) and is_below(row["file"])):
                    raise TypeError(f"[{name}]")
        except (OSError, ValueError, KeyError, TypeError) as error:
            help_ = 'each asset is a table with file = ".." and sha256 = "..", its path below the folder of the pool'
            _refuse("E0608", f"`{path}` cannot be read", f"it lacks or garbles {error}", (help_,))
        return path.parent, bound
    return Path(folders[-1]), {}


def checked_sha256(path: Path, promised: str, by: str) -> str:
    """Return a file's SHA-256 in hex, which must be the promised one.

    Files of which this was seen are known again by size and time of change. Raises RunError for another digest.
    """
    try:
        state = path.stat()
    except OSError as error:
        _refuse("E0608", f"no file `{path}`", f"named by {by}: {error.strerror}", ("put the file there",))
    seen = [os.fspath(path.absolute()), state.st_size, state.st_mtime_ns]
    note = store.home() / "assets" / "seen" / f"{sha256_of(seen).removeprefix('sha256:')}.json"
    try:
        digest = str(parse_json(note.read_bytes()))
    except (OSError, ValueError):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        _note(note, digest)
    if digest != promised.lower():
        helps = (f"get the file again; if it is the right one, write sha256 {digest}",)
        _refuse("E0609", f"`{path}` has another SHA-256", f"{by} promises {promised}", helps)
    return digest


def _note(note: Path, digest: str) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(note) as place:
            place.write_text(json.dumps(digest), encoding="utf-8")
            place.replace(note)
    except OSError:
        return  # it is read again next time


def read_asset(path: Path, name: str) -> NDArray[Any] | tuple[str, ...]:
    """Read an asset: a .npy of floats in two dimensions or of integers in one, or the lines of a text file."""
    try:
        if path.suffix != ".npy":
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            words = tuple(line for line in (line.strip() for line in lines) if line)
            if words and all(word.lstrip("-").isdecimal() for word in words):
                return np.array([int(word) for word in words], np.int64)
            return words
        array = map_npy(path)
    except (OSError, ValueError, OverflowError) as error:
        _refuse("E0608", f"asset `{name}` cannot be read", f"`{path}`: {error}", ("assets are .npy or text files",))
    if array.ndim == 2 and array.dtype.kind == "f":
        return np.asarray(array)
    if array.ndim == 1 and array.dtype.kind in "iu":
        return np.asarray(array).astype(np.int64)
    form = f"{array.dtype} in {array.ndim} dimensions"
    help_ = "a matrix is 2-D and of floats, ids are 1-D and whole numbers"
    _refuse("E0608", f"asset `{name}` is {form}", f"`{path}`", (help_,))


def array_digest(array: NDArray[Any]) -> str:
    """Return the digest of an array's type, shape and bytes."""
    content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return sha256_of({"dtype": array.dtype.str, "shape": list(array.shape), "content": content})


def set_values(found: NDArray[Any] | tuple[str, ...], name: str) -> list[int] | list[str]:
    """Return an asset's values as a set. Raises RunError for a matrix."""
    if isinstance(found, tuple):
        return list(dict.fromkeys(found))
    if found.ndim != 1:
        help_ = "to ask for the nearest rows of it, write ASSET .. AS nearest(.., ..)"
        _refuse("E0608", f"asset `{name}` is a matrix, not a set", "IN takes ids or words", (help_,))
    # np.unique would import masked arrays.
    return sorted(set(found.tolist()))


def _refuse(code: str, message: str, label: str, helps: tuple[str, ...]) -> NoReturn:
    raise RunError(Diagnostic(code, message, None, label, helps))
