"""What runs say of tables that cannot be joined; a file of errors/ is one message, with <tmp> for the test's folder."""

import hashlib
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile.made_pools import lying
from hostile.made_tables import table_of, written
from pool.samples import samples, uid, write

from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import compile, run, run_compiled
from dcql.engine.add import add
from dcql.engine.duck import Resources
from dcql.errors import DcqlError

ERRORS = Path(__file__).parent / "errors"
QUERY = "SELECT uid FROM pool JOIN scores USING (uid) WHERE scores.score >= 0.5;\n"


def small(tmp: Path) -> Pool:
    """Return a raw pool of one file with 20 samples."""
    write(samples(20), tmp / "small" / "a.parquet")
    return open_pool(tmp / "small")


def recipe(tmp: Path, content: bytes, query: str = QUERY) -> Path:
    """Write a table of this content and a recipe that joins it."""
    (tmp / "scores.parquet").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    path = tmp / "recipe.dcql"
    path.write_text(f"TABLE scores FROM 'scores.parquet' SHA256 '{digest}';\n{query}", encoding="utf-8")
    return path


def parquet(uids: list[Any], **columns: Any) -> bytes:
    """Return a table of uids with a score, as parquet."""
    out = pa.BufferOutputStream()
    scores = pa.array([number / len(uids) for number in range(len(uids))], pa.float32())
    pq.write_table(pa.table({"uid": pa.array(uids, pa.string()), "score": scores, **columns}), out, compression="none")
    return bytes(out.getvalue().to_pybytes())


def a_uid_twice(tmp: Path) -> None:
    run(recipe(tmp, parquet([uid(1), uid(2), uid(3), uid(2), uid(2)])), small(tmp))


def a_short_uid_twice(tmp: Path) -> None:
    """A uid is the same with and without the zeros before it."""
    run(recipe(tmp, parquet(["7f", "7f".rjust(32, "0")])), small(tmp))


def a_number_twice(tmp: Path) -> None:
    numbers = pa.array([200, 300, 200], pa.int64())
    query = "SELECT uid FROM pool JOIN scores USING (original_width);\n"
    run(recipe(tmp, parquet([uid(1), uid(2), uid(3)], original_width=numbers), query), small(tmp))


def no_uids(tmp: Path) -> None:
    run(recipe(tmp, parquet(["0c3f2a9e-9a50-4f7d-a86e-3a3f0a2f7b11"])), small(tmp))


def garbled_values(tmp: Path) -> None:
    content = bytearray(parquet([uid(number) for number in range(500)]))
    content[4:2000] = bytes(1996)
    run(recipe(tmp, bytes(content)), small(tmp))


def a_page_that_lies(tmp: Path) -> None:
    """Its first page says that it unpacks to 1.4 GB, and there is 1 GB."""
    content = written(table_of(), use_dictionary=False)
    with addresses(1 << 30):
        run(recipe(tmp, lying(content)), small(tmp), resources=Resources(threads=1))


@contextmanager
def addresses(more: int) -> Iterator[None]:
    """Let this process map so many bytes more than it has."""
    (mapped,) = re.findall(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, ((int(mapped) << 10) + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def latin_1(tmp: Path) -> None:
    words = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    run(recipe(tmp, parquet([uid(1)], word=words), QUERY.replace("scores.score >= 0.5", "word = 'x'")), small(tmp))


def too_large_for_int(tmp: Path) -> None:
    votes = pa.array([2**63], pa.uint64())
    run(recipe(tmp, parquet([uid(1)], votes=votes), QUERY.replace("scores.score >= 0.5", "votes > 1")), small(tmp))


def changed_meanwhile(tmp: Path) -> None:
    pool = small(tmp)
    compiled = compile(recipe(tmp, parquet([uid(1)])), pool.schema)
    (tmp / "scores.parquet").write_bytes(parquet([uid(2)]))
    run_compiled(compiled, pool)


def gone_meanwhile(tmp: Path) -> None:
    pool = small(tmp)
    compiled = compile(recipe(tmp, parquet([uid(1)])), pool.schema)
    (tmp / "scores.parquet").unlink()
    run_compiled(compiled, pool)


def a_pipe_meanwhile(tmp: Path) -> None:
    import os

    pool = small(tmp)
    compiled = compile(recipe(tmp, parquet([uid(1)])), pool.schema)
    (tmp / "scores.parquet").unlink()
    os.mkfifo(tmp / "scores.parquet")
    run_compiled(compiled, pool)


CASES: dict[str, Callable[[Path], None]] = {
    "E0210_changed_meanwhile": changed_meanwhile,
    "E0210_gone_meanwhile": gone_meanwhile,
    "E0715_too_large_for_int": too_large_for_int,
    "E0750_a_page_that_lies": a_page_that_lies,
    "E0770_a_number_twice": a_number_twice,
    "E0770_a_short_uid_twice": a_short_uid_twice,
    "E0770_a_uid_twice": a_uid_twice,
    "E0772_a_pipe_meanwhile": a_pipe_meanwhile,
    "E0772_garbled_values": garbled_values,
    "E0773_latin_1": latin_1,
    "E0774_no_uids": no_uids,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    with pytest.raises(DcqlError) as caught:
        CASES[name](tmp_path)
    drawn = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [name[:5]]
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_message_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_an_added_pool_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    small(tmp_path)
    added = add("small", tmp_path / "small")
    with pytest.raises(DcqlError, match="E0770"):
        run(recipe(tmp_path, parquet([uid(1), uid(1)])), added)
