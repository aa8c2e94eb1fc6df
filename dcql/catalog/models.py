"""Models, features and assets as a recipe or the library declares them, with every name resolved.

A model never runs inside of a predicate: a FEATURE is the frozen column that it produced. What is written here decides
that column, so all of it is part of a feature's identity but for the words about licence and source.
"""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import TypeAlias

from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.digest import sha256_of

# The widest grid whose numbers fit int16: step 2^-14, from -2 up to 2 (SEMANTICS §4.22).
INT16_BITS = 14


@dataclass(frozen=True)
class Output:
    """What a model gives for a sample: a type of the language, or a fixed-point number.

    With `bits`, values are whole multiples of 2^-bits, kept as integers: int16 for 14 bits, else int32. As `type` says,
    recipes read FIXED(14) as FLOAT and others as DOUBLE, both exactly.
    """

    type: Type
    bits: int | None = None

    @property
    def text(self) -> str:
        """The type as recipes write it."""
        return self.type.value if self.bits is None else f"FIXED({self.bits})"


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights that a model may use, and its SHA-256 in hex."""

    file: str
    sha256: str


@dataclass(frozen=True)
class ParameterSpec:
    """A parameter of a model: `kind` is TEXT, INT, FLOAT, DOUBLE, BOOL, EMBEDDING, IMAGE, COVERAGE, ASSET or
    WEIGHTS.

    `default` is what an option is where it is not given; None where it must be.
    """

    name: str
    kind: str
    default: bool | int | float | str | None = None


@dataclass(frozen=True)
class ModelSpec:
    """A MODEL. `code` is a user's own file and its SHA-256, None for one that dcql brings.

    `weights` are files in order of preference: the first one that is there is used. `tolerance` is how far values may
    differ between devices, 0 where they may not.
    """

    name: str
    parameters: tuple[ParameterSpec, ...]
    output: Output
    version: int
    code: WeightsFile | None = None
    code_path: str = field(default="", compare=False, repr=False)
    weights: tuple[WeightsFile, ...] = ()
    tolerance: float = 0.0
    licence: str = field(default="", compare=False, repr=False)
    cite: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class PoolAsset:
    """An asset that the pool binds, by its name in the pool's assets.toml."""

    name: str


@dataclass(frozen=True)
class FileAsset:
    """An asset in a file beside the recipe, or of the library."""

    name: str
    path: str = field(compare=False, repr=False)
    sha256: str


@dataclass(frozen=True)
class MadeAsset:
    """An asset that a model makes of others, such as the ids that occur among the nearest centroids."""

    name: str
    model: str
    version: int
    of: tuple["Asset", ...]


@dataclass(frozen=True)
class FitAsset:
    """An asset fitted to an embedding of the samples of a relation: `on` names a stage of the plan, or is "pool"."""

    name: str
    model: str
    version: int
    embedding: str
    on: str
    seed: str
    options: tuple[tuple[str, bool | int | float | str], ...]


Asset: TypeAlias = PoolAsset | FileAsset | MadeAsset | FitAsset


@dataclass(frozen=True)
class ColumnArgument:
    """A column of the pool that a model reads."""

    parameter: str
    column: str
    type: Type


@dataclass(frozen=True)
class EmbeddingArgument:
    """An array of the pool's npz files that a model reads, by its key."""

    parameter: str
    key: str


@dataclass(frozen=True)
class FeatureArgument:
    """An EMBEDDING feature that a model reads: it is asked of the samples that its reader is asked of."""

    parameter: str
    feature: "FeatureSpec"


@dataclass(frozen=True)
class ImageArgument:
    """The image of each sample, from the pool's shards."""

    parameter: str


@dataclass(frozen=True)
class CoverageArgument:
    """What the pool's shards hold of each sample, as `dcql pool coverage` recorded it."""

    parameter: str


@dataclass(frozen=True)
class AssetArgument:
    """An asset that a model is given, as values (`kind` ASSET) or as a file of weights (WEIGHTS)."""

    parameter: str
    asset: Asset
    kind: str


@dataclass(frozen=True)
class OptionArgument:
    """A constant that a model is given."""

    parameter: str
    value: bool | int | float | str


InputArgument: TypeAlias = ColumnArgument | EmbeddingArgument | ImageArgument | CoverageArgument | FeatureArgument
ModelArgument: TypeAlias = InputArgument | AssetArgument | OptionArgument


@dataclass(frozen=True)
class FeatureSpec:
    """A FEATURE: the column `name` that `model` makes of `arguments`, in the order of the model's parameters."""

    name: str
    output: Output
    model: ModelSpec
    arguments: tuple[ModelArgument, ...]

    @property
    def inputs(self) -> tuple[InputArgument, ...]:
        """The arguments that differ from sample to sample."""
        return tuple(one for one in self.arguments if not isinstance(one, AssetArgument | OptionArgument))

    @property
    def is_embedding(self) -> bool:
        """Whether a value is a vector, which only other features read."""
        return self.output.type is Type.EMBEDDING

    @property
    def inner(self) -> dict[str, "FeatureSpec"]:
        """The features among the arguments, by parameter."""
        return {one.parameter: one.feature for one in self.arguments if isinstance(one, FeatureArgument)}

    @cached_property
    def chain(self) -> tuple["FeatureSpec", ...]:
        """This feature and all that it reads, through others too: each once, and after those that it reads itself."""
        return tuple(dict.fromkeys((*(one for inner in self.inner.values() for one in inner.chain), self)))

    def reads(self, kind: type[InputArgument]) -> bool:
        """Return whether it reads a kind of input, itself or through a feature."""
        return any(isinstance(one, kind) for feature in self.chain for one in feature.inputs)

    @property
    def assets(self) -> tuple[AssetArgument, ...]:
        """The assets among the arguments."""
        return tuple(one for one in self.arguments if isinstance(one, AssetArgument))

    @property
    def options(self) -> dict[str, bool | int | float | str]:
        """The constants among the arguments, by parameter."""
        return {one.parameter: one.value for one in self.arguments if isinstance(one, OptionArgument)}

    def identity(self, weights: str, assets: dict[str, str], inner: Mapping[str, str]) -> str:
        """Return the feature id, "sha256:.." over what was asked: all but the samples.

        `weights` is the SHA-256 of the weights that are used, empty without any; `assets` the digest of each asset and
        `inner` the id of each feature that it reads, by parameter.
        """
        return sha256_of(
            {
                "model": [self.model.name, self.model.version, self.model.code.sha256 if self.model.code else None],
                "weights": weights,
                "output": self.output.text,
                "inputs": [
                    [one.parameter, "feature", inner[one.parameter]]
                    if isinstance(one, FeatureArgument)
                    else input_to_json(one)
                    for one in self.inputs
                ],
                "assets": assets,
                "options": {name: _plain(value) for name, value in self.options.items()},
            }
        )


def input_to_json(argument: InputArgument) -> list[str]:
    """Return an argument as plain data: the parameter, its kind, and which one where there are several.

    The kinds are "column", "embedding", "feature", "image" and "coverage".
    """
    match argument:
        case ColumnArgument():
            return [argument.parameter, "column", argument.column, argument.type.value]
        case EmbeddingArgument():
            return [argument.parameter, "embedding", argument.key]
        case FeatureArgument():
            return [argument.parameter, "feature", argument.feature.name]
        case ImageArgument():
            return [argument.parameter, "image"]
        case CoverageArgument():
            return [argument.parameter, "coverage"]


def _plain(value: bool | int | float | str) -> list[str]:
    text = value.hex() if isinstance(value, float) else str(value)
    return [type(value).__name__, text]
