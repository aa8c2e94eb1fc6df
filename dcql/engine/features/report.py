"""What a run may compute of features, and what became of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from dcql.dataclass import dataclass

if TYPE_CHECKING:
    from dcql.catalog.models import FeatureSpec  # every run says what may be computed, and few have features

if TYPE_CHECKING:
    from dcql.engine.features.by_file import Loading, Share

# Called before a model computes anything, with the names of the demands that are not met yet.
BeforeModels = Callable[[frozenset[str]], None]

# Has the shares of a feature computed and stored elsewhere, in any order; yields how many more rows are stored.
Spread: TypeAlias = "Callable[[Loading, Iterable[Share]], Iterator[int]]"


@dataclass(frozen=True)
class Computing:
    """What a run may compute: nothing without `compute`; a user's own code where `own_code`.

    `max_failures` is the share of the samples asked of that a model may fail on; `workers` the processes of a model
    that uses one core, None for one a core; `device` is auto, cpu or cuda; `rows` is how many samples a model is asked
    of at once, None for as many as suit it. With `spread`, others compute, and `workers` says nothing.
    """

    compute: bool = True
    own_code: bool = False
    max_failures: Fraction = Fraction(1, 100)
    workers: int | None = None
    device: str = "auto"
    rows: int | None = None
    spread: "Spread | None" = None


@dataclass
class Use:
    """What became of a feature in a run, over all that asked for it.

    `asked` counts the samples that it was asked of, `computed` those that this run computed, `failed` those of all
    asked whose model failed, `reasons` how often for each reason.
    """

    spec: "FeatureSpec"
    id: str
    weights: str
    asked: int = 0
    computed: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MarginFound:
    """A comparison of a feature with a value: of `asked` samples, `near` lie within `step` of it."""

    text: str
    feature: str
    step: float
    near: int
    asked: int


@dataclass(frozen=True)
class FeaturesReport:
    """What became of a run's features: one `Use` each, what came out near a threshold, and the assets by digest.

    `asked` counts the samples of each demand, by its name.
    `digests` are content digests "dcfeat2:.." by feature, over the samples that it was asked of; empty for a raw pool,
    whose samples have no order of their own.
    """

    uses: tuple[Use, ...]
    margins: tuple[MarginFound, ...]
    assets: Mapping[str, str]
    digests: Mapping[str, str]
    asked: Mapping[str, int] = field(default_factory=dict)
