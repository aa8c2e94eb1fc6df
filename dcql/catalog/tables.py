"""What the footer of a table says: a parquet file that a recipe joins, and that a stranger may have made."""

from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from dcql.catalog.types import Schema

MAX_FOOTER_BYTES = 64 << 20
_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class TableInput:
    """A table's file: where it is, its columns, and how many rows its footer says that it has."""

    path: Path
    sha256: str
    schema: Schema
    rows: int


def read_table(file: BufferedReader, path: Path, sha256: str) -> TableInput:
    """Return what the footer of an open file says; no value is read.

    Raises ValueError, with the reason in words, where it is no whole parquet file or a name comes twice.
    """
    # Few recipes join a table, and Arrow is slow to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    from dcql.catalog.parquet import type_of
    from dcql.catalog.types import Column
    from dcql.files import first_line

    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    if size < 12 or tail[4:] != _MAGIC:
        raise ValueError("its end is not that of a parquet file")
    if int.from_bytes(tail[:4], "little") > min(MAX_FOOTER_BYTES, size - 12):
        raise ValueError("its footer is longer than a footer can be")
    file.seek(0)
    try:
        metadata = pq.read_metadata(file)
        fields = list(metadata.schema.to_arrow_schema())
        rows = metadata.num_rows
    except (OSError, ValueError, pa.ArrowException) as error:  # names that are not UTF-8 among them
        raise ValueError(f"its footer cannot be read: {first_line(error)}") from error
    columns = tuple(Column(field.name, type_of(field.type)) for field in fields)
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        repeated = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"it has two columns `{repeated}`")
    return TableInput(path, sha256, Schema(columns), rows)
