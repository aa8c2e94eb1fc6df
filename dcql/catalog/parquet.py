"""What the footers of a pool's parquet files say."""

import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from dcql.catalog.files import MAGIC, FooterBytes, damage, read_footer_bytes
from dcql.catalog.types import Column, Schema, Type
from dcql.dataclass import dataclass
from dcql.errors import Diagnostic, RunError
from dcql.files import Listed, first_line


@dataclass(frozen=True)
class Footer:
    """A file with what its footer says; `digest` is the hex SHA-256 of the footer's bytes."""

    file: Listed
    rows: int
    digest: str
    schema: pa.Schema
    byte_size: int  # of all columns, uncompressed


def read_footers(files: Iterable[Listed]) -> tuple[Footer, ...]:
    """Read the footer of each file; raise RunError naming up to five files that have none."""
    read = tuple(_parse(each) for each in read_footer_bytes(files))
    faults = tuple(item for item in read if isinstance(item, Diagnostic))
    if faults:
        raise RunError(*faults[:5])
    return tuple(item for item in read if isinstance(item, Footer))


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


def _parse(read: FooterBytes) -> Footer | Diagnostic:
    try:
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + read.content))
        groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
        return Footer(
            read.file,
            metadata.num_rows,
            read.digest,
            metadata.schema.to_arrow_schema(),
            sum(group.total_byte_size for group in groups),
        )
    except (OSError, ValueError, pa.ArrowException) as error:  # names that are not UTF-8 among them
        return damage(read.file, f"its footer cannot be read: {first_line(error)}")


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
