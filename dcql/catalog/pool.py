"""A pool as dcql knows it: files of samples, their schema, and what `dcql pool add` recorded about them."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcql.catalog import files, store
from dcql.catalog.lengths import LENGTHS_FILE, LENGTHS_VERSION
from dcql.catalog.types import Column, Schema, Type
from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError, did_you_mean
from dcql.files import list_files

RECORD_VERSION = 1


@dataclass(frozen=True)
class PoolFile:
    """One parquet file of a pool.

    `name` is the path below the pool's folder; `path` is what opens it, a local path or a URL.
    `sidecar` is a parquet file with the pool's INT, FLOAT, DOUBLE and BOOL columns, row for row, NaN as NULL and
    -0.0 as 0 (None as well where the pool has no such column);
    `lengths` is a parquet file with lengths of its texts, row for row, by `catalog.lengths.length_name`: uint32, NULL
    where the text is (None as well where there are none);
    `rank` is a .npy of uint32 (uint64 from 2^32 samples on), the position of each row's uid in the pool's sorted uids.
    All are None in a raw pool. `size` is in bytes, `footer` the hex SHA-256 of the parquet footer, and `content` the
    digest of the whole file, which an added pool knows; it is empty in a raw one.
    """

    name: str
    path: str
    rows: int
    sidecar: Path | None = None
    rank: Path | None = None
    size: int = 0
    footer: str = ""
    content: str = ""
    lengths: Path | None = None


@dataclass(frozen=True)
class Pool:
    """A pool, bound once per run: `files` sorted by name.

    `fingerprint` is the logical fingerprint "dcpool1:<hex>", None for a raw directory, which was never added. `uids` is
    the .npy of all uids (dtype u8,u8, sorted), None when raw. `distributions` is the folder of exact column
    distributions.
    `lengths` are the columns of whose texts all files keep lengths.
    `physical` is the cheap fingerprint "dcphys1:<hex>" over names, sizes and footers: a cache key, never an identity.
    """

    name: str
    source: str
    schema: Schema
    files: tuple[PoolFile, ...]
    fingerprint: str | None = None
    uids: Path | None = None
    distributions: Path | None = None
    physical: str = ""
    lengths: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of samples."""
        return sum(file.rows for file in self.files)

    @property
    def added(self) -> bool:
        """Whether the pool was added, rather than named by a raw directory."""
        return self.fingerprint is not None


def open_pool(named: str | Path) -> Pool:
    """Return the pool that was added under this name, else the raw pool at this folder, .parquet file or URL.

    A name wins over a folder of the same name in the working directory; `./name` is always the folder. Reads footers
    only. Raises RunError where there is no pool, its files are not one, or they changed since it was added.
    """
    if isinstance(named, str) and store.is_pool_name(named):
        if store.record_file(named).is_file():
            return _open_added(named)
        if not Path(named).exists():
            raise RunError(_unknown(named))
    return _open_raw(str(named))


def list_pools() -> tuple[str, ...]:
    """Return the names of the pools that were added, sorted."""
    return store.added_names()


def remove_pool(name: str) -> None:
    """Remove what was recorded about the pool called `name`; its source stays. Raises RunError where there is none."""
    with locked(name):
        if not store.record_file(name).is_file():
            raise RunError(_unknown(name))
        # Without its record the pool is gone at once, whatever happens to the rest.
        store.record_file(name).unlink()
        shutil.rmtree(store.pool_folder(name))


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of the pool called `name`; raise RunError where another process does."""
    path = store.lock_file(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunError(unwritable(error)) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                Diagnostic(
                    "E0709",
                    f"pool `{name}` is being added, covered or removed",
                    None,
                    "another process holds its lock",
                    ("wait for the other process to end, then try again",),
                )
            ) from error
        yield
    finally:
        os.close(descriptor)


def unwritable(error: OSError) -> Diagnostic:
    """Return the diagnostic that the store cannot be written."""
    return Diagnostic(
        "E0713",
        f"cannot write to the store `{store.home()}`",
        None,
        error.strerror or str(error),
        (
            ("check its permissions", "or set DCQL_HOME to a folder that you may write")
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            else (
                "free some space on the disk and run it again: finished files are not done twice",
                "or set DCQL_HOME to a folder on another disk",
            )
        ),
    )


def _open_raw(source: str) -> Pool:
    # pyarrow takes a while to import, and an added pool needs none of it here.
    from dcql.catalog import parquet

    footers = parquet.read_footers(list_files(source))
    found = tuple(
        PoolFile(footer.file.name, footer.file.path, footer.rows, size=footer.file.size, footer=footer.digest)
        for footer in footers
    )
    physical = files.physical_fingerprint((file.name, file.size, file.footer) for file in found)
    return Pool(source, source, parquet.schema_of(footers), found, physical=physical)


def _open_added(name: str) -> Pool:
    recorded = read_recorded(name)
    try:
        listed = list_files(recorded.source)
    except RunError as error:
        if error.diagnostics[0].code not in ("E0701", "E0702"):
            raise
        raise RunError(_changed(recorded, f"nothing is left at `{recorded.source}`")) from error
    now, then = {file.name: file for file in listed}, {file.name: file for file in recorded.files}
    changes = [f"`{file}` vanished" for file in then if file not in now]
    changes += [f"`{file}` is new" for file in now if file not in then]
    changes += [f"`{file}` has another size" for file in now if file in then and now[file].size != then[file].size]
    if not changes:
        footers = files.read_footer_bytes(listed)
        changes = [f"`{each.file.name}` changed" for each in footers if each.digest != then[each.file.name].footer]
    if changes:
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        raise RunError(_changed(recorded, ", ".join(changes[:3]) + more))
    return recorded


def read_recorded(name: str) -> Pool:
    """Return the pool called `name` as its record has it, its source unchecked; raise RunError for a damaged record."""
    folder = store.pool_folder(name)
    record = read_record(name)
    try:
        pool = _from_record(record, folder)
        kept = _kept(pool, record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(_damaged(name, f"pool.toml lacks or garbles {error}")) from error
    for path, size in kept:
        if path is not None and not (path.exists() and path.stat().st_size >= size):
            raise RunError(_damaged(name, f"`{path.relative_to(folder)}` is missing or cut off"))
    return pool


def _kept(pool: Pool, record: dict[str, Any]) -> list[tuple[Path | None, int]]:
    """Return what is kept of a pool, with the bytes that each takes at least."""
    found = [(pool.uids, 16 * pool.rows), (pool.distributions, 0)]
    found += [(file.sidecar, 0) for file in pool.files] + [(file.rank, 4 * file.rows) for file in pool.files]
    if pool.lengths:
        # A row that is cut off would look like a NULL beside the file.
        found += [(file.lengths, one["lengths"]) for file, one in zip(pool.files, record["files"], strict=True)]
    return found


def read_record(name: str) -> dict[str, Any]:
    """Return pool.toml of the pool called `name` as data; raise RunError for a damaged one or another version."""
    try:
        record = tomllib.loads(store.record_file(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(_damaged(name, f"pool.toml cannot be read: {error}")) from error
    if record.get("version") != RECORD_VERSION:
        raise RunError(_damaged(name, f"it is of version {record.get('version')}, not {RECORD_VERSION}"))
    return record


def _from_record(record: dict[str, Any], folder: Path) -> Pool:
    for part in (record["data"], *(file["work"] for file in record["files"])):
        # Joined to a folder, any other text could lead out of it.
        if not re.fullmatch(r"[\w-]+", part):
            raise ValueError(f"`{part}`, which is no name of a folder")
    version = folder / "versions" / record["data"]
    schema = Schema(tuple(Column(column["name"], Type(column["type"])) for column in record["columns"]))
    scalars = any(column.type not in (Type.TEXT, Type.NESTED) for column in schema.columns)
    # Absent where an earlier dcql added the pool: then runs read its texts.
    counted = record.get("lengths", {})
    lengths = tuple(counted["columns"]) if counted.get("version") == LENGTHS_VERSION else ()
    files = tuple(
        PoolFile(
            file["name"],
            file["path"],
            file["rows"],
            folder / "work" / file["work"] / "sidecar.parquet" if scalars else None,
            version / "ranks" / f"{file['work']}.npy",
            file["size"],
            file["footer"],
            file["work"],
            folder / "work" / file["work"] / LENGTHS_FILE if lengths else None,
        )
        for file in record["files"]
    )
    return Pool(
        record["name"],
        record["source"],
        schema,
        files,
        record["fingerprint"],
        version / "uids.npy",
        version / "distributions",
        record["physical"],
        lengths,
    )


def _unknown(name: str) -> Diagnostic:
    known = list_pools()
    near = did_you_mean(name, known)
    helps = [f"a pool of a similar name was added: `{near}`"] if near else []
    if known and not near:
        helps.append(f"these were added: {', '.join(known[:10])}")
    helps.append(f"add one with `dcql pool add {name} PATH`, or name a folder of parquet files")
    return Diagnostic("E0701", f"no pool `{name}`", None, "it was not added, and is no path", tuple(helps))


def _changed(pool: Pool, change: str) -> Diagnostic:
    return Diagnostic(
        "E0707",
        f"pool `{pool.name}` changed since it was added",
        None,
        change,
        (f"run `dcql pool add {pool.name} {pool.source}` again; only what is new is read",),
    )


def _damaged(name: str, reason: str) -> Diagnostic:
    return Diagnostic(
        "E0710",
        f"the record of pool `{name}` is damaged",
        None,
        reason,
        (f"run `dcql pool add {name} PATH` again",),
    )
