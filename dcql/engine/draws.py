"""SAMPLE .. ROWS in a run: every uid is hashed once, and what is drawn is laid beside the pool's files, row for row.

Where the order by hash is cut is known within bounds before anything is hashed. What lies before them is drawn for
certain, and the few samples between them are sorted here. Where the cut lies elsewhere, or too many samples share it,
DuckDB sorts, which writes to disk what does not fit into its share of the memory.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.types import Type
from dcql.dataclass import dataclass
from dcql.engine.beside import stand_beside
from dcql.engine.marked import Bits, Bytes, marks_of
from dcql.engine.ranks import positions_of, row_dtype, starts_of
from dcql.engine.statistics import Found
from dcql.errors import Diagnostic, RunError
from dcql.lower.tails import Draw

if TYPE_CHECKING:
    from dcql.engine.statistics import Statistics

_HASHES = 1 << 64  # the first 8 bytes of a hash
_MOST = 1 << 20  # samples near a cut that are sorted here
# Standard deviations between where a cut is to be expected and where it is looked for: it is missed less than once in
# 10^30 draws.
_WIDE = 12
_STEPS = 60  # of halving, which leaves a factor of 1 + 10^-15

Bound = str | float


@dataclass(frozen=True)
class Near:
    """What `Draw.near` says of some samples.

    `sure` are the places of those that come before all keys asked for, (n,) int64. `places`, (m,) int64, `keys`, (m,)
    float64 or 64 bytes each, and `ties`, (m,) 64 bytes each, are of those whose keys lie there.
    """

    sure: NDArray[np.int64]
    places: NDArray[np.int64]
    keys: NDArray[Any]
    ties: NDArray[np.bytes_]

    def of_file(self, number: int) -> "Near":
        """Return the same for samples of the file with this number, which were told by their position in it."""
        before = np.int64(number << 32)
        return Near(self.sure + before, self.places + before, self.keys, self.ties)


def near_of(batches: Iterable[Any]) -> Iterator[Near]:
    """Yield what the batches of `Draw.near` say."""
    for batch in batches:
        places = numbers(batch.column("id"))
        keys, ties = batch.column("key"), batch.column("tie")
        here = present(keys)
        found = numbers(keys.drop_null()) if str(keys.type) == "double" else _texts(keys)
        yield Near(np.compress(truths(batch.column("sure")), places), places[here], found, _texts(ties))


def _texts(column: Any) -> NDArray[np.bytes_]:
    """Return the texts of a column of hashes, without NULLs, (n,) 64 bytes each."""
    return np.array(column.drop_null().to_pylist(), "S64")


def draw_samples(draw: Draw, run: "Statistics") -> Found:
    """Find what a SAMPLE .. ROWS draws, and let it stand beside the pool's files.

    Returns where it cuts. Raises RunError where a weight is negative or infinite.
    """
    if (frozen := run.frozen.get(draw.name)) is not None:
        if frozen.at:
            stand_beside(draw, _up_to(draw, run, *frozen.at), run.pool, run.session)
        return frozen
    reached = _reached(draw, run)
    kept = min(draw.count, reached.samples)
    at: tuple[Any, ...] = ()
    if kept not in (0, reached.samples):
        marks, at = _first(draw, run, reached, kept)
        stand_beside(draw, marks, run.pool, run.session)
    return Found(draw.name, draw.text, "", Type.INT, kept, reached.samples, reached.never, kept, 0, at=at)


# --- how many there are -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reached:
    """The samples that can be drawn and those that never are, and by classes of like weights, (c,) each.

    `counts` are int64; the `least`, the `most` and the `mean` of the weights of a class are float64. There are none
    without weights.
    """

    samples: int
    never: int
    counts: NDArray[np.int64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    mean: NDArray[np.float64]


def _reached(draw: Draw, run: "Statistics") -> _Reached:
    none = np.empty(0, np.float64)
    if draw.weights is None:
        assert draw.samples is not None
        samples = sum(count for (count,) in run.rows_of(draw.samples))
        return _Reached(samples, 0, np.empty(0, np.int64), none, none, none)
    rows = list(run.rows_of(draw.weights.classes))
    if any(wrong for _, wrong, *_ in rows):
        raise _wrong(draw, run)
    used = [(samples, least, most, total) for samples, _, least, most, total in rows if least is not None]
    counts = np.array([samples for samples, *_ in used], np.int64)
    least, most, total = (np.array([one[at] for one in used], np.float64) for at in (1, 2, 3))
    # A sum may be too large for a DOUBLE.
    mean = np.clip(total / counts, least, most)
    samples = int(counts.sum())
    return _Reached(samples, sum(row[0] for row in rows) - samples, counts, least, most, mean)


def _wrong(draw: Draw, run: "Statistics") -> RunError:
    assert draw.weights is not None
    ((uid,),) = run.session.rows(draw.weights.wrong, run.sources.named(draw.named), run.parameters)
    return RunError(
        Diagnostic(
            "E0722",
            f"the weight of the sample {uid} is negative or infinite",
            label="a weight is a number, 0 or more",
            helps=("say what counts instead: `WEIGHT BY greatest(x, 0)`",),
        )
    )


# --- where the cut lies -----------------------------------------------------------------------------------------------


def _among_hashes(samples: int, kept: int) -> tuple[str, str]:
    """Return bounds on the k-th of n hashes: they are spread evenly, so it lies by k / n of all that there are.

    What lies between the bounds is of the order of the square root of n.
    """
    share = kept / samples
    margin = _WIDE * math.sqrt(share * (1 - share) / samples) + _WIDE / samples
    low, high = max(0.0, share - margin), min(1.0, share + margin)
    return f"{int(low * _HASHES):016x}", f"{int(high * _HASHES):016x}" if high < 1 else "g"


def _among_priorities(reached: _Reached, kept: int) -> tuple[float, float]:
    """Return bounds on the k-th largest priority w / u.

    With u spread evenly over (0, 1], a priority is above t with probability min(1, w / t). How many are above t has
    the sum of these for its mean and no more for its variance. For a class of weights the sum lies between two numbers,
    for min(1, w / t) is a concave function of w.
    """

    def at_most(t: float) -> float:
        return _with_margin(float((reached.counts * np.minimum(1, reached.mean / t)).sum()), _WIDE)

    def at_least(t: float) -> float:
        chord = reached.mean / reached.most * np.minimum(1, reached.most / t)
        return _with_margin(float((reached.counts * np.where(reached.least >= t, 1, chord)).sum()), -_WIDE)

    low, high = max(math.log2(reached.least.min()) - 1, -1074), 1023.0
    largest = _turn(lambda t: at_most(t) <= kept, low, high)[1]
    smallest = _turn(lambda t: at_least(t) < kept, low, high)[0]
    return smallest, largest


def _with_margin(mean: float, deviations: float) -> float:
    return mean + deviations * math.sqrt(mean) + deviations


def _turn(holds: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Return where a condition turns true between 2^low and 2^high: the last t without it and the first t with it.

    0 stands for all t below, infinity for all above.
    """
    with np.errstate(over="ignore"):
        if holds(math.exp2(low)):
            return 0.0, math.exp2(low)
        last, first = math.exp2(low), math.inf
        for _ in range(_STEPS):
            middle = (low + high) / 2
            t = math.exp2(middle)
            if holds(t):
                first, high = t, middle
            else:
                last, low = t, middle
    return last, first


# --- what is drawn ----------------------------------------------------------------------------------------------------


def _first(draw: Draw, run: "Statistics", reached: _Reached, kept: int) -> tuple[Bits | Bytes, tuple[Any, ...]]:
    """Mark the first `kept` samples; return key and tie hash of the last of them too."""
    low, high = _among_priorities(reached, kept) if draw.weights else _among_hashes(reached.samples, kept)
    taken = _Taken(run)
    near: list[Near] = []
    count = 0
    for one in run.near(draw, {"low": low, "high": high}):
        taken.add(one.sure)
        count += len(one.places)
        if count > _MOST:
            near.clear()
        else:
            near.append(one)
    place = kept - taken.count
    if not 0 < place <= count or count > _MOST:
        return _sorted(draw, run, kept)
    places, keys, ties = (np.concatenate([getattr(one, name) for one in near]) for name in ("places", "keys", "ties"))
    order = np.lexsort((ties, -keys if draw.weights else keys))[:place]
    taken.add(places[order])
    return taken.marks, _cut(keys[order[-1]].item(), ties[order[-1]].item())


def _sorted(draw: Draw, run: "Statistics", kept: int) -> tuple[Bits | Bytes, tuple[Any, ...]]:
    """Do what `_first` does, whatever the hashes are: DuckDB sorts all of them."""
    taken = _Taken(run)
    parameters = {**run.parameters, "kept": kept}
    for batch in run.session.batches(draw.first, run.sources.named(draw.named), parameters):
        taken.add(numbers(batch.column("id")))
        last = [batch.column(name)[-1].as_py() for name in ("key", "tie")]
    return taken.marks, _cut(*last)


def _up_to(draw: Draw, run: "Statistics", key: Bound, tie: str) -> Bits | Bytes:
    """Mark the samples up to a cut."""
    taken = _Taken(run)
    for one in run.near(draw, {"low": key, "high": key}):
        taken.add(one.sure)
        taken.add(one.places[one.ties <= tie.encode()])
    return taken.marks


def _cut(key: Any, tie: Any) -> tuple[Any, ...]:
    return tuple(one.decode() if isinstance(one, bytes) else one for one in (key, tie))


class _Taken:
    """Samples that are marked, in the order of the pool, and how many they are."""

    def __init__(self, run: "Statistics") -> None:
        self.marks = marks_of(run.pool.rows, has_copies=False)
        self.count = 0
        self._starts = starts_of(run.pool.files)
        # In pools of more samples positions take 64 bits.
        self._dtype = row_dtype(run.pool.rows)

    def add(self, places: NDArray[np.int64]) -> None:
        """Mark samples by their places, (n,), each once."""
        self.marks.add(positions_of(places, self._starts).astype(self._dtype), None)
        self.count += len(places)
