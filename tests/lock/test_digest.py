"""What changes the digest of a recipe, and what does not."""

import hashlib
from pathlib import Path

import pytest

from dcql.catalog.functions import FUNCTIONS
from dcql.compiler import compile
from dcql.records.locking import function_digest, key_of, library_digests
from dcql.source import Source
from dcql.syntax import canonical
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.parser import parse

SAME = {
    "layout": (
        "SELECT uid FROM pool WHERE clip_l14>=q(0.7);",
        "SELECT uid\n  FROM pool\n\tWHERE clip_l14 >= q( 0.7 )\n;",
    ),
    "comments": ("SELECT uid FROM pool;", "-- all of it\nSELECT uid -- every one\nFROM pool; -- done"),
    "keywords": ("SELECT uid FROM pool WHERE safe IS NOT NULL;", "select uid From pool wHERE safe is not null;"),
    "last semicolon": ("SELECT uid FROM pool;", "SELECT uid FROM pool"),
    "zeros of a number": ("SELECT uid FROM pool WHERE score > 0.70;", "SELECT uid FROM pool WHERE score > 00.7;"),
    "form of a number": ("SELECT uid FROM pool WHERE rating > 1000;", "SELECT uid FROM pool WHERE rating > 1e3;"),
    "zero": ("SELECT uid FROM pool WHERE rating > 0;", "SELECT uid FROM pool WHERE rating > 0.00e7;"),
    "not equal": ("SELECT uid FROM pool WHERE rating <> 1;", "SELECT uid FROM pool WHERE rating != 1;"),
    "parentheses": (
        "SELECT uid FROM pool WHERE safe AND rating > 1;",
        "SELECT uid FROM pool WHERE safe AND (rating > 1);",
    ),
    "plus sign": ("SELECT uid FROM pool WHERE rating > 1;", "SELECT uid FROM pool WHERE rating > +1;"),
    "truth": ("SELECT uid FROM pool WHERE safe = TRUE;", "SELECT uid FROM pool WHERE safe = true;"),
    "path of a set": (
        f"SET s FROM 'a.txt' SHA256 '{'a' * 64}'; SELECT uid FROM pool WHERE rating IN s;",
        f"SET s FROM 'sets/b.txt' SHA256 '{'A' * 64}'; SELECT uid FROM pool WHERE rating IN s;",
    ),
    "path of an import": (
        "IMPORT './a.dcql' AS base; SELECT uid FROM base;",
        "IMPORT './old/b.dcql' AS base; SELECT uid FROM base;",
    ),
}

OTHER = {
    "operator": ("SELECT uid FROM pool WHERE rating > 1", "SELECT uid FROM pool WHERE rating >= 1"),
    "number": ("SELECT uid FROM pool WHERE rating > 1", "SELECT uid FROM pool WHERE rating > 10"),
    "last digit": (
        "SELECT uid FROM pool WHERE score > 0.1000000000000000000000000000000000001",
        "SELECT uid FROM pool WHERE score > 0.1000000000000000000000000000000000002",
    ),
    "sign": ("SELECT uid FROM pool WHERE rating > 1", "SELECT uid FROM pool WHERE rating > -1"),
    "text": ("SELECT uid FROM pool WHERE text = 'a'", "SELECT uid FROM pool WHERE text = 'A'"),
    "space in a text": ("SELECT uid FROM pool WHERE text = 'a b'", "SELECT uid FROM pool WHERE text = 'a  b'"),
    "comment in a text": ("SELECT uid FROM pool WHERE text = 'a'", "SELECT uid FROM pool WHERE text = 'a--b'"),
    "text and name": ("SELECT uid FROM pool WHERE text = 'url'", "SELECT uid FROM pool WHERE text = url"),
    "text and number": ("SELECT uid FROM pool WHERE text = '1'", "SELECT uid FROM pool WHERE text = 1"),
    "and, or": ("SELECT uid FROM pool WHERE safe AND a", "SELECT uid FROM pool WHERE safe OR a"),
    "order of clauses": ("SELECT uid FROM pool WHERE safe AND a", "SELECT uid FROM pool WHERE a AND safe"),
    "grouping": ("SELECT uid FROM pool WHERE a AND (b OR c)", "SELECT uid FROM pool WHERE (a AND b) OR c"),
    "not": ("SELECT uid FROM pool WHERE safe", "SELECT uid FROM pool WHERE NOT safe"),
    "in, not in": ("SELECT uid FROM pool WHERE a IN (1, 2)", "SELECT uid FROM pool WHERE a NOT IN (1, 2)"),
    "between": ("SELECT uid FROM pool WHERE a BETWEEN 1 AND 2", "SELECT uid FROM pool WHERE a NOT BETWEEN 1 AND 2"),
    "is null": ("SELECT uid FROM pool WHERE a IS NULL", "SELECT uid FROM pool WHERE a IS NOT NULL"),
    "like": ("SELECT uid FROM pool WHERE text LIKE 'a'", "SELECT uid FROM pool WHERE text = 'a'"),
    "false, null": ("SELECT uid FROM pool WHERE safe = FALSE", "SELECT uid FROM pool WHERE safe = NULL"),
    "plus, minus": ("SELECT uid FROM pool WHERE a + b > 1", "SELECT uid FROM pool WHERE a - b > 1"),
    "quantile": ("SELECT uid FROM pool WHERE a > q(0.7)", "SELECT uid FROM pool WHERE a > q(0.07)"),
    "nulls first": ("SELECT uid FROM pool WHERE a > q(0.7)", "SELECT uid FROM pool WHERE a > q(0.7 NULLS FIRST)"),
    "by": ("SELECT uid FROM pool WHERE a > q(0.7)", "SELECT uid FROM pool WHERE a > q(0.7 BY b)"),
    "of": ("SELECT uid FROM pool WHERE a > q(0.7)", "SELECT uid FROM pool WHERE a > q(0.7 OF b)"),
    "direction": ("SELECT uid FROM pool ORDER BY a LIMIT 1", "SELECT uid FROM pool ORDER BY a DESC LIMIT 1"),
    "percent": ("SELECT uid FROM pool ORDER BY a LIMIT 1", "SELECT uid FROM pool ORDER BY a LIMIT 1 PERCENT"),
    "distinct on": ("SELECT uid FROM pool ORDER BY a", "SELECT DISTINCT ON (b) uid FROM pool ORDER BY a"),
    "union, all": (
        "SELECT uid FROM a UNION SELECT uid FROM b",
        "SELECT uid FROM a UNION ALL SELECT uid FROM b",
    ),
    "operands": ("SELECT uid FROM a EXCEPT SELECT uid FROM b", "SELECT uid FROM b EXCEPT SELECT uid FROM a"),
    "name": ("SELECT uid FROM pool WHERE a > 1", "SELECT uid FROM pool WHERE A > 1"),
    "parameters": ("DEFINE f AS a; SELECT uid FROM pool", "DEFINE f() AS a; SELECT uid FROM pool"),
    "default": ("PARAM k DEFAULT 1; SELECT uid FROM pool", "PARAM k DEFAULT 2; SELECT uid FROM pool"),
    "set": (
        f"SET s FROM 'a' SHA256 '{'a' * 64}'; SELECT uid FROM pool",
        f"SET s FROM 'a' SHA256 '{'b' * 64}'; SELECT uid FROM pool",
    ),
    "with": (
        "IMPORT './a.dcql' AS b; SELECT uid FROM b",
        "IMPORT './a.dcql' AS b WITH keep = 0.2; SELECT uid FROM b",
    ),
    "promise": (
        "SELECT uid FROM pool EXPECT kept BETWEEN 1 AND 2",
        "SELECT uid FROM pool EXPECT kept BETWEEN 1 PERCENT AND 2",
    ),
    "case": (
        "SELECT uid FROM pool WHERE CASE WHEN a THEN b ELSE c END",
        "SELECT uid FROM pool WHERE CASE WHEN a THEN c ELSE b END",
    ),
}


def digest(text: str) -> str:
    return recipe_digest(parse(Source("recipe.dcql", text)))


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_layout_changes_no_digest(pair: tuple[str, str]) -> None:
    one, other = pair
    assert digest(one) == digest(other)


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_meaning_changes_the_digest(pair: tuple[str, str]) -> None:
    one, other = pair
    assert digest(one) != digest(other)


def test_every_recipe_above_has_a_digest_of_its_own() -> None:
    texts = {text for pair in OTHER.values() for text in pair}
    assert len({digest(text) for text in texts}) == len(texts)


def test_a_known_digest() -> None:
    words = ["<Recipe", ".query", "<Query", ".body", "<Select", ".relation", "<Name", ".parts", "[1", "'pool"]
    assert list(canonical.tokens(parse(Source("r", "SELECT uid FROM pool")))) == [*words, ">", ">", ">", ">"]
    assert digest("SELECT uid FROM pool") == "sha256:55072c48a3e8c53af7c5bb89bc8fb9f55117a502ca77cfa3ec7a6d5c491d90be"


def test_long_chains_have_a_digest() -> None:
    chain = " UNION ".join(["SELECT uid FROM pool"] * 150)
    either = " OR ".join(f"rating = {n}" for n in range(3000))
    assert digest(chain) != digest(f"SELECT uid FROM pool WHERE {either}")


def test_the_library_counts_as_far_as_it_is_reached() -> None:
    def reached(text: str) -> list[str]:
        return list(library_digests((parse(Source("r", text)),)))

    assert reached("SELECT uid FROM pool WHERE rating > 1") == []
    assert reached("SELECT uid FROM pool WHERE clip_l14 > 0.2") == ["clip_l14"]
    assert reached("SELECT uid FROM pool WHERE clip_l14 >= datacomp_q(0.3)") == ["clip_l14", "datacomp_q"]
    assert reached("DEFINE caption AS url; SELECT uid FROM pool WHERE caption = 'a'") == []
    assert reached("DEFINE mine AS basic_caption; SELECT uid FROM pool WHERE mine") == ["basic_caption"]


def test_a_function_is_known_by_its_meaning_and_not_by_its_summary() -> None:
    from dataclasses import replace

    row = FUNCTIONS["regexp_matches"]
    assert function_digest(row) == function_digest(replace(row, summary="another"))
    assert function_digest(row) != function_digest(replace(row, skips_nulls=True))
    assert len({function_digest(function) for function in FUNCTIONS.values()}) == len(FUNCTIONS)


def test_imports_and_sets_are_part_of_the_key(tmp_path: Path, mixed: object) -> None:
    from dcql.catalog.pool import Pool

    assert isinstance(mixed, Pool)
    values = tmp_path / "grades.txt"
    values.write_text("1\n3\n")
    sha = hashlib.sha256(values.read_bytes()).hexdigest()
    inner = tmp_path / "inner.dcql"
    inner.write_text("SELECT uid FROM pool WHERE clip_b32 > 0.25")
    middle = tmp_path / "middle.dcql"
    middle.write_text("IMPORT './inner.dcql' AS inner; SELECT uid FROM inner WHERE fasttext_words(text) > 1")
    root = tmp_path / "root.dcql"
    root.write_text(
        f"IMPORT './middle.dcql' AS middle; SET grades FROM 'grades.txt' SHA256 '{sha}'; PARAM least DEFAULT 0.2;\n"
        "SELECT uid FROM middle WHERE rating IN grades AND clip_l14 > least"
    )
    before = key_of(compile(root, mixed.schema), mixed)
    assert list(before.imports) == ["middle", "middle.inner"]
    assert list(before.library) == ["clip_b32", "clip_l14"]
    assert list(before.functions) == ["fasttext_words"]
    assert before.sets == (("grades", sha),)
    assert before.parameters == {"least": "1/5"}
    inner.write_text("-- closer\nSELECT uid FROM pool WHERE clip_b32 > 0.250")
    assert key_of(compile(root, mixed.schema), mixed) == before
    inner.write_text("SELECT uid FROM pool WHERE clip_b32 > 0.26")
    after = key_of(compile(root, mixed.schema), mixed)
    assert after.imports["middle.inner"] != before.imports["middle.inner"]
    assert after.imports["middle"] == before.imports["middle"]
    assert after.digest != before.digest
