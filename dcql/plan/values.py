"""The parts of a plan that a program keeps: constants, ranks, sets and promises."""

from dataclasses import field
from fractions import Fraction

from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.source import Span


@dataclass(frozen=True)
class Literal:
    """A constant in its final type; a FLOAT holds the exact value of a binary32. None is NULL."""

    value: bool | int | float | str | None
    type: Type

    def __post_init__(self) -> None:
        # 0.0 == -0.0 and True == 1 in Python: literals that differ must not be taken for equal.
        if isinstance(self.value, float) and self.value == 0:
            object.__setattr__(self, "value", 0.0)


@dataclass(frozen=True)
class Rank:
    """Which order statistic: k = max(1, ceil(p n)), p exact (SEMANTICS §2.2).

    With `datacomp`, p is 1 - int(n f) / n, n f in IEEE double, as DataComp's get_threshold has it; then `p` is f.
    """

    p: Fraction
    datacomp: bool = False

    def k(self, n: int) -> int:
        """Return the 1-based position of the statistic among n values: 1 among none."""
        if self.datacomp:
            return max(1, n - int(n * float(self.p)))
        return max(1, -(-self.p.numerator * n // self.p.denominator))


@dataclass(frozen=True)
class NamedSet:
    """A set that a recipe reads: its file's digest, the type of its values and how many they are.

    `is_subset` marks a .npy of uids, which is not counted until it is read, `is_uids` lines of text that are uids.
    """

    name: str
    path: str = field(compare=False)
    sha256: str
    type: Type
    count: int
    is_subset: bool
    is_uids: bool = False


@dataclass(frozen=True)
class NamedTable:
    """A table that a recipe joins: its file's digest, its columns, and the one of them that is its key.

    `key` is the column of the pool too, by which a sample finds its row. What a recipe calls it changes nothing.
    """

    name: str = field(compare=False)
    path: str = field(compare=False)
    sha256: str
    columns: tuple[tuple[str, Type], ...]
    key: str
    key_type: Type

    @property
    def identity(self) -> tuple[str, str]:
        """What tells tables apart, whatever recipes call them."""
        return self.sha256, self.key


@dataclass(frozen=True)
class Promise:
    """EXPECT kept BETWEEN low AND high: counts, or percentages of the pool's samples."""

    low: Fraction
    low_percent: bool
    high: Fraction
    high_percent: bool
    text: str = field(compare=False)
    span: Span | None = field(compare=False, repr=False, default=None)

    def bounds(self, samples: int) -> tuple[Fraction, Fraction]:
        """Return the fewest and the most samples that keep it, over a pool of `samples`."""
        low = self.low * samples / 100 if self.low_percent else self.low
        return low, self.high * samples / 100 if self.high_percent else self.high
