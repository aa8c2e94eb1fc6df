"""Write a pool as parquet files in a stated layout: the layout must never change a subset."""

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from . import Pool

ARROW = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "list<list<double>>": pa.list_(pa.list_(pa.float64())),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How many files, in which row order (None: the pool's), named how, and the rows of a row group."""

    files: int = 2
    permutation: int | None = None
    renamed: bool = False  # part-0001.parquet instead of 32 hex digits
    row_group: int = 100
    empty_file: bool = False  # one more file, of 0 rows


LAYOUTS = {
    "plain": Layout(),
    "renamed": Layout(renamed=True),
    "permuted": Layout(permutation=7),
    "merged": Layout(files=1),
    "split": Layout(files=12, permutation=3, empty_file=True),
    "row_groups_1": Layout(row_group=1),
    "row_groups_17": Layout(row_group=17),
    "row_groups_all": Layout(row_group=1_000_000, empty_file=True),
}


def write(pool: "Pool", folder: Path, *, layout: Layout | None = None) -> list[Path]:
    """Write a pool's rows, cut evenly over the files (0-row files where rows run out); return the files."""
    layout = layout or Layout()
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stem, rows in parts(pool, layout):
        path = folder / f"{stem}.parquet"
        pq.write_table(table(pool, rows), path, row_group_size=max(1, layout.row_group))
        written.append(path)
    return written


def parts(pool: "Pool", layout: Layout) -> list[tuple[str, list[int]]]:
    """Return each file's stem and the rows of the pool that it holds, in its order."""
    rows = list(range(pool.rows))
    if layout.permutation is not None:
        random.Random(layout.permutation).shuffle(rows)
    cuts = [len(rows) * i // layout.files for i in range(layout.files + 1)]
    cut = [rows[cuts[i] : cuts[i + 1]] for i in range(layout.files)]
    if layout.empty_file:
        cut.insert(len(cut) // 2, [])
    return [
        (f"part-{number:04}" if layout.renamed else hashlib.md5(str(number).encode()).hexdigest(), part)
        for number, part in enumerate(cut)
    ]


def table(pool: "Pool", rows: list[int]) -> Any:
    """Make an Arrow table of some rows."""
    arrays = {}
    for name, type_ in pool.types.items():
        values = [pool.columns[name][row] for row in rows]
        arrays[name] = pa.array(values, type=ARROW[type_], from_pandas=False)
    return pa.table(arrays)


def read(files: list[Path], types: dict[str, str]) -> dict[str, list[Any]]:
    """Read files back into columns, in the order given."""
    columns: dict[str, list[Any]] = {name: [] for name in types}
    for file in files:
        loaded = pq.read_table(file)
        for name in types:
            columns[name] += loaded.column(name).to_pylist()
    return columns
