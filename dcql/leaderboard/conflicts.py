"""One key, two values: what submissions say of each other without meaning to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from dcql.leaderboard.gather import Accepted

# A key, the value that is stated for it, and the environment that it was made in, empty where that must not matter.
_Stated = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A key that several submissions state, with other values; `of` and `what` say what the two are.

    `explained` is true where their environments differ: then other bits are to be expected of a training.
    """

    of: str
    what: str
    key: str
    values: tuple[tuple[str, tuple[Accepted, ...]], ...]
    explained: bool

    @property
    def entries(self) -> tuple[Accepted, ...]:
        """All submissions that it is about."""
        return tuple(entry for _, entries in self.values for entry in entries)

    @property
    def text(self) -> str:
        """The conflict in one line."""
        sides = "; ".join(f"{value} by {', '.join(one.place for one in entries)}" for value, entries in self.values)
        why = ", in environments that differ" if self.explained else ""
        return f"{self.of} {self.key} has {len(self.values)} {self.what}{why}: {sides}"


def conflicts(entries: Iterable[Accepted]) -> tuple[Conflict, ...]:
    """Return every key with two values, in the order of the chain."""
    entries = tuple(entries)
    return (
        *_apart("lock", "subsets", entries, lambda one: [(one.lock.key.digest, one.lock.subset, "")]),
        *_apart("subset", "shards", entries, _shards),
        *_apart("run", "weights", entries, _weights),
        *_apart("evaluation", "results", entries, _results),
    )


def _shards(one: Accepted) -> list[_Stated]:
    policy = " ".join(f"{name}={value}" for name, value in sorted(one.shards.policy.items()))
    # Fewer samples may have been at hand.
    return [(f"{one.lock.subset} ({policy}, {one.shards.missing:,} missing)", one.shards.digest, "")]


def _weights(one: Accepted) -> list[_Stated]:
    return [(one.run.run_hash, one.weights.weights_sha256, one.run.environment_hash)]


def _results(one: Accepted) -> list[_Stated]:
    return [(f"{line.eval_hash} ({line.key})", f"{line.main!r}", line.environment_hash) for line in one.results]


def _apart(
    of: str, what: str, entries: tuple[Accepted, ...], stated: Callable[[Accepted], list[_Stated]]
) -> Iterator[Conflict]:
    found: dict[str, dict[str, list[tuple[Accepted, str]]]] = {}
    for one in entries:
        for key, value, environment in stated(one):
            found.setdefault(key, {}).setdefault(value, []).append((one, environment))
    for key in sorted(found):
        values = found[key]
        if len(values) > 1:
            groups = tuple((value, tuple(one for one, _ in values[value])) for value in sorted(values))
            places = [{environment for _, environment in group} for group in values.values()]
            shared = any(places[i] & places[j] for i in range(len(places)) for j in range(i))
            yield Conflict(of, what, key, groups, explained=not shared)
