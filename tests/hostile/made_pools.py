"""Hostile pools: parquet files that lie, and names and values that draw. As in made.py."""

import os
import struct
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pool.samples import change, samples, write

Arguments = list[str]


def pool_of(folder: Path, table: Any = None, **options: Any) -> Path:
    """Write a pool of one file; return the file."""
    path = folder / "own" / "a.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(samples(200) if table is None else table, path, **options)
    return path


def _in_footer(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes in the footer of a parquet file by as many others."""
    content = path.read_bytes()
    start = len(content) - 8 - int(struct.unpack("<I", content[-8:-4])[0])
    assert old in content[start:]
    path.write_bytes(content[:start] + content[start:].replace(old, new))


def on_own(folder: Path, text: str = "SELECT uid FROM pool WHERE clip_l14 >= 0.2;\n") -> Arguments:
    """Return the arguments that count a recipe on the pool of the case."""
    (folder / "recipe.dcql").write_text(text, encoding="utf-8", newline="\n")
    return ["count", "recipe.dcql", "--pool", "own"]


def pool_that_states_more_rows(folder: Path) -> Arguments:
    path = pool_of(folder)
    _in_footer(path, b"\x90\x03", b"\x90\x07")  # 200 and 456 as Thrift writes them
    return on_own(folder)


def pool_that_states_fewer_rows(folder: Path) -> Arguments:
    path = pool_of(folder)
    _in_footer(path, b"\x90\x03", b"\x90\x02")  # 200 and 136
    return on_own(folder, "SELECT uid FROM pool WHERE width > 0 OR width <= 0 OR width IS NULL;\n")


def pool_with_lying_statistics(folder: Path) -> Arguments:
    """Its footer says that no score is above 0.1, where half of them are."""
    table = samples(200)
    path = pool_of(folder, table)
    column = pq.read_metadata(path).row_group(0).column(6)
    assert column.path_in_schema == "clip_l14_similarity_score"
    _in_footer(path, struct.pack("<f", column.statistics.max), struct.pack("<f", 0.1))
    return on_own(folder)


def pool_that_unpacks_to_much(folder: Path) -> Arguments:
    """A hundred thousand bytes that stand for 200 million."""
    table = change(samples(200), "text", 0, "a" * 200_000_000)
    path = pool_of(folder, table, compression="zstd")
    assert path.stat().st_size < 1_000_000
    return [*on_own(folder, "SELECT uid FROM pool WHERE caption LIKE '%b%';\n"), "--limits", "time=60,memory=200MB"]


def pool_added_that_unpacks_to_much(folder: Path) -> Arguments:
    pool_that_unpacks_to_much(folder)
    return ["pool", "add", "unpacking", "own", "--limits", "time=60,memory=200MB"]


def pool_added_with_a_page_that_lies(folder: Path) -> Arguments:
    """The header of its first page states 1.4 GB for a few bytes."""
    path = pool_of(folder, samples(200), compression="snappy", use_dictionary=False)
    path.write_bytes(lying(path.read_bytes()))
    return ["pool", "add", "lying", "own", "--limits", "time=60,memory=200MB"]


def lying(content: bytes) -> bytes:
    """Return a parquet file, of a compressed first page, whose header states 1.4 GB for it."""
    # Thrift's compact form, each field after a byte 0x15: the page's type, its size unpacked, its size as it stands.
    assert content[4:7] == b"\x15\x00\x15"
    _, after = _zigzag(content, 7)
    assert content[after] == 0x15
    size, end = _zigzag(content, after + 1)
    lie = _as_zigzag(1_400_000_000)
    # The page gives up as many bytes as its header takes more.
    header = lie + b"\x15" + _as_zigzag(size - (len(lie) - (after - 7)))
    return content[:7] + header + content[end:]


def _zigzag(content: bytes, start: int) -> tuple[int, int]:
    """Read one of Thrift's numbers that is not negative; return it and where it ends."""
    value = shift = 0
    while True:
        byte = content[start]
        value |= (byte & 127) << shift
        start, shift = start + 1, shift + 7
        if byte < 128:
            return value // 2, start


def _as_zigzag(number: int) -> bytes:
    number, digits = 2 * number, bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def pool_with_a_footer_of_two_gigabytes(folder: Path) -> Arguments:
    path = pool_of(folder)
    content = path.read_bytes()
    path.write_bytes(content[:-8] + struct.pack("<I", 2_000_000_000) + b"PAR1")
    return on_own(folder)


def pool_with_a_garbled_footer(folder: Path) -> Arguments:
    path = pool_of(folder)
    content = bytearray(path.read_bytes())
    length = struct.unpack("<I", content[-8:-4])[0]
    content[-8 - length : -8] = bytes([0x1C]) * length  # a structure in a structure in a structure
    path.write_bytes(content)
    return on_own(folder)


def pool_with_columns_that_inject(folder: Path) -> Arguments:
    """Names of columns are text of strangers as well: they are drawn, and stand in SQL."""
    names = [
        "x\" FROM read_text('/etc/passwd') --",
        "\x1b[31mred\x1b[0m",
        "<script>alert(1)</script>",
        "\u202eevil",
        "a\nb",
    ]
    table = samples(200)
    for name in names:
        table = table.append_column(name, pa.array([1] * 200))
    pool_of(folder, table)
    return ["pool", "show", "own"]


def pool_with_columns_that_inject_json(folder: Path) -> Arguments:
    return [*pool_with_columns_that_inject(folder), "--format", "json"]


def pool_with_columns_that_inject_runs(folder: Path) -> Arguments:
    pool_with_columns_that_inject(folder)
    return on_own(folder)


def pool_with_a_uid_that_draws(folder: Path) -> Arguments:
    pool_of(folder, change(samples(200), "uid", 5, "\x1b[2J\u202e<b>uid</b>"))
    return ["pool", "add", "drawn", "own"]


def pool_with_files_that_draw(folder: Path) -> Arguments:
    write(samples(20), folder / "own" / "\x1b[2Ja\u202e.parquet")
    write(samples(20, first=100), folder / "own" / "b*[?].parquet")
    return ["pool", "add", "drawn", "own"]


def pool_that_is_a_pipe(folder: Path) -> Arguments:
    pool_of(folder)
    os.mkfifo(folder / "own" / "b.parquet")
    return on_own(folder)


def pool_that_binds_what_is_outside(folder: Path) -> Arguments:
    pool_of(folder)
    digest = sha256(b"").hexdigest()
    (folder / "own" / "assets.toml").write_text(f'[a]\nfile = "../../../secret/secret.txt"\nsha256 = "{digest}"\n')
    return on_own(folder, "ASSET a FROM pool;\nSELECT uid FROM pool WHERE caption IN a;\n")


POOLS: dict[str, Callable[[Path], Arguments]] = {
    name: case for name, case in globals().items() if callable(case) and name.startswith("pool_") and name != "pool_of"
}
