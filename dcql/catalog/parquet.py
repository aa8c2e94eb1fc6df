"""The parquet files of a pool: which they are, and what their footers say."""

import hashlib
import json
import os
import posixpath
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from dcql.catalog.types import Column, Schema, Type
from dcql.errors import Diagnostic, RunError

_MAGIC = b"PAR1"
_TAIL = 1 << 16  # bytes read from a file's end at first; a longer footer takes a second read


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a pool as its folder lists it: `name` is relative to the folder, `path` what fsspec and DuckDB open."""

    name: str
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Footer:
    """A file with what its footer says; `digest` is the hex SHA-256 of the footer's bytes."""

    file: Listed
    rows: int
    digest: str
    schema: pa.Schema
    byte_size: int  # of all columns, uncompressed


def locate(place: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of a path or URL, and the path in it; a path without `://` is local as it stands."""
    if "://" in place:
        filesystem, path = fsspec.core.url_to_fs(place)
        return filesystem, str(path)
    return LocalFileSystem(), os.fspath(Path(place).absolute())


def list_files(source: str) -> tuple[Listed, ...]:
    """Return the parquet files of the folder, file or URL `source` in DataComp's layout, sorted by name.

    They lie in source/metadata where that exists, else in source itself, there or in part_* folders.
    Raises RunError where there are none.
    """
    try:
        filesystem, root = locate(source)
        if not filesystem.exists(root):
            raise FileNotFoundError(source)
        if filesystem.isfile(root):
            info = filesystem.info(root)
            return (Listed(posixpath.basename(root), _address(filesystem, root), int(info["size"])),)
        folder = posixpath.join(root, "metadata")
        folder = folder if filesystem.isdir(folder) else root
        found = []
        for entry in filesystem.ls(folder, detail=True):
            if _last(entry).startswith("part_") and filesystem.isdir(entry["name"]):
                found += [
                    inner for inner in filesystem.ls(entry["name"], detail=True) if _is_parquet(filesystem, inner)
                ]
            elif _is_parquet(filesystem, entry):
                found.append(entry)
    except FileNotFoundError:
        raise RunError(
            Diagnostic("E0701", f"no pool at `{source}`", None, "nothing lies at that path", ("check the path",))
        ) from None
    except (OSError, ImportError, ValueError) as error:
        raise RunError(_unreadable(source, error)) from error
    unnamable = next((entry["name"] for entry in found if not _is_text(entry["name"])), None)
    if unnamable is not None:
        raise RunError(_unreadable(ascii(unnamable), ValueError("its name is not UTF-8")))
    if not found:
        raise RunError(
            Diagnostic(
                "E0702",
                f"`{source}` holds no parquet file",
                None,
                "a pool's samples lie in metadata/*.parquet or *.parquet",
                ("name the folder that DataComp's download made, or the folder with the .parquet files",),
            )
        )
    start = len(folder.rstrip("/")) + 1
    return tuple(
        sorted(
            (
                Listed(entry["name"].rstrip("/")[start:], _address(filesystem, entry["name"]), int(entry["size"]))
                for entry in found
            ),
            key=lambda file: file.name,
        )
    )


def read_footers(files: Iterable[Listed]) -> tuple[Footer, ...]:
    """Read the footer of each file, in threads; raise RunError naming up to five files that have none."""
    files = tuple(files)
    with ThreadPoolExecutor(min(16, max(1, len(files)))) as threads:
        read = tuple(threads.map(_read_footer, files))
    faults = tuple(item for item in read if isinstance(item, Diagnostic))
    if faults:
        raise RunError(*faults[:5])
    return tuple(item for item in read if isinstance(item, Footer))


def current_size(file: Listed) -> int | None:
    """Return the size that the file has now, None where it vanished; raise RunError where it cannot be asked."""
    try:
        filesystem, path = locate(file.path)
        filesystem.invalidate_cache()
        return int(filesystem.size(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(_unreadable(file.path, error)) from error


def schema_of(footers: tuple[Footer, ...]) -> Schema:
    """Return the schema that all files share, in the first file's order.

    Raises RunError where a file differs, a name comes twice, or the column `uid` is absent or not text.
    """
    first = footers[0]
    for footer in footers:
        _refuse_repeated_names(footer)
    known = {field.name: spelling(field.type) for field in first.schema}
    for footer in footers[1:]:
        here = {field.name: spelling(field.type) for field in footer.schema}
        for name in [*known, *here]:
            if known.get(name) != here.get(name):
                raise RunError(_difference(name, first, known.get(name), footer, here.get(name)))
    schema = Schema(tuple(Column(field.name, type_of(field.type)) for field in first.schema))
    uid = schema.get("uid")
    if uid is None:
        names = ", ".join(schema.names())
        raise RunError(
            Diagnostic(
                "E0705",
                f"`{first.file.name}` has no column `uid`",
                None,
                f"its columns are {names}",
                ("a pool is DataComp's metadata: each sample has a `uid` of 32 hex digits",),
            )
        )
    if uid.type is not Type.TEXT:
        raise RunError(
            Diagnostic(
                "E0706",
                f"`uid` is not text in `{first.file.name}`",
                None,
                f"it is {first.schema.field('uid').type}",
                ("write uids as text of 32 lower-case hex digits",),
            )
        )
    return schema


def type_of(arrow: pa.DataType) -> Type:
    """Return the language's type for a column of this arrow type."""
    kinds = pa.types
    if kinds.is_dictionary(arrow) or kinds.is_run_end_encoded(arrow):
        return type_of(arrow.value_type)
    if kinds.is_integer(arrow):
        return Type.INT
    if kinds.is_float16(arrow) or kinds.is_float32(arrow):
        return Type.FLOAT
    if kinds.is_float64(arrow):
        return Type.DOUBLE
    if kinds.is_string(arrow) or kinds.is_large_string(arrow) or kinds.is_string_view(arrow):
        return Type.TEXT
    if kinds.is_boolean(arrow):
        return Type.BOOL
    return Type.NESTED


def spelling(arrow: pa.DataType) -> str:
    """Return the type's canonical text: equal for types whose values have the same canonical bytes."""
    kinds = pa.types
    if kinds.is_dictionary(arrow) or kinds.is_run_end_encoded(arrow):
        return spelling(arrow.value_type)
    contract = type_of(arrow)
    if contract is not Type.NESTED:
        return str(contract.value)
    if kinds.is_map(arrow):
        return f'list<struct<"key": {spelling(arrow.key_type)}, "value": {spelling(arrow.item_type)}>>'
    if is_list(arrow):
        return f"list<{spelling(arrow.value_type)}>"
    if kinds.is_struct(arrow):
        fields = sorted((arrow.field(place) for place in range(arrow.num_fields)), key=lambda field: field.name)
        return "struct<" + ", ".join(f"{json.dumps(field.name)}: {spelling(field.type)}" for field in fields) + ">"
    if kinds.is_binary(arrow) or kinds.is_large_binary(arrow) or kinds.is_binary_view(arrow):
        return "binary"
    return str(arrow)


def is_list(arrow: pa.DataType) -> bool:
    """Return whether values of this type are lists, maps excepted."""
    kinds = pa.types
    return bool(kinds.is_list(arrow) or kinds.is_large_list(arrow) or kinds.is_fixed_size_list(arrow))


def physical_fingerprint(files: Iterable[tuple[str, int, str]]) -> str:
    """Return "dcphys1:<hex>" over (name, size, footer digest) of all files: a check against accident, not malice."""
    text = json.dumps(sorted(list(file) for file in files), separators=(",", ":"))
    return "dcphys1:" + hashlib.sha256(b"dcql.phys.v1\0" + text.encode("ascii")).hexdigest()


def _read_footer(file: Listed) -> Footer | Diagnostic:
    try:
        filesystem, path = locate(file.path)
        tail = filesystem.cat_file(path, start=max(0, file.size - _TAIL), end=file.size)
        if len(tail) < 12 or tail[-4:] != _MAGIC:
            return _damaged(file, "its end is not that of a parquet file")
        length = int.from_bytes(tail[-8:-4], "little")
        if length + 12 > file.size:
            return _damaged(file, "its footer is longer than the file")
        if length + 8 > len(tail):
            tail = filesystem.cat_file(path, start=file.size - length - 8, end=file.size)
        footer = tail[-8 - length :]
    except OSError as error:
        return _unreadable(file.path, error)
    try:
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + footer))
        groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
        return Footer(
            file,
            metadata.num_rows,
            hashlib.sha256(footer[:-8]).hexdigest(),
            metadata.schema.to_arrow_schema(),
            sum(group.total_byte_size for group in groups),
        )
    except (OSError, pa.ArrowException) as error:
        return _damaged(file, f"its footer cannot be read: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, for a diagnostic."""
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def damaged(name: str, reason: str) -> RunError:
    """Return the error that the file called `name` is not a whole parquet file."""
    return RunError(
        Diagnostic("E0703", f"`{name}` is not a whole parquet file", None, reason, ("copy or download it again",))
    )


def _damaged(file: Listed, reason: str) -> Diagnostic:
    return damaged(file.name, reason).diagnostics[0]


def _unreadable(place: str, error: Exception) -> Diagnostic:
    advice = "install the package that it names" if isinstance(error, ImportError) else "check the path and permissions"
    return Diagnostic("E0712", f"cannot read `{place}`", None, first_line(error), (advice,))


def _refuse_repeated_names(footer: Footer) -> None:
    names = footer.schema.names
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise RunError(
            Diagnostic(
                "E0711",
                f"`{footer.file.name}` has two columns `{repeated}`",
                None,
                "the name does not say which is meant",
                ("rename one of them",),
            )
        )


def _difference(name: str, first: Footer, known: str | None, other: Footer, here: str | None) -> Diagnostic:
    if here is None:
        label = f"`{first.file.name}` has it as {known}, `{other.file.name}` lacks it"
    elif known is None:
        label = f"`{other.file.name}` has it as {here}, `{first.file.name}` lacks it"
    else:
        label = f"it is {known} in `{first.file.name}` and {here} in `{other.file.name}`"
    return Diagnostic(
        "E0704",
        f"the files of the pool differ in column `{name}`",
        None,
        label,
        ("write the files anew with one schema, or add them as two pools",),
    )


def _last(entry: dict[str, Any]) -> str:
    return posixpath.basename(str(entry["name"]).rstrip("/"))


def _is_parquet(filesystem: Any, entry: dict[str, Any]) -> bool:
    name = _last(entry)
    if not name.endswith(".parquet") or name.startswith("."):
        return False
    # A link (as in a download cache) is taken for what it leads to.
    return entry["type"] == "file" or bool(filesystem.isfile(entry["name"]))


def _is_text(name: str) -> bool:
    # Python holds other bytes of a file's name as lone surrogates, which no record could be written with.
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _address(filesystem: Any, path: str) -> str:
    if isinstance(filesystem, LocalFileSystem):
        return os.fspath(Path(path).absolute())
    return str(filesystem.unstrip_protocol(path))
