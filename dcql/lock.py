"""The lock: what a recipe selected from a pool, and everything that decided it, as a TOML file beside the recipe.

    clip30.dcql    what is wanted
    clip30.lock    what it gave, the same bytes on every machine: no paths, no times, no names of hosts

What decides the subset is kept apart from what only describes it: `key` is the digest of the first, `description`
that of the second. Two locks with one key and two subsets are non-determinism.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import tomli_w

from dcql.digest import sha256_of
from dcql.errors import Diagnostic, LockError
from dcql.limits import refuse_output
from dcql.scratch import unfinished
from dcql.source import LANGUAGE

LOCK_VERSION = 1
# The rules of SEMANTICS.md that a recipe was read by: one number with the version of the language.
SEMANTICS = LANGUAGE
# A threshold with more groups is recorded by their number and one digest.
MAX_GROUPS = 64
MAX_BYTES = 1 << 26

_HEADER = "# Written by `dcql lock`; not to be edited by hand.\n"

Scalar = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class LockedSet:
    """A named set: its file's digest, and how many values it has."""

    name: str
    sha256: str
    count: int


@dataclass(frozen=True, slots=True)
class LockedFeature:
    """A feature: its id (what was asked), the digest of what came out for the samples asked of, and how many these are.

    `failed` counts those on which the model failed.
    """

    name: str
    id: str
    content: str
    asked: int
    failed: int
    model: str
    weights: str


@dataclass(frozen=True, slots=True)
class LockedMargin:
    """A comparison of a feature with a value: of `asked` samples, `near` lie within `step` of it."""

    text: str
    feature: str
    step: str
    near: int
    asked: int


@dataclass(frozen=True, slots=True)
class Key:
    """Everything that decides a subset; mappings are from names to digests.

    `imports`, `library` and `functions` hold what the recipe reaches and nothing else, so that a library that grows
    makes no lock stale. `parameters` are values as text. `engine` is the version of DuckDB where a function's result
    may change with it, and empty where none does. `features` are (name, id, content digest) of the frozen columns,
    `assets` what models were given, both known once the recipe has run.
    """

    recipe: str
    imports: Mapping[str, str]
    library: Mapping[str, str]
    functions: Mapping[str, str]
    sets: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]
    pool: str
    engine: str
    semantics: int = SEMANTICS
    features: tuple[tuple[str, str, str], ...] = ()
    assets: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The key as one digest."""
        return sha256_of(
            {
                "recipe": self.recipe,
                "imports": dict(self.imports),
                "library": dict(self.library),
                "functions": dict(self.functions),
                "sets": [list(row) for row in self.sets],
                "parameters": dict(self.parameters),
                "pool": self.pool,
                "engine": self.engine,
                "semantics": self.semantics,
                **({"features": [list(row) for row in self.features]} if self.features else {}),
                **({"assets": dict(self.assets)} if self.assets else {}),
            }
        )

    @property
    def before_running(self) -> "Key":
        """The key without what only a run can tell."""
        return replace(self, features=(), assets={})


@dataclass(frozen=True, slots=True)
class LockedGroup:
    """The threshold of one group of a BY: its keys and its value as `scalar_text` writes them, several with commas."""

    keys: str
    value: str
    n: int
    nulls: int
    k: int
    ties: int


@dataclass(frozen=True, slots=True)
class LockedStatistic:
    """One statistic: a threshold, a cut (LIMIT) or a first (DISTINCT ON), named as in the program.

    `value` and `at` are text as `scalar_text` writes it. A threshold with BY has no value of its own but `groups`,
    their number, `digest` over all of them, and `by`, the groups one by one where they are at most 64. So does a LIMIT
    with BY, whose `n` and `k` are of all groups; the value of a group is how many of it are kept, and `digest` says
    where each is cut.
    """

    kind: str
    name: str
    stage: int
    text: str
    population: str
    type: str
    value: str
    n: int
    nulls: int
    k: int
    ties: int
    at: tuple[str, ...] = ()
    groups: int | None = None
    digest: str = ""
    by: tuple[LockedGroup, ...] = ()

    @property
    def title(self) -> str:
        """The statistic as messages name it: `q1 = q(0.7) over pool`."""
        over = f" over {self.population}" if self.population else ""
        return f"stage {self.stage}: {self.name} = {self.text}{over}"


@dataclass(frozen=True, slots=True)
class LockedClause:
    """The distinct samples left after a clause of the SELECT called `block`; its first line is its FROM."""

    block: str
    text: str
    count: int


@dataclass(frozen=True)
class Lock:
    """What a recipe selected from a pool. Only `key` decides, only `subset`, `distinct` and `total` are decided."""

    key: Key
    subset: str
    distinct: int
    total: int
    statistics: tuple[LockedStatistic, ...]
    clauses: tuple[LockedClause, ...]
    sets: tuple[LockedSet, ...]
    pool_name: str
    samples: int
    duckdb: str
    program: str
    features: tuple[LockedFeature, ...] = ()
    margins: tuple[LockedMargin, ...] = ()
    description: str = field(init=False)

    def __post_init__(self) -> None:
        described: dict[str, Any] = {name: table for name, table in _tables(self).items() if name in _DESCRIPTION}
        described |= {"pool": [self.pool_name, self.samples], "set": [row.count for row in self.sets]}
        if self.features:
            told = [[row.name, row.asked, row.failed, row.model, row.weights] for row in self.features]
            described |= {"feature": told}
        object.__setattr__(self, "description", sha256_of(described))

    def text(self) -> str:
        """The lock as TOML: the same bytes for the same lock."""
        head = {
            "lock_version": LOCK_VERSION,
            "semantics": self.key.semantics,
            "key": self.key.digest,
            "description": self.description,
        }
        parts = [_HEADER + tomli_w.dumps(head)]
        # One form for every row, however long: tomli_w would choose by length, and a diff would show it.
        for name, table in _tables(self).items():
            if isinstance(table, dict):
                parts.append(f"[{name}]\n{tomli_w.dumps(table)}")
            else:
                parts += [f"[[{name}]]\n{_row_text(row)}" for row in table]
        return "\n".join(parts)


# The tables and arrays that say what was found on the way, and with what.
_DESCRIPTION = ("engine", "program", "margin", "threshold", "cut", "first", "clause")


def scalar_text(value: Scalar) -> str:
    """Write a value so that it reads back exactly: floats in hex, text in quotes."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return value.hex()
        case str():
            return "'" + value.replace("'", "''") + "'"


def read_scalar(text: str) -> Scalar:
    """Read what `scalar_text` wrote. Raises ValueError for anything else."""
    if text in ("NULL", "TRUE", "FALSE"):
        return None if text == "NULL" else text == "TRUE"
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if "0x" in text or text in ("inf", "-inf"):
        try:
            return float.fromhex(text)
        except OverflowError:
            raise ValueError(f"{text} is too large") from None
    return int(text)


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock; the file appears whole or not at all. Raises LockError where it cannot be written.

    Raises RunError where it is larger than may be written.
    """
    text = lock.text()
    refuse_output(len(text), "the lock")
    try:
        with unfinished(path) as place:
            with place.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(place, path)
    except OSError as error:
        raise LockError(
            Diagnostic(
                "E0806",
                f"cannot write lock `{path}`",
                label=error.strerror or str(error),
                helps=("name another file: `dcql lock recipe.dcql -o FILE`",),
            )
        ) from error


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises LockError where there is none, or it is not one that this version can hold a run to."""
    try:
        if path.stat().st_size > MAX_BYTES:
            _refuse(path, "it is larger than any lock")
        content = path.read_bytes()
    except FileNotFoundError as error:
        diagnostic = Diagnostic(
            "E0802",
            f"no lock `{path}`",
            label="the recipe was not locked",
            helps=(f"write it: `dcql lock {path.with_suffix('.dcql')} --pool POOL`",),
        )
        raise LockError(diagnostic) from error
    except OSError as error:
        _refuse(path, error.strerror or str(error))
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        merging = b"\n<<<<<<< " in b"\n" + content
        _refuse(path, "it holds an unfinished merge" if merging else str(error))
    version = data.get("lock_version")
    if version != LOCK_VERSION:
        reason = "it has no lock_version" if version is None else f"it is of version {version}, not {LOCK_VERSION}"
        _refuse(path, reason)
    try:
        lock = _from_data(data)
    except (KeyError, TypeError, ValueError) as error:
        _refuse(path, f"it lacks or garbles {error}")
    if data.get("key") != lock.key.digest:
        _refuse(path, "its `key` is not the digest of what it says: it was edited or merged by hand")
    return lock


def _refuse(path: Path, reason: str) -> NoReturn:
    helps = (f"write it anew: `dcql lock {path.with_suffix('.dcql')} --pool POOL`",)
    raise LockError(Diagnostic("E0802", f"no readable lock in `{path}`", label=reason, helps=helps))


# --- to TOML ----------------------------------------------------------------------------------------------------------


def _tables(lock: Lock) -> dict[str, Any]:
    key = lock.key
    tables: dict[str, Any] = {"recipe": {"digest": key.recipe}}
    for name in _NAMED:
        tables[name] = dict(sorted(getattr(key, name).items()))
    tables["pool"] = {"name": lock.pool_name, "fingerprint": key.pool, "samples": lock.samples}
    tables["subset"] = {"hash": lock.subset, "distinct": lock.distinct, "total": lock.total}
    tables["engine"] = {"duckdb": lock.duckdb, "decides": bool(key.engine)}
    tables["program"] = {"digest": lock.program}
    tables["set"] = [{"name": s.name, "sha256": s.sha256, "count": s.count} for s in lock.sets]
    tables["feature"] = [asdict(row) for row in lock.features]
    tables["margin"] = [asdict(row) for row in lock.margins]
    for kind in _KINDS:
        tables[kind] = [_statistic(row) for row in lock.statistics if row.kind == kind]
    tables["clause"] = [{"block": c.block, "text": c.text, "count": c.count} for c in lock.clauses]
    return {name: table for name, table in tables.items() if table}


_NAMED = ("imports", "library", "functions", "parameters", "assets")
_KINDS = ("threshold", "cut", "first")
_ALWAYS = ("name", "stage", "text", "population", "type", "value", "n", "nulls", "k", "ties")


def _statistic(row: LockedStatistic) -> dict[str, Any]:
    table: dict[str, Any] = {name: getattr(row, name) for name in _ALWAYS}
    if row.at:
        table["at"] = list(row.at)
    if row.groups is not None:
        table |= {"groups": row.groups, "digest": row.digest}
    if row.by:
        table["group"] = [
            {"keys": g.keys, "value": g.value, "n": g.n, "nulls": g.nulls, "k": g.k, "ties": g.ties} for g in row.by
        ]
    return table


def _row_text(row: dict[str, Any]) -> str:
    """Write a row of an array; its groups go on one line each."""
    groups = row.get("group", [])
    text = tomli_w.dumps({name: value for name, value in row.items() if name != "group"})
    if groups:
        lines = ["    { " + ", ".join(tomli_w.dumps(group).strip("\n").split("\n")) + " }," for group in groups]
        text += "\n".join(["group = [", *lines, "]", ""])
    return text


# --- from TOML --------------------------------------------------------------------------------------------------------


def _from_data(data: dict[str, Any]) -> Lock:
    """Raises KeyError, TypeError or ValueError naming what is missing or wrong."""
    named = {name: _texts(data, name) for name in _NAMED}
    engine, pool, subset = (_table(data, name) for name in ("engine", "pool", "subset"))
    sets = tuple(LockedSet(_text(s, "name"), _text(s, "sha256"), _int(s, "count")) for s in _rows(data, "set"))
    features = tuple(_read_feature(row) for row in _rows(data, "feature"))
    duckdb = _text(engine, "duckdb")
    if type(engine.get("decides")) is not bool:
        raise ValueError("`decides`")
    key = Key(
        recipe=_text(_table(data, "recipe"), "digest"),
        **named,
        sets=tuple((s.name, s.sha256) for s in sets),
        pool=_text(pool, "fingerprint"),
        engine=duckdb if engine["decides"] else "",
        semantics=_int(data, "semantics"),
        features=tuple((row.name, row.id, row.content) for row in features),
    )
    statistics = [_read_statistic(kind, row) for kind in _KINDS for row in _rows(data, kind)]
    return Lock(
        key=key,
        subset=_text(subset, "hash"),
        distinct=_int(subset, "distinct"),
        total=_int(subset, "total"),
        statistics=in_order(statistics),
        clauses=tuple(
            LockedClause(_text(row, "block"), _text(row, "text"), _int(row, "count")) for row in _rows(data, "clause")
        ),
        sets=sets,
        pool_name=_text(pool, "name"),
        samples=_int(pool, "samples"),
        duckdb=duckdb,
        program=_text(_table(data, "program"), "digest"),
        features=features,
        margins=tuple(_read_margin(row) for row in _rows(data, "margin")),
    )


def _read_feature(row: dict[str, Any]) -> LockedFeature:
    name, id_, content, model, weights = (_text(row, key) for key in ("name", "id", "content", "model", "weights"))
    return LockedFeature(name, id_, content, _int(row, "asked"), _int(row, "failed"), model, weights)


def _read_margin(row: dict[str, Any]) -> LockedMargin:
    text, feature, step = (_text(row, key) for key in ("text", "feature", "step"))
    return LockedMargin(text, feature, step, _int(row, "near"), _int(row, "asked"))


def in_order(statistics: list[LockedStatistic]) -> tuple[LockedStatistic, ...]:
    """Return statistics by stage, then kind, then number: q2 before q10."""
    return tuple(sorted(statistics, key=lambda s: (s.stage, _KINDS.index(s.kind), len(s.name), s.name)))


def _read_statistic(kind: str, row: dict[str, Any]) -> LockedStatistic:
    by = tuple(
        LockedGroup(
            _text(group, "keys"), _scalar(group, "value"), *(_int(group, name) for name in ("n", "nulls", "k", "ties"))
        )
        for group in _rows(row, "group")
    )
    return LockedStatistic(
        kind=kind,
        name=_text(row, "name"),
        stage=_int(row, "stage"),
        text=_text(row, "text"),
        population=_text(row, "population"),
        type=_text(row, "type"),
        value=_scalar(row, "value"),
        n=_int(row, "n"),
        nulls=_int(row, "nulls"),
        k=_int(row, "k"),
        ties=_int(row, "ties"),
        at=_list(row, "at") if "at" in row else (),
        groups=_int(row, "groups") if "groups" in row else None,
        digest=_text(row, "digest") if "groups" in row else "",
        by=by,
    )


def _table(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _typed(data, name, dict)  # type: ignore[no-any-return]


def _text(data: Mapping[str, Any], name: str) -> str:
    return _typed(data, name, str)  # type: ignore[no-any-return]


def _int(data: Mapping[str, Any], name: str) -> int:
    return _typed(data, name, int)  # type: ignore[no-any-return]


def _scalar(data: Mapping[str, Any], name: str) -> str:
    text = _text(data, name)
    read_scalar(text)
    return text


def _list(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = _typed(data, name, list)
    for text in texts:
        if type(text) is not str:
            raise TypeError(f"`{name}`")
        read_scalar(text)
    return tuple(texts)


def _texts(data: Mapping[str, Any], name: str) -> dict[str, str]:
    table = _table(data, name) if name in data else {}
    return {key: _text(table, key) for key in table}


def _rows(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = _typed(data, name, list) if name in data else []
    if not all(isinstance(row, dict) for row in rows):
        raise TypeError(f"`{name}`")
    return rows


def _typed(data: Mapping[str, Any], name: str, type_: type) -> Any:
    value = data.get(name)
    # TOML's booleans are not its integers.
    if type(value) is not type_:
        raise TypeError(f"`{name}`")
    return value
