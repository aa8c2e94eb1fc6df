"""What changed between two locks, in the words of the lock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dcql.locks.lock import Key, Lock, LockedGroup, LockedStatistic, read_scalar

_COUNTS = ("n", "nulls", "k", "ties")


@dataclass(frozen=True, slots=True)
class Changes:
    """One line a change: what decides the subset, what was decided, and what only describes it."""

    inputs: tuple[str, ...]
    results: tuple[str, ...]
    described: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.inputs, *self.results, *self.described)


def changes(old: Lock, new: Lock) -> Changes:
    """Compare two locks, stage by stage, the subset last.

    Statistics and counts of two programs are not the same questions. So with one key and two programs, which is another
    version of dcql, what they say describes the programs; the subset may never differ.
    """
    inputs = input_changes(old.key, new.key, old.pool_name, new.pool_name)
    found = (*_statistics(old, new), *_clauses(old, new))
    subset = tuple(_subset(old, new))
    described = tuple(_described(old, new))
    if inputs or old.program == new.program:
        return Changes(inputs, found + subset, described)
    return Changes(inputs, subset, described + found)


def input_changes(old: Key, new: Key, old_pool: str, new_pool: str) -> tuple[str, ...]:
    """Compare what decides the subset; the pools' names are what messages call them."""
    return tuple(_inputs(old, new, old_pool, new_pool))


def _inputs(old: Key, new: Key, old_pool: str, new_pool: str) -> Iterator[str]:
    if old.semantics != new.semantics:
        yield f"semantics: {old.semantics} -> {new.semantics}"
    if old.recipe != new.recipe:
        yield f"recipe: {short(old.recipe)} -> {short(new.recipe)}"
    yield from _named("import", old.imports, new.imports)
    yield from _named("library definition", old.library, new.library)
    yield from _named("function", old.functions, new.functions)
    yield from _named("set", _by_name(old.sets), _by_name(new.sets))
    yield from _named("table", _by_name(old.tables), _by_name(new.tables))
    yield from _named("key of table", *({name: used for name, _, used in key.tables} for key in (old, new)))
    yield from _named("parameter", old.parameters, new.parameters)
    yield from _named("asset", old.assets, new.assets)
    yield from _named("feature, asked of", *({row[0]: row[1] for row in key.features} for key in (old, new)))
    same = {row[0] for row in old.features for other in new.features if row[:2] == other[:2]}
    contents = ({row[0]: row[2] for row in key.features if row[0] in same} for key in (old, new))
    yield from _named("what came out of feature", *contents)
    if old.pool != new.pool:
        yield f"pool: `{old_pool}` {short(old.pool)} -> `{new_pool}` {short(new.pool)}"
    if old.engine != new.engine:
        yield f"engine, which decides: {old.engine or 'any version'} -> {new.engine or 'any version'}"


def _named(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{kind} `{name}`: is used now"
        elif name not in new:
            yield f"{kind} `{name}`: is used no more"
        elif old[name] != new[name]:
            yield f"{kind} `{name}`: {short(old[name])} -> {short(new[name])}"


def _by_name(rows: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Return the digests of the sets or tables of each name: two imports may each have one of one name."""
    return {row[0]: " and ".join(sorted(other[1] for other in rows if other[0] == row[0])) for row in rows}


def _statistics(old: Lock, new: Lock) -> Iterator[str]:
    before = {row.name: row for row in old.statistics}
    after = {row.name: row for row in new.statistics}
    for name, row in after.items():
        if name not in before:
            yield f"{row.title}: {_moved(row)} is new"
            continue
        was = before[name]
        if (was.stage, was.population) != (row.stage, row.population):
            yield f"{was.title}: is now {row.title}"
        moved = list(_of_statistic(was, row))
        if moved:
            yield f"{row.title}: {', '.join(moved)}"
    for name, row in before.items():
        if name not in after:
            yield f"{row.title}: {_moved(row)} is gone"


def _moved(row: LockedStatistic) -> str:
    return f"{row.groups} groups" if row.groups is not None else f"value {shown(row.value)}"


def _of_statistic(old: LockedStatistic, new: LockedStatistic) -> Iterator[str]:
    yield from _of_values(old, new)
    if old.type != new.type:
        yield f"type {old.type} -> {new.type}"
    if old.at != new.at:
        yield f"at ({', '.join(map(shown, old.at))}) -> ({', '.join(map(shown, new.at))})"
    if old.groups != new.groups:
        yield f"groups {old.groups} -> {new.groups}"
    elif old.digest != new.digest:
        yield _of_groups(old, new)


def _of_groups(old: LockedStatistic, new: LockedStatistic) -> str:
    """Name the first group that differs, where the locks hold the groups."""
    before = {row.keys: row for row in old.by}
    for row in new.by:
        if row.keys not in before:
            return f"group ({row.keys}) is new"
        if before[row.keys] != row:
            return f"group ({row.keys}) {', '.join(_of_values(before[row.keys], row))}"
    return f"groups {short(old.digest)} -> {short(new.digest)}"


def _of_values(old: LockedStatistic | LockedGroup, new: LockedStatistic | LockedGroup) -> Iterator[str]:
    if old.value != new.value:
        yield f"value {shown(old.value)} -> {shown(new.value)}"
    for name in _COUNTS:
        if getattr(old, name) != getattr(new, name):
            yield f"{name} {getattr(old, name):,} -> {getattr(new, name):,}"


def _clauses(old: Lock, new: Lock) -> Iterator[str]:
    """Compare the counts clause by clause where the clauses are the same ones, else the number of clauses."""
    if [row.block for row in old.clauses] != [row.block for row in new.clauses]:
        yield f"clauses: {len(old.clauses)} -> {len(new.clauses)}"
        return
    for was, row in zip(old.clauses, new.clauses, strict=True):
        if was.count != row.count:
            yield f"{row.block}: after {row.text}: {was.count:,} -> {row.count:,} samples"


def _subset(old: Lock, new: Lock) -> Iterator[str]:
    if old.subset != new.subset:
        yield f"subset: {short(old.subset)} -> {short(new.subset)}"
    if old.distinct != new.distinct:
        yield f"distinct samples: {old.distinct:,} -> {new.distinct:,}"
    if old.total != new.total and (old.total, new.total) != (old.distinct, new.distinct):
        yield f"samples with copies: {old.total:,} -> {new.total:,}"


def _described(old: Lock, new: Lock) -> Iterator[str]:
    if old.pool_name != new.pool_name and old.key.pool == new.key.pool:
        yield f"pool name: `{old.pool_name}` -> `{new.pool_name}`"
    if old.samples != new.samples:
        yield f"samples of the pool: {old.samples:,} -> {new.samples:,}"
    if old.duckdb != new.duckdb and old.key.engine == new.key.engine:
        yield f"engine: duckdb {old.duckdb} -> {new.duckdb}"
    if old.program != new.program:
        yield f"program: {short(old.program)} -> {short(new.program)}"
    counts = {(row.name, row.sha256): row.count for row in old.sets}
    for row in new.sets:
        was = counts.get((row.name, row.sha256), row.count)
        if was != row.count:
            yield f"set `{row.name}`: {was:,} -> {row.count:,} values"
    if [row.block for row in old.clauses] == [row.block for row in new.clauses]:
        for before, after in zip(old.clauses, new.clauses, strict=True):
            if before.text != after.text:
                yield f"{after.block}: words of a clause: {before.text} -> {after.text}"
    asked = {row.name: row for row in old.features}
    for feature in new.features:
        known = asked.get(feature.name, feature)
        for what in ("asked", "failed"):
            if getattr(known, what) != getattr(feature, what):
                yield f"feature `{feature.name}`: {what} {getattr(known, what):,} -> {getattr(feature, what):,} samples"
    if [(row.text, row.near) for row in old.margins] != [(row.text, row.near) for row in new.margins]:
        yield "margins: other samples lie near a threshold"
    texts = {statistic.name: statistic.text for statistic in old.statistics}
    for statistic in new.statistics:
        was_text = texts.get(statistic.name, statistic.text)
        if was_text != statistic.text:
            yield f"{statistic.name}: words: {was_text} -> {statistic.text}"


def shown(text: str) -> str:
    """Show a value of a lock: a float as a decimal, and in hex as it is recorded."""
    value = read_scalar(text)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.9g} ({text})"
    return text


def short(digest: str) -> str:
    """Cut a digest to its kind and 12 digits; anything else stays whole."""
    kind, colon, digits = digest.rpartition(":")
    if len(digits) == 64 and " " not in digits:
        return f"{kind}{colon}{digits[:12]}"
    return digest
