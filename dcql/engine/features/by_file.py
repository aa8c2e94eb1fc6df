"""One file's share of a feature, for any process that sees the store: what a model is asked of, and how it is loaded.

All of it is plain data that travels to other machines. A share may be computed any number of times, also at once: rows
that are known keep their values.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.catalog.features import StoredFeature
from dcql.catalog.models import Asset, FeatureSpec, FileAsset, ImageArgument, PoolAsset, WeightsFile
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.features import files
from dcql.engine.features.answering import answers_for
from dcql.engine.features.assets import LIBRARY, Assets, checked_sha256
from dcql.engine.features.inputs import Inputs
from dcql.engine.features.reading import PathOf
from dcql.engine.features.report import Computing
from dcql.engine.features.running import options_of, refuse_unread, rows_at_once
from dcql.engine.features.weights import weights_of, weights_path
from dcql.engine.features.workers import Ask, loaded
from dcql.engine.shared_pool import refuse_unlike
from dcql.engine.udfs.answers import Answers, Model
from dcql.engine.udfs.own import unloadable
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed
from dcql.scratch import scratch
from dcql.subset import sort_order


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that a model is given: `path` where it lies, and its SHA-256, empty where its name says what it holds."""

    path: str
    sha256: str

    def found(self, model: str) -> Path:
        """Return the file on this machine. Raises RunError where it is not here, or is another one."""
        path = Path(self.path)
        if self.path.startswith(LIBRARY):
            path = Path(str(package_files("dcql.stdlib") / self.path.removeprefix(LIBRARY)))
        if not path.is_file():
            raise RunError(_absent(str(path), model))
        if self.sha256:
            checked_sha256(path, self.sha256, f"MODEL {model}")
        return path


@dataclass(frozen=True)
class Loading:
    """How to load the model of a feature, on any machine.

    `weights` are a file of the model's own, which is looked for among those of the machine, or one that the recipe or
    the pool gives. `code` is the text of a user's file, None for a model of the library. `rows` is how many samples it
    takes at once.
    """

    spec: FeatureSpec
    weights: WeightsFile | NamedFile | None
    assets: Mapping[str, NamedFile]
    options: Mapping[str, bool | int | float | str]
    code: bytes | None
    rows: int

    def on(self, device: str) -> "Loading":
        """Return how to load it for `device`, where it is a model that runs on several."""
        return replace(self, options=options_of(self.spec, Computing(device=device)))

    def load(self) -> "Loaded":
        """Load the model here. Raises RunError where a library or a file is missing."""
        model = self.spec.model
        match self.weights:
            case NamedFile():
                weights: Path | None = self.weights.found(model.name)
            case WeightsFile():
                weights = weights_path(self.weights)
                if weights is None:
                    raise RunError(_absent(self.weights.file, model.name))
                checked_sha256(weights, self.weights.sha256, f"MODEL {model.name}")
            case None:
                weights = None
        assets = {name: str(one.found(model.name)) for name, one in self.assets.items()}
        ask = Ask(model.name, "", "", model.output.type.name, str(weights or ""), assets, self.options)
        if self.code is None or model.code is None:
            return Loaded(loaded(ask), self.rows)
        if _has(Path(model.code_path), self.code):
            return Loaded(loaded(replace(ask, code=model.code_path, sha256=model.code.sha256)), self.rows)
        with scratch() as folder:
            path = folder / Path(model.code.file).name
            path.write_bytes(self.code)
            return Loaded(loaded(replace(ask, code=str(path), sha256=model.code.sha256)), self.rows)


def _has(path: Path, content: bytes) -> bool:
    """Return whether the file is here too: it may read what lies beside it."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


@dataclass(frozen=True)
class Loaded:
    """A model in this process."""

    model: Model
    rows: int

    def ask(self, pieces: Iterable[tuple[Any, ...]]) -> Iterator[Answers]:
        """Yield the answers for pieces of inputs, in their order."""
        for piece in pieces:
            yield self.model(*piece)


@dataclass(frozen=True)
class Share:
    """Rows of one file of a pool that a feature is asked of, and where everything for them lies.

    `pool` holds that file alone. `key` is the file's in the store, `asked` one bit a row of the file, packed, `inner`
    the values of the features that are read, by name, and `images` where the rows' images lie, for a model of images.
    """

    spec: FeatureSpec
    pool: Pool
    key: str
    stored: StoredFeature
    asked: NDArray[np.uint8]
    inner: Mapping[str, Path] = field(default_factory=dict)
    images: Any = None

    @property
    def file(self) -> PoolFile:
        """The file."""
        return self.pool.files[0]

    @property
    def positions(self) -> NDArray[np.int64]:
        """The rows that the feature is asked of, ascending."""
        return np.flatnonzero(np.unpackbits(self.asked, count=self.file.rows))

    def is_stored(self) -> bool:
        """Return whether all of it is in the store, as this machine sees that."""
        return bool(self._known()[self.positions].all())

    def _known(self) -> NDArray[np.bool_]:
        newest = self.stored.newest(self.key)
        return files.read_known(newest, self.file.rows) if newest is not None else np.zeros(self.file.rows, np.bool_)

    def compute(self, model: Loaded) -> int:
        """Ask the model of the rows that are not known yet, and store what it answers; return how many rows there are.

        An earlier try may have stored some of them.
        Raises RunError where something cannot be read or written; what was answered before that is stored.
        """
        file, spec = self.file, self.spec
        refuse_unlike(Listed(file.name, file.path, file.size), file.footer)
        asked = self.positions
        positions = asked[~self._known()[asked]]
        inputs = Inputs(self.pool)
        if self.images is not None:
            inputs.shards = self.images

        def path_of(inner: FeatureSpec, file: PoolFile) -> Path:
            return self.inner[inner.name]

        for where, answers in answers_for(model, inputs, spec, file, positions, path_of):
            files.merge(self.stored, self.key, file.rows, spec, where, answers)
        return len(asked)


def loading_of(spec: FeatureSpec, assets: Assets, computing: Computing) -> Loading:
    """Return how the model of a feature is loaded. Raises RunError where its weights or assets are not here."""
    refuse_unread(spec, computing)
    given = {one.parameter: _named(one.asset, assets) for one in spec.assets if one.kind == "ASSET"}
    own = [_named(one.asset, assets) for one in spec.assets if one.kind == "WEIGHTS"]
    code = _code(Path(spec.model.code_path)) if spec.model.code is not None else None
    weights = own[0] if own else weights_of(spec)
    return Loading(spec, weights, given, options_of(spec, computing), code, rows_at_once(spec, computing))


def _code(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RunError(unloadable(path, str(error.strerror))) from error


def _named(asset: Asset, assets: Assets) -> NamedFile:
    digest = assets.digest(asset).removeprefix("sha256:")
    match asset:
        case FileAsset() if asset.path.startswith(LIBRARY):
            return NamedFile(asset.path, digest)
        case FileAsset() | PoolAsset():
            return NamedFile(str(assets.path(asset).absolute()), digest)
        case _:  # made before: the store has it under a name of its own
            return NamedFile(str(assets.path(asset)), "")


def share_of(
    spec: FeatureSpec, inputs: Inputs, file: PoolFile, stored: StoredFeature, positions: NDArray[np.int64], path: PathOf
) -> Share:
    """Return the share of a file of the pool: `positions` are the rows that the feature is asked of, ascending."""
    alone = replace(inputs.pool, files=(file,))
    inner = {one.name: path(one, file) for one in spec.inner.values()}
    images = None
    if any(isinstance(one, ImageArgument) for one in spec.inputs):
        uids = inputs.uids(file)[positions]
        images = inputs.shards.of(uids[sort_order(np.ascontiguousarray(uids["f0"]), np.ascontiguousarray(uids["f1"]))])
    asked = np.zeros(file.rows, np.bool_)
    asked[positions] = True
    return Share(spec, alone, inputs.key(file, spec), stored, np.packbits(asked), inner, images)


def _absent(path: str, model: str) -> Diagnostic:
    return Diagnostic(
        "E0793",
        f"`{path}` is not on the node `{socket.gethostname()}`",
        None,
        f"the model `{model}` needs it there",
        ("put it under $DCQL_HOME/weights or beside the pool, which all nodes see", "or install it on every node"),
    )
