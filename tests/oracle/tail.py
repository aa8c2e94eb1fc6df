"""What happens to a bag after WHERE: set operations, order, DISTINCT ON, LIMIT, SAMPLE (SEMANTICS §3)."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from .errors import OracleError
from .hash import MAX_COPIES
from .types import Sample, Typed, Value

Bag = dict[bytes, int]
Samples = Mapping[bytes, Sample]
TIE = b"dcql.tie.v1\0"
SAMPLING = b"dcql.sample.v1\0"


@lru_cache(maxsize=100_000)
def tie_hash(uid: bytes) -> bytes:
    return hashlib.sha256(TIE + uid).digest()


def bounded(bag: Bag) -> Bag:
    for uid, count in bag.items():
        if count > MAX_COPIES:
            raise OracleError("E07", f"{uid.hex()} would have {count} copies")
    return bag


def combine(operator: str, left: Bag, right: Bag) -> Bag:
    """Apply a set operation: copies are 1, but UNION ALL adds them."""
    if operator == "UNION ALL":
        return bounded({uid: left.get(uid, 0) + right.get(uid, 0) for uid in [*left, *right]})
    if operator == "UNION":
        return dict.fromkeys([*left, *right], 1)
    if operator == "INTERSECT":
        return {uid: 1 for uid in left if uid in right}
    return {uid: 1 for uid in left if uid not in right}


def ranked_by(order: list[tuple[Typed, bool, bool]], bag: Iterable[bytes], samples: Samples) -> list[bytes]:
    """Sort by (key, descending, nulls first) .., NULLs last unless first, then by tie hash, then by uid."""
    uids = sorted(bag, key=lambda uid: (tie_hash(uid), uid))
    for key, descending, nulls_first in reversed(order):  # a stable sort by each key, the first key last
        groups: dict[Value, list[bytes]] = {}
        for uid in uids:
            groups.setdefault(key.of(samples[uid]), []).append(uid)
        nulls = groups.pop(None, [])
        known = [uid for value in sorted(groups, reverse=descending) for uid in groups[value]]  # type: ignore[type-var]
        uids = nulls + known if nulls_first else known + nulls
    return uids


def first_of_each(ranked: list[bytes], keys: list[Typed], samples: Samples) -> list[bytes]:
    """Keep the first of each group; a sample with any NULL key is kept."""
    seen: set[tuple[Value, ...]] = set()
    kept: list[bytes] = []
    for uid in ranked:
        group = tuple(key.of(samples[uid]) for key in keys)
        if None in group or group not in seen:
            kept.append(uid)
        seen.add(group)
    return kept


def limited(ranked: list[bytes], amount: tuple[Fraction, bool], by: list[Typed], samples: Samples) -> list[bytes]:
    """Keep n, or floor(p n / 100) of n, of each BY group (NULL is a group); without BY of them all."""
    group_of = {uid: tuple(key.of(samples[uid]) for key in by) for uid in ranked}
    sizes: dict[tuple[Value, ...], int] = {}
    for group in group_of.values():
        sizes[group] = sizes.get(group, 0) + 1
    value, percent = amount
    left = {group: math.floor(value * size / 100) if percent else int(value) for group, size in sizes.items()}
    kept: list[bytes] = []
    for uid in ranked:
        if left[group_of[uid]] > 0:
            left[group_of[uid]] -= 1
            kept.append(uid)
    return kept


@dataclass(frozen=True, slots=True)
class Draw:
    """SAMPLE value PERCENT | value ROWS [WEIGHT BY weight], keyed by a seed and the uid alone."""

    value: Fraction
    percent: bool
    seed: str
    weight: Typed | None

    def hash_of(self, uid: bytes) -> bytes:
        return hashlib.sha256(SAMPLING + self.seed.encode() + b"\0" + uid).digest()

    def h64(self, uid: bytes) -> int:
        return int.from_bytes(self.hash_of(uid)[:8], "big")

    def drawn(self, uids: list[bytes], samples: Samples) -> list[bytes]:
        """Return the drawn uids; raises E07 for a negative or infinite weight."""
        if self.percent:
            bound = math.floor(self.value / 100 * 2**64)
            return [uid for uid in uids if self.h64(uid) < bound]
        if self.weight is None:
            return sorted(uids, key=self.hash_of)[: int(self.value)]
        keys: dict[bytes, float] = {}
        for uid in uids:
            found = self.weight.of(samples[uid])
            weight = 0.0 if found is None else float(found)
            if weight < 0 or math.isinf(weight):
                raise OracleError("E07", f"{uid.hex()} has the weight {weight}")
            if weight > 0:
                keys[uid] = weight / (float(self.h64(uid) + 1) / 2.0**64)
        return sorted(keys, key=lambda uid: (-keys[uid], tie_hash(uid), uid))[: int(self.value)]
