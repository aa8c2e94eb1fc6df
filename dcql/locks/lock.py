"""The lock: what a recipe selected from a pool, and everything that decided it, as a TOML file beside the recipe.

    clip30.dcql    what is wanted
    clip30.lock    what it gave, the same bytes on every machine: no paths, no times, no names of hosts

What decides the subset is kept apart from what only describes it: `key` is the digest of the first, `description`
that of the second. Two locks with one key and two subsets are non-determinism.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import tomli_w

from dcql.digest import sha256_of
from dcql.source import LANGUAGE

LOCK_VERSION = 1
# The rules of SEMANTICS.md that a recipe was read by: one number with the version of the language.
SEMANTICS = LANGUAGE
# A threshold with more groups is recorded by their number and one digest.
MAX_GROUPS = 64

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
    `assets` what models were given, both known once the recipe has run. `tables` are (name, digest, key) of what is
    joined.
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
    tables: tuple[tuple[str, str, str], ...] = ()

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
                **({"tables": [list(row) for row in self.tables]} if self.tables else {}),
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
    """What a recipe selected from a pool. Only `key` decides, only `subset`, `distinct` and `total` are decided.

    `merged` is in what two locks differ of which git made this one: it holds no run then, and is to be written anew.
    """

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
    merged: tuple[str, ...] = ()
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
            **({"merged": list(self.merged)} if self.merged else {}),
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


def in_order(statistics: list[LockedStatistic]) -> tuple[LockedStatistic, ...]:
    """Return statistics by stage, then kind, then number: q2 before q10."""
    return tuple(sorted(statistics, key=lambda s: (s.stage, KINDS.index(s.kind), len(s.name), s.name)))


# --- to TOML ----------------------------------------------------------------------------------------------------------


def _tables(lock: Lock) -> dict[str, Any]:
    key = lock.key
    tables: dict[str, Any] = {"recipe": {"digest": key.recipe}}
    for name in NAMED:
        tables[name] = dict(sorted(getattr(key, name).items()))
    tables["pool"] = {"name": lock.pool_name, "fingerprint": key.pool, "samples": lock.samples}
    tables["subset"] = {"hash": lock.subset, "distinct": lock.distinct, "total": lock.total}
    tables["engine"] = {"duckdb": lock.duckdb, "decides": bool(key.engine)}
    tables["program"] = {"digest": lock.program}
    tables["set"] = [{"name": s.name, "sha256": s.sha256, "count": s.count} for s in lock.sets]
    tables["table"] = [{"name": name, "sha256": sha256, "key": used} for name, sha256, used in key.tables]
    tables["feature"] = [asdict(row) for row in lock.features]
    tables["margin"] = [asdict(row) for row in lock.margins]
    for kind in KINDS:
        tables[kind] = [_statistic(row) for row in lock.statistics if row.kind == kind]
    tables["clause"] = [{"block": c.block, "text": c.text, "count": c.count} for c in lock.clauses]
    return {name: table for name, table in tables.items() if table}


# Tables of names and digests, and the kinds of statistics, in the order of the file.
NAMED = ("imports", "library", "functions", "parameters", "assets")
KINDS = ("threshold", "cut", "first")
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
