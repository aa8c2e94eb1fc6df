"""Reading and writing the file of a lock. One that was edited by hand, or merged and not made anew, is refused."""

import os
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from dcql.errors import Diagnostic, LockError
from dcql.limits import refuse_output
from dcql.locks.lock import (
    KINDS,
    LOCK_VERSION,
    NAMED,
    Key,
    Lock,
    LockedClause,
    LockedFeature,
    LockedGroup,
    LockedMargin,
    LockedSet,
    LockedStatistic,
    in_order,
    read_scalar,
)
from dcql.scratch import unfinished
from dcql.toml_values import list_of, rows_of, table_of, text_of, texts_of, whole_of

MAX_BYTES = 1 << 26
# What a merged lock says of its two origins, at most.
MAX_SHOWN = 10


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
    lock = read_any_lock(path)
    if lock.merged:
        lines = [*lock.merged[:MAX_SHOWN], *["and more"] * (len(lock.merged) > MAX_SHOWN)]
        raise LockError(
            Diagnostic(
                "E1581",
                f"`{path}` was merged from two locks, and is neither",
                label="\n".join(("they differ in", *lines)),
                helps=(f"look at the merged recipe, then write its lock anew: `dcql lock {_recipe_of(path)}`",),
            )
        )
    return lock


def read_any_lock(path: Path) -> Lock:
    """Read a lock, also one that git merged. Raises LockError where there is none, or none of this version."""
    try:
        if path.stat().st_size > MAX_BYTES:
            _refuse(path, "it is larger than any lock")
        content = path.read_bytes()
    except FileNotFoundError as error:
        diagnostic = Diagnostic(
            "E0802",
            f"no lock `{path}`",
            label="the recipe was not locked",
            helps=(f"write it: `dcql lock {_recipe_of(path)} --pool POOL`",),
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


def _recipe_of(path: Path) -> str:
    """Return the recipe of a lock as a shell takes it."""
    return shlex.quote(str(path.with_suffix(".dcql")))


def _refuse(path: Path, reason: str) -> NoReturn:
    helps = (f"write it anew: `dcql lock {_recipe_of(path)} --pool POOL`",)
    raise LockError(Diagnostic("E0802", f"no readable lock in `{path}`", label=reason, helps=helps))


# --- from TOML --------------------------------------------------------------------------------------------------------


def _from_data(data: dict[str, Any]) -> Lock:
    """Raises KeyError, TypeError or ValueError naming what is missing or wrong."""
    named = {name: texts_of(data, name) for name in NAMED}
    engine, pool, subset = (table_of(data, name) for name in ("engine", "pool", "subset"))
    sets = tuple(
        LockedSet(text_of(s, "name"), text_of(s, "sha256"), whole_of(s, "count")) for s in rows_of(data, "set")
    )
    features = tuple(_read_feature(row) for row in rows_of(data, "feature"))
    duckdb = text_of(engine, "duckdb")
    if type(engine.get("decides")) is not bool:
        raise ValueError("`decides`")
    key = Key(
        recipe=text_of(table_of(data, "recipe"), "digest"),
        **named,
        sets=tuple((s.name, s.sha256) for s in sets),
        pool=text_of(pool, "fingerprint"),
        engine=duckdb if engine["decides"] else "",
        semantics=whole_of(data, "semantics"),
        features=tuple((row.name, row.id, row.content) for row in features),
        tables=tuple((text_of(t, "name"), text_of(t, "sha256"), text_of(t, "key")) for t in rows_of(data, "table")),
    )
    statistics = [_read_statistic(kind, row) for kind in KINDS for row in rows_of(data, kind)]
    return Lock(
        key=key,
        subset=text_of(subset, "hash"),
        distinct=whole_of(subset, "distinct"),
        total=whole_of(subset, "total"),
        statistics=in_order(statistics),
        clauses=tuple(
            LockedClause(text_of(row, "block"), text_of(row, "text"), whole_of(row, "count"))
            for row in rows_of(data, "clause")
        ),
        sets=sets,
        pool_name=text_of(pool, "name"),
        samples=whole_of(pool, "samples"),
        duckdb=duckdb,
        program=text_of(table_of(data, "program"), "digest"),
        features=features,
        margins=tuple(_read_margin(row) for row in rows_of(data, "margin")),
        merged=list_of(data, "merged") if "merged" in data else (),
    )


def _read_feature(row: dict[str, Any]) -> LockedFeature:
    name, id_, content, model, weights = (text_of(row, key) for key in ("name", "id", "content", "model", "weights"))
    return LockedFeature(name, id_, content, whole_of(row, "asked"), whole_of(row, "failed"), model, weights)


def _read_margin(row: dict[str, Any]) -> LockedMargin:
    text, feature, step = (text_of(row, key) for key in ("text", "feature", "step"))
    return LockedMargin(text, feature, step, whole_of(row, "near"), whole_of(row, "asked"))


def _read_statistic(kind: str, row: dict[str, Any]) -> LockedStatistic:
    by = tuple(
        LockedGroup(
            text_of(group, "keys"),
            _scalar(group, "value"),
            *(whole_of(group, name) for name in ("n", "nulls", "k", "ties")),
        )
        for group in rows_of(row, "group")
    )
    return LockedStatistic(
        kind=kind,
        name=text_of(row, "name"),
        stage=whole_of(row, "stage"),
        text=text_of(row, "text"),
        population=text_of(row, "population"),
        type=text_of(row, "type"),
        value=_scalar(row, "value"),
        n=whole_of(row, "n"),
        nulls=whole_of(row, "nulls"),
        k=whole_of(row, "k"),
        ties=whole_of(row, "ties"),
        at=_list(row, "at") if "at" in row else (),
        groups=whole_of(row, "groups") if "groups" in row else None,
        digest=text_of(row, "digest") if "groups" in row else "",
        by=by,
    )


def _scalar(data: Mapping[str, Any], name: str) -> str:
    text = text_of(data, name)
    read_scalar(text)
    return text


def _list(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    texts = list_of(data, name)
    for text in texts:
        read_scalar(text)
    return texts
