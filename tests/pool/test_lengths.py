"""Lengths of texts: what an added pool keeps is what the functions say, and changes no subset."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle.functions import fasttext_words, python_words
from pool.nasty import NASTY, OTHERS, RECIPES, SPACES, nasty_pool, older, without_content
from pool.samples import samples, uid, write

import dcql
from dcql.catalog import store
from dcql.catalog.pool import open_pool
from dcql.compiler import compile, run, run_compiled
from dcql.engine import lengths as counting
from dcql.engine.add import add
from dcql.engine.duck import Resources, Source, session
from dcql.engine.lengths import lengths
from dcql.errors import RunError
from dcql.lower.statement import Statement
from dcql.source import Source as Text


def by_rule(text: str | None) -> tuple[int | None, int | None, int | None]:
    return (None, None, None) if text is None else (len(text), python_words(text), fasttext_words(text))


def counted(texts: Any) -> list[tuple[int | None, ...]]:
    found = lengths(texts, "t")
    columns = [found[f"{name}(t)"].to_pylist() for name in ("code_points", "python_words", "fasttext_words")]
    return list(zip(*columns, strict=True))


@pytest.fixture(params=["string", "large_string", "string_view", "dictionary"])
def kind(request: pytest.FixtureRequest) -> Any:
    return {
        "string": pa.string(),
        "large_string": pa.large_string(),
        "string_view": pa.string_view(),
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
    }[request.param]


def test_nasty_texts(kind: Any) -> None:
    texts = pa.array(NASTY, pa.string())
    texts = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    assert counted(texts) == [by_rule(text) for text in NASTY]
    assert counted(texts.slice(3, 40)) == [by_rule(text) for text in NASTY[3:43]]
    assert counted(texts.slice(5, 0)) == []


@given(st.lists(st.none() | st.text(st.sampled_from(SPACES + OTHERS), max_size=12), max_size=40), st.integers(1, 64))
def test_any_texts(texts: list[str | None], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_PIECE", piece)
        assert counted(pa.array(texts, pa.string())) == [by_rule(text) for text in texts]


def test_kept_lengths_are_what_sql_says(tmp_path: Path) -> None:
    pool = add("p", nasty_pool(tmp_path / "pool"))
    assert pool.lengths == ("text",)
    select = """SELECT length(text), len(regexp_extract_all(text, '[^ \\t\\v\\f\\r\\x00\\n]+|\\n')) FROM samples"""
    for file in pool.files:
        assert file.lengths is not None
        kept = pq.read_table(file.lengths)
        assert {str(field.type) for field in kept.schema} == {"uint32"}
        texts = pq.read_table(file.path).column("text").to_pylist()
        rows = zip(*(column.to_pylist() for column in kept.columns), strict=True)
        assert list(rows) == [by_rule(text) for text in texts]
        with session((file.path,), Resources(1)) as opened:
            source = Source(Statement("SELECT * FROM read_parquet($files)", ("files",)), (file.path,))
            points, words = zip(*opened.rows(Statement(select, ()), source, {}), strict=True)
        assert list(points) == kept.column("code_points(text)").to_pylist()
        assert list(words) == kept.column("fasttext_words(text)").to_pylist()


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_subset_depends_on_them(recipe: str, tmp_path: Path) -> None:
    folder = nasty_pool(tmp_path / "pool")
    source = Text("r", recipe)
    added, old = add("new", folder), older("old", folder)
    compiled = compile(source, added.schema)
    assert compiled.program.by_lengths is not None
    assert compiled.program.over(added) is (compiled.program.by_lengths if "url" not in recipe else compiled.program)
    assert compiled.program.over(old) is compiled.program
    results = [run_compiled(compiled, pool).result for pool in (added, old, open_pool(str(folder)))]
    assert len({one.subset.hash for one in results}) == 1
    assert len({repr(one.stages) for one in results}) == 1
    assert len({repr(one.funnel) for one in results}) == 1


def test_no_text_is_read(tmp_path: Path) -> None:
    folder = nasty_pool(tmp_path / "pool")
    pool = add("p", folder)
    without_content(pool)
    assert run(Text("r", RECIPES[0]), "p").subset.distinct > 0
    with pytest.raises(RunError):
        run(Text("r", "SELECT uid FROM pool WHERE text LIKE '%a%'"), "p")


def test_the_digest_of_a_program_is_that_of_the_one_that_reads_texts() -> None:
    program = compile(Text("r", RECIPES[0])).program
    assert program.by_lengths is not None
    assert "text" in program.columns
    assert "text" not in program.by_lengths.columns
    assert program.digest != program.by_lengths.digest
    assert "@length" not in "".join(statement.text for _, statement in program.statements())


def test_an_older_pool_gets_them_when_it_is_added_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = nasty_pool(tmp_path / "pool")
    before = add("p", folder)
    kept = [file.lengths.read_bytes() for file in before.files if file.lengths is not None]
    old = older("p", folder)
    ranked = [os.stat(file.rank).st_ino for file in old.files if file.rank is not None]
    again = add("p", folder)
    assert again == before
    assert [file.lengths.read_bytes() for file in again.files if file.lengths is not None] == kept
    assert [
        os.stat(file.rank).st_ino for file in again.files if file.rank is not None
    ] == ranked  # nothing else is made
    older("p", folder)
    write(
        samples(5).set_column(0, "uid", pa.array([uid(10_000 + row) for row in range(5)])),
        folder / "metadata" / "9.parquet",
    )
    grown = add("p", folder)
    assert grown.lengths == ("text",)
    assert grown.rows == len(NASTY) + 5


def test_what_is_cut_off_is_noticed(tmp_path: Path) -> None:
    pool = add("p", nasty_pool(tmp_path / "pool"))
    assert pool.files[0].lengths is not None
    content = pool.files[0].lengths.read_bytes()
    pool.files[0].lengths.write_bytes(content[:-10])
    with pytest.raises(RunError) as caught:
        open_pool("p")
    assert caught.value.diagnostics[0].code == "E0710"
    add("p", pool.source)
    assert pool.files[0].lengths.read_bytes() == content


def test_lengths_of_another_version_are_not_read(tmp_path: Path) -> None:
    add("p", nasty_pool(tmp_path / "pool"))
    place = store.record_file("p")
    text = place.read_text()
    head, found, rest = text.partition("[lengths]\nversion = 1\n")
    assert found
    place.write_text(head + "[lengths]\nversion = 2\n" + rest)
    assert open_pool("p").lengths == ()
    assert add("p", tmp_path / "pool").lengths == ("text",)


def test_a_pool_without_texts_keeps_none(tmp_path: Path) -> None:
    write(
        samples(20).select(["uid", "original_width", "original_height"]), tmp_path / "pool" / "metadata" / "a.parquet"
    )
    pool = add("p", tmp_path / "pool")
    assert pool.lengths == ()
    assert pool.files[0].lengths is None
    assert add("p", tmp_path / "pool") == pool


def test_a_pool_of_nothing_but_texts(tmp_path: Path) -> None:
    folder = tmp_path / "pool" / "metadata" / "a.parquet"
    write(samples(50).select(["uid", "text"]), folder)
    pool = add("p", tmp_path / "pool")
    assert pool.lengths == ("text",)
    assert run(Text("r", RECIPES[0]), "p").hash == dcql.run(Text("r", RECIPES[0]), str(tmp_path / "pool")).hash
