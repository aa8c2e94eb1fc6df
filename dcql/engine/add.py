"""Adding a pool: every file is read once, and what later runs need is kept in the store.

A file's work is kept under its own digest as soon as it is done, so that an add that was broken off goes on, and a pool
that grew takes in the new files alone. What depends on all files is made anew as a version; the record, replaced last,
names it.
"""

import contextlib
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from dcql.catalog import files, parquet, store
from dcql.catalog.lengths import LENGTHS_VERSION
from dcql.catalog.pool import RECORD_VERSION, Pool, locked, read_record, read_recorded, unwritable
from dcql.catalog.types import Schema
from dcql.engine.distribution import Distribution, distribution_file
from dcql.engine.intake import Progress, Work, counted_of, read_work, work_key
from dcql.engine.ranking import rank
from dcql.engine.scalars import DTYPES
from dcql.engine.taking import Taking
from dcql.errors import RunError
from dcql.files import list_files


def add(
    name: str,
    path: str | Path,
    *,
    memory: int = 1 << 30,
    progress: Progress | None = None,
    elsewhere: Callable[[Sequence[Taking], Progress], None] | None = None,
) -> Pool:
    """Read the pool at `path` (a folder, .parquet file or URL) once and keep what runs need of it under `name`.

    Working memory stays near `memory` bytes at most. `progress` is called with a file's name, the rows done and all
    rows. With `elsewhere`, others take the files in, each with that much memory; the pool is the same.
    Raises RunError for anything wrong with the pool or the store; the version added before stays usable.
    """
    source = path if isinstance(path, str) and "://" in path else os.fspath(Path(path).absolute())
    folder = store.pool_folder(name)
    footers = parquet.read_footers(list_files(source))
    schema = parquet.schema_of(footers)
    with locked(name), _store_errors(), _unfinished(folder) as unfinished:
        keys = _keys(footers)
        same = _same(name, source, footers, keys)
        missing = _missing(footers, keys, folder, unfinished, memory)
        if same and not missing and read_recorded(name).lengths == counted_of(footers[0]):
            return read_recorded(name)
        if elsewhere is not None:
            elsewhere(missing, progress or (lambda *_: None))
        works = _take_in_all(footers, keys, folder, unfinished, memory, progress)
        counted = counted_of(footers[0])
        if same:  # all but the lengths of its texts
            _replace(store.record_file(name), tomli_w.dumps(_with_lengths(read_record(name), counted, works)))
            return read_recorded(name)
        spelled = {field.name: parquet.spelling(field.type) for field in footers[0].schema}
        version = unfinished / "version"
        fingerprint = rank(works, version, memory, list(spelled.items()))
        _merge_distributions(works, schema, version / "distributions")
        number = _keep_version(version, folder / "versions")
        recorded = [
            {
                "name": footer.file.name,
                "path": footer.file.path,
                "size": footer.file.size,
                "rows": footer.rows,
                "footer": footer.digest,
                "work": keys[footer.file.name],
            }
            for footer in footers
        ]
        columns = [
            {
                "name": column.name,
                "type": column.type.value,
                "spelling": spelled[column.name],
                "nulls": sum(work.nulls[column.name] for work in works.values()),
            }
            for column in schema.columns
        ]
        record = {
            "version": RECORD_VERSION,
            "name": name,
            "source": source,
            "rows": sum(footer.rows for footer in footers),
            "fingerprint": fingerprint,
            "physical": _physical(footers),
            "data": number,
            "columns": columns,
            "files": recorded,
        }
        _replace(store.record_file(name), tomli_w.dumps(_with_lengths(record, counted, works)))
        _sweep(folder, number, set(keys.values()))
        return read_recorded(name)


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(unwritable(error)) from error


@contextlib.contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give a folder for unfinished work, emptied before and removed after; a killed add may have left one."""
    path = folder / "unfinished"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)  # what a cluster did for a killed add may be ending only now
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        # Nothing is left of a first add that kept nothing.
        with contextlib.suppress(OSError):
            folder.rmdir()


def _keys(footers: tuple[parquet.Footer, ...]) -> dict[str, str]:
    """Return the key of each file's work by the file's name, which counts only where two files look the same."""
    keys = {footer.file.name: work_key(footer) for footer in footers}
    shared = Counter(keys.values())
    return {
        name: key if shared[key] == 1 else hashlib.sha256(f"{key} {name}".encode()).hexdigest()[:32]
        for name, key in keys.items()
    }


def _same(name: str, source: str, footers: tuple[parquet.Footer, ...], keys: dict[str, str]) -> bool:
    """Return whether the record says all this already, and everything that it names is there."""
    try:
        recorded = read_recorded(name)
    except RunError:
        return False
    if recorded.source != source or recorded.physical != _physical(footers):
        return False
    if {file.name: file.rank.stem for file in recorded.files if file.rank is not None} != keys:
        return False
    if any(read_work(store.pool_folder(name) / "work" / key) is None for key in keys.values()):
        return False
    numeric = [column.name for column in recorded.schema.columns if column.type.numeric]
    folder = recorded.distributions
    return folder is not None and all(distribution_file(folder, column).exists() for column in numeric)


def _missing(
    footers: tuple[parquet.Footer, ...], keys: dict[str, str], folder: Path, unfinished: Path, memory: int
) -> list[Taking]:
    """Return what is to be taken in: the files of which not all work is kept."""
    kept = ((footer, folder / "work" / keys[footer.file.name]) for footer in footers)
    takings = (Taking(footer, unfinished, place, memory) for footer, place in kept)
    return [taking for taking in takings if not taking.is_done]


def _take_in_all(
    footers: tuple[parquet.Footer, ...],
    keys: dict[str, str],
    folder: Path,
    unfinished: Path,
    memory: int,
    progress: Progress | None,
) -> dict[str, Work]:
    """Return the work of each file by the file's name: the kept one, or else made now and kept."""
    works: dict[str, Work] = {}
    total = sum(footer.rows for footer in footers)
    before = 0
    for footer in footers:
        name = footer.file.name
        kept = folder / "work" / keys[name]
        taking = Taking(footer, unfinished, kept, memory)
        if not taking.is_done:

            def tell(rows: int, name: str = name, before: int = before) -> None:
                if progress is not None:
                    progress(name, before + rows, total)

            taking.take(tell)
        work = read_work(kept)
        if work is None:
            raise OSError(f"{kept} was lost")
        works[name] = work
        before += footer.rows
    return works


def _merge_distributions(works: dict[str, Work], schema: Schema, folder: Path) -> None:
    folder.mkdir()
    for column in schema.columns:
        if not column.type.numeric:
            continue
        merged = Distribution(DTYPES[column.type])
        for work in works.values():
            merged.merge(Distribution.load(distribution_file(work.folder, column.name)))
        merged.save(distribution_file(folder, column.name))


def _with_lengths(record: dict[str, Any], counted: tuple[str, ...], works: dict[str, Work]) -> dict[str, Any]:
    """Return a record that says of which columns lengths are kept, and of each file how many bytes they take."""
    kept = [file | ({"lengths": works[file["name"]].lengths_size} if counted else {}) for file in record["files"]]
    return record | {"lengths": {"version": LENGTHS_VERSION, "columns": list(counted)}, "files": kept}


def _keep_version(version: Path, versions: Path) -> str:
    """Move a finished version to its place, and return the number that names it."""
    versions.mkdir(exist_ok=True)
    number = 1 + max((int(entry.name) for entry in versions.iterdir() if entry.name.isdecimal()), default=0)
    os.rename(version, versions / str(number))
    return str(number)


def _physical(footers: tuple[parquet.Footer, ...]) -> str:
    return files.physical_fingerprint((footer.file.name, footer.file.size, footer.digest) for footer in footers)


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _sweep(folder: Path, number: str, keys: set[str]) -> None:
    """Remove what the record does not name: earlier versions, and the work of files that are gone."""
    spare: list[Any] = [entry for entry in (folder / "versions").iterdir() if entry.name != number]
    spare += [entry for entry in (folder / "work").iterdir() if entry.name not in keys]
    for entry in spare:
        shutil.rmtree(entry, ignore_errors=True)
