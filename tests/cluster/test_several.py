"""Files that are read by one statement: each has the result that it has alone, and each fault its file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cluster.spreading import Together, kept_in
from hypothesis import given
from hypothesis import strategies as st
from pool.samples import samples, write

from dcql.catalog.pool import Pool, open_pool
from dcql.compiler import compile_once
from dcql.engine.add import add
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.results import check_of
from dcql.engine.cluster.run import run_spread
from dcql.engine.cluster.several import Stretches
from dcql.engine.cluster.work import Item, Work
from dcql.engine.duck import Resources, Session
from dcql.engine.run import Result, run
from dcql.errors import RunError
from dcql.source import Source

RECIPES = {
    "one threshold": "SELECT uid FROM pool WHERE clip_l14 >= q(0.6);",
    "two and a funnel": "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND original_width > 100;",
    "texts": "SELECT uid FROM pool WHERE python_words(text) >= 2 AND clip_l14 >= q(0.3) SAMPLE 50 PERCENT SEED 7;",
    "copies": "SELECT uid, coalesce(original_width % 3, 1) AS copies FROM pool WHERE clip_l14 >= q(0.3);",
    "first of each": (
        "SELECT DISTINCT ON (original_width % 7) uid FROM pool WHERE clip_l14 >= q(0.2) ORDER BY clip_l14;"
    ),
    "a limit of some": (
        "WITH wide AS (SELECT uid FROM pool WHERE original_width > 300)\n"
        "SELECT uid FROM wide ORDER BY clip_l14 DESC LIMIT 20;"
    ),
}


def pool(folder: Path, *rows: int) -> Pool:
    for number, count in enumerate(rows):
        write(samples(count, seed=number, first=1000 * number), folder / "small" / f"{number}.parquet")
    return open_pool(folder / "small")


def spread_run(opened: Pool, cluster: Cluster, text: str) -> Result:
    program = compile_once(Source("recipe.dcql", text), opened.schema, None).program
    return run_spread(cluster, program, opened, Resources(1))


def kept(folder: Path) -> dict[str, bytes]:
    return {place.name: place.read_bytes() for place in folder.glob("??/*")}


@pytest.mark.thinned(2)
@pytest.mark.parametrize("added", [False, True], ids=["raw", "added"])
@pytest.mark.parametrize("name", RECIPES)
def test_each_file_has_the_result_that_it_has_alone(
    name: str, added: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    opened = pool(tmp_path, 50, 7, 90, 1, 60)
    opened = add("small", tmp_path / "small") if added else opened
    found = spread_run(opened, kept_in(tmp_path / "together", Together(1)), RECIPES[name])
    assert spread_run(opened, kept_in(tmp_path / "alone"), RECIPES[name]) == found
    assert kept(tmp_path / "together") == kept(tmp_path / "alone")
    program = compile_once(Source("recipe.dcql", RECIPES[name]), opened.schema, None).program
    assert run(program, opened, Resources(1)).subset.hash == found.subset.hash


def test_files_are_read_by_one_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = pool(tmp_path, 50, 50, 50, 50, 50)
    read: list[int] = []
    batches = Session.batches

    def counted(session: Session, statement: Any, source: Any, parameters: Any) -> Iterator[Any]:
        read.append(len(source.files))
        return batches(session, statement, source, parameters)

    monkeypatch.setattr(Session, "batches", counted)
    spread_run(opened, kept_in(tmp_path / "kept", Together(1)), RECIPES["texts"])
    assert read == [5, 5]  # a scan and the samples


@dataclass(frozen=True)
class Changing(Together):
    """Changes a file when it is about to be read together with others."""

    change: Callable[[], None] = field(default=lambda: None)

    def attempts(self, work: Work, items: Any) -> Iterator[tuple[Item, Any]]:
        self.change()
        return super().attempts(work, items)


def another_footer(path: Path) -> None:
    content = path.read_bytes()
    assert b"clip_b32_similarity_score" in content
    path.write_bytes(content.replace(b"clip_b32_similarity_score", b"clip_b33_similarity_score"))


CHANGES: dict[str, Callable[[Path], None]] = {
    "E0791": Path.unlink,
    "E0787": another_footer,
}


@pytest.mark.parametrize("code", CHANGES)
def test_a_file_that_changes_among_others_is_named_and_the_others_are_done(code: str, tmp_path: Path) -> None:
    opened = pool(tmp_path, 50, 50, 50, 50, 50)
    changing = Changing(1, change=lambda: CHANGES[code](tmp_path / "small" / "2.parquet"))
    cluster = kept_in(tmp_path / "kept", changing)
    with pytest.raises(RunError) as caught:
        spread_run(opened, cluster, RECIPES["one threshold"])
    assert caught.value.diagnostics[0].code == code
    assert "2.parquet" in str(caught.value)
    assert cluster.done == 2


def test_a_file_of_the_store_with_other_rows_is_no_part_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    pool(tmp_path, 50, 30, 20, 40, 10)
    opened = add("small", tmp_path / "small")
    one, other = opened.files[1].sidecar, opened.files[2].sidecar
    assert one is not None
    assert other is not None
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    with pytest.raises(RunError) as caught:
        spread_run(opened, kept_in(tmp_path / "kept", Together(1)), RECIPES["two and a funnel"])
    assert caught.value.diagnostics[0].code == "E0756"


@given(st.lists(st.integers(0, 9), max_size=8), st.lists(st.integers(0, 9), max_size=8))
def test_stretches_of_batches(batches: list[int], wanted: list[int]) -> None:
    table = pa.table({"n": list(range(sum(batches)))})
    starts = [sum(batches[:number]) for number in range(len(batches))]
    given = (table.slice(start, rows).to_batches()[0] for start, rows in zip(starts, batches, strict=True) if rows)
    stretches = Stretches(given)
    done = 0
    for rows in wanted:
        if done + rows > sum(batches):
            with pytest.raises(RunError):
                list(stretches.take(rows))
            return
        found = [number for batch in stretches.take(rows) for number in batch.column("n").to_pylist()]
        assert found == list(range(done, done + rows))
        done += rows
    if done < sum(batches):
        with pytest.raises(RunError):
            stretches.finish()
    else:
        stretches.finish()


@given(st.integers(0, 20_000), st.data())
def test_a_result_that_is_not_as_it_was_is_told(size: int, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.randoms(use_true_random=False)).randbytes(size))
    before = check_of(bytes(content))
    assert len(before) == 32
    assert check_of(memoryview(bytes(content))) == before
    assert check_of(bytes(content) + b"\0") != before
    if size:
        assert check_of(bytes(content[:-1])) != before
        content[data.draw(st.integers(0, size - 1))] ^= 1 << data.draw(st.integers(0, 7))
        assert check_of(bytes(content)) != before


def test_pages_and_numbers_that_change_places_are_told() -> None:
    pages = [number.to_bytes(8, "little") for number in range(1024)]
    before = check_of(b"".join(pages))
    assert check_of(b"".join([*pages[512:], *pages[:512]])) != before
    assert check_of(b"".join([pages[1], pages[0], *pages[2:]])) != before
