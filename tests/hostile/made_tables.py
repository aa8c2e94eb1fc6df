"""Hostile tables: parquet files that a stranger sends with a recipe. As in made.py."""

import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pool.samples import uid

Arguments = list[str]
READ = "SELECT uid FROM pool JOIN t USING (uid) WHERE t.score >= 0.5;\n"


def table_of(**columns: Any) -> Any:
    """Return a table of the pool's 200 samples: a score from 0 to just below 1, and other columns."""
    uids = [uid(number) for number in range(200)]
    scores = pa.array([number / 200 for number in range(200)], pa.float32())
    return pa.table({"uid": uids, "score": scores, **columns})


def joined(folder: Path, content: bytes, text: str = READ) -> Arguments:
    """Write a table of this content, and a recipe with its right digest; return the arguments that count it."""
    (folder / "t.parquet").write_bytes(content)
    digest = sha256(content).hexdigest()
    (folder / "recipe.dcql").write_text(f"TABLE t FROM 't.parquet' SHA256 '{digest}';\n{text}", encoding="utf-8")
    return ["count", "recipe.dcql", "--pool", "POOL"]


def written(table: Any, **options: Any) -> bytes:
    """Return a table as parquet."""
    out = pa.BufferOutputStream()
    pq.write_table(table, out, **options)
    return bytes(out.getvalue().to_pybytes())


def in_footer(content: bytes, old: bytes, new: bytes) -> bytes:
    """Replace bytes in the footer of a parquet file by as many others."""
    start = len(content) - 8 - int(struct.unpack("<I", content[-8:-4])[0])
    assert old in content[start:]
    return content[:start] + content[start:].replace(old, new)


def table_with_lying_statistics(folder: Path) -> Arguments:
    """Its footer says that no score is above 0.1, where most of them are."""
    content = written(table_of())
    most = pq.read_metadata(pa.BufferReader(content)).row_group(0).column(1).statistics.max
    return joined(folder, in_footer(content, struct.pack("<f", most), struct.pack("<f", 0.1)))


def table_with_lying_keys(folder: Path) -> Arguments:
    """Its footer says that no uid is above another one, by which a join could leave out what lies above."""
    content = written(table_of())
    most = pq.read_metadata(pa.BufferReader(content)).row_group(0).column(0).statistics.max
    return joined(folder, in_footer(content, most.encode(), b"0" * 32))


def table_that_states_more_rows(folder: Path) -> Arguments:
    return joined(folder, in_footer(written(table_of()), b"\x90\x03", b"\x90\x07"))  # 200 and 456 as Thrift has them


def table_that_states_fewer_rows(folder: Path) -> Arguments:
    return joined(folder, in_footer(written(table_of()), b"\x90\x03", b"\x90\x02"))  # 200 and 136


def table_that_unpacks_to_much(folder: Path) -> Arguments:
    """A few thousand bytes that stand for 400 million in a text that the recipe reads."""
    large = pa.array(["a" * 400_000_000, *[""] * 199], pa.large_string())
    content = written(table_of(word=large), compression="zstd", write_statistics=False)
    assert len(content) < 1_000_000
    return [*joined(folder, content, READ.replace("t.score", "word").replace("0.5", "'b'")), "--limits", LIMITS]


def table_of_many_rows_in_few_bytes(folder: Path) -> Arguments:
    """One key and one word, four million times: a dictionary of two entries, and runs."""
    rows = 4_000_000
    one = pa.DictionaryArray.from_arrays(pa.array([0] * 8, pa.int32()).take(pa.array([0] * rows)), [uid(0)])
    word = pa.DictionaryArray.from_arrays(one.indices, ["a" * 10_000])
    content = written(pa.table({"uid": one, "word": word}), compression="zstd")
    assert len(content) < 100_000
    return [*joined(folder, content, READ.replace("t.score", "word").replace("0.5", "'b'")), "--limits", LIMITS]


LIMITS = "time=60,memory=300MB,output=1GB"


def table_with_a_footer_of_two_gigabytes(folder: Path) -> Arguments:
    content = written(table_of())
    return joined(folder, content[:-8] + struct.pack("<I", 2_000_000_000) + b"PAR1")


def table_with_a_garbled_footer(folder: Path) -> Arguments:
    content = bytearray(written(table_of()))
    length = struct.unpack("<I", content[-8:-4])[0]
    content[-8 - length : -8] = bytes([0x1C]) * length  # a structure in a structure in a structure
    return joined(folder, bytes(content))


def table_that_is_cut_off_inside(folder: Path) -> Arguments:
    content = bytearray(written(table_of(), compression="none"))
    content[4:2000] = bytes(1996)
    return joined(folder, bytes(content))


def table_of_text_that_is_none(folder: Path) -> Arguments:
    words = pa.array([b"\xff\xfe"] * 200, pa.binary()).view(pa.string())
    text = "SELECT uid FROM pool JOIN t USING (uid) WHERE t.word <> 'a';\n"
    return joined(folder, written(table_of(word=words)), text)


def table_of_uids_that_draw(folder: Path) -> Arguments:
    uids = ["\x1b[31mred\x1b[0m", *[uid(number) for number in range(1, 200)]]
    return joined(folder, written(table_of().set_column(0, "uid", pa.array(uids))))


def table_with_columns_that_inject(folder: Path) -> Arguments:
    """Names of columns are a stranger's text: none can be named by a recipe, and all are told where one is missing."""
    names = ["x\" FROM read_text('/etc/passwd') --", "\x1b[31mred\x1b[0m", "\u202eevil", "a\nb"]
    table = table_of(**{name: [1] * 200 for name in names})
    return joined(folder, written(table), READ.replace("t.score", "t.nothing_like_it"))


TABLES: dict[str, Callable[[Path], Arguments]] = {
    name: case
    for name, case in globals().items()
    if callable(case) and name.startswith("table_") and name != "table_of"
}
