"""The tails of a query as data: where LIMIT cuts, who is first in a DISTINCT ON, and what SAMPLE .. ROWS draws."""

from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.lower.statement import Statement

_MOST = (1 << 63) - 1


def bounded(count: int | None) -> int | None:
    """Return a count that a stored program can hold: no pool has more samples, and a larger count keeps all too."""
    return None if count is None else min(count, _MOST)


@dataclass(frozen=True)
class Numbers:
    """The numbers that a LIMIT orders by, where it orders by one: `statement` gives them in its column `value`.

    `column` is the pool column whose stored distribution has them without a scan, None where there is none.
    """

    statement: Statement
    type: Type
    descending: bool
    nulls_first: bool
    column: str | None
    value: str = "value"
    member: None = None


@dataclass(frozen=True)
class Cut:
    """Where LIMIT cuts.

    Parameters: `$name_keep` (0: nothing, 1: up to the cut, 2: all), `$name_0` .. the keys at the cut, and `$name_tie`,
    the last tie hash that is kept among the samples with those keys.

    `samples` counts the samples; `keys` gives the keys at `$offset`; `ahead` counts the samples before those keys;
    `tie` gives the tie hash at `$offset` among the samples with those keys. `numbers`, of an order by one number,
    answers for `samples`, `keys` and `ahead`, which are None then.
    """

    name: str
    count: int | None
    percent: tuple[int, int] | None
    key_types: tuple[Type, ...]
    samples: Statement | None
    keys: Statement | None
    ahead: Statement | None
    tie: Statement
    text: str
    numbers: Numbers | None = None


@dataclass(frozen=True)
class GroupedCut:
    """Where LIMIT .. BY cuts each group: the table `name`, one row a group.

    Its columns are `k0`, `k1`, .. the group's keys; `samples`, `kept` and `keep` (0: nothing, 1: up to the cut, 2:
    all); and, NULL but where `keep` is 1, `s0`, `s1`, .. the sort keys at the cut and `tie`, the last tie hash that is
    kept among the samples with those keys.

    `sizes` gives the keys and `samples` of each group; its result is the table `name/sizes`. `each` gives the sizes
    that there are, each once, of which the engine makes the table `name/keep` with the columns `samples` and `kept`.
    `at` gives the sort keys at each cut, and where the samples with those keys begin: the table `name/at`. `cuts` gives
    the table `name`.
    """

    name: str
    count: int | None
    percent: tuple[int, int] | None
    key_types: tuple[Type, ...]
    by_types: tuple[Type, ...]
    sizes: Statement
    each: Statement
    at: Statement
    cuts: Statement
    text: str


@dataclass(frozen=True)
class Firsts:
    """The first sample of each group of a DISTINCT ON: the column `first_column(name)` of `samples` is TRUE for it.

    `groups` gives the table `name/groups`: for each group its keys `k0`, `k1`, .., how many `samples` it has, the
    smallest `@id` of them (`id`) and, where they are ordered by one number, the best of these (`s0`). `alone` gives the
    `id` of those that are alone in their group. `statement`, over `raw_named`, gives the `id` of the first of each
    other group.
    """

    name: str
    groups: Statement
    alone: Statement
    statement: Statement
    text: str


@dataclass(frozen=True)
class Weights:
    """What is asked of the weights of a SAMPLE .. WEIGHT BY.

    `classes` gives the samples by classes of like weights: how many there are (`samples`), how many of these have a
    weight that is negative or infinite (`wrong`), and the least, the largest and the sum of the weights above 0
    (`least`, `most`, `total`), NULL where there is none. `wrong` gives the first uid with a wrong weight.
    """

    classes: Statement
    wrong: Statement


@dataclass(frozen=True)
class Draw:
    """What a SAMPLE .. ROWS draws: the first `count` samples by a key of their hash, and then by their tie hash.

    Parameter: `$name_keep` (0: none, 1: those whose column `first_column(name)` of `samples` is TRUE, 2: all that there
    are, but for those without a weight). The key is a hash as text, the smallest first, or with `weights` a priority, a
    DOUBLE, the largest first.

    `samples` counts the samples, None with `weights`. What looks at keys has a `samples` table of its own, `named`: the
    raw files with places and uids, and nothing beside them that the others do not read. `near` looks at each sample
    once: `id`; whether it comes before all keys from `$low` to `$high` (`sure`); and `key` and `tie`, NULL where the
    key does not lie there. `first` gives `id`, `key` and `tie` of the first `$kept`, in order.
    """

    name: str
    count: int
    weights: Weights | None
    samples: Statement | None
    named: Statement
    near: Statement
    first: Statement
    text: str
