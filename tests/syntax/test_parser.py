"""What recipes are read as, what is equal and what is not, where errors are found, and what is too much."""

import re
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from dcql.codes import CODES
from dcql.errors import RecipeError, render
from dcql.source import Source
from dcql.syntax import ast
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.parser import parse, parse_library, read

FOLDER = Path(__file__).parent
KEYWORDS_THAT_MAY_BE_NAMES = """
    all asc asset cite copies dcql default define desc feature first fit group import kept last left licence match model
    nulls of offset param percent q returns rows sample seed set sha256 table tolerance top uid using version weight
    weights window
""".split()  # noqa: SIM905
STATEMENTS = ("DCQL", "SELECT", "(SELECT", "WITH", "DEFINE", "PARAM", "SET", "IMPORT", "MODEL", "FEATURE", "ASSET", ";")


def recipe(text: str) -> ast.Recipe:
    """Parse a recipe, or an expression as the condition of one."""
    for shown, character in (("\\n", "\n"), ("\\r", "\r"), ("\\t", "\t")):
        text = text.replace(shown, character)
    whole = text if text.upper().startswith(STATEMENTS) else f"SELECT uid FROM pool WHERE {text}"
    return parse(Source("test.dcql", whole))


def blocks(name: str) -> Iterator[list[str]]:
    """Yield the blocks of lines of a file of cases, without comments."""
    for block in (FOLDER / name).read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.strip("\n").split("\n") if not line.startswith("#")]
        if lines and lines[0]:
            yield lines


def tree(item: Any) -> str:
    """Draw a tree in one line: the name of each node and its fields."""
    match item:
        case ast.Node():
            inside = (getattr(item, field.name) for field in fields(item) if not field.name.endswith("span"))
            return f"{type(item).__name__}({', '.join(map(tree, inside))})"
        case tuple():
            return f"[{', '.join(map(tree, item))}]"
        case _:
            return str(item) if not isinstance(item, str) else repr(item)


def errors(text: str) -> list[tuple[str, int, int, str]]:
    """Return the code, line, column and words of each error of a recipe."""
    with pytest.raises(RecipeError) as caught:
        parse(Source("test.dcql", text))
    assert render(caught.value.diagnostics)
    return [(d.code, *d.span.source.position(d.span.start), d.span.text) for d in caught.value.diagnostics if d.span]


def test_there_are_pairs_of_every_kind() -> None:
    assert len(list(blocks("near_equal.txt"))) >= 100


@pytest.mark.parametrize("pair", list(blocks("near_equal.txt")), ids=" | ".join)
def test_near_equal_recipes_differ(pair: list[str]) -> None:
    left, right = pair
    assert recipe(left) != recipe(right)


@pytest.mark.parametrize("pair", list(blocks("equal.txt")), ids=" | ".join)
def test_equal_recipes_are_equal(pair: list[str]) -> None:
    left, right = pair
    assert recipe(left) == recipe(right)


def test_trees(update: bool) -> None:
    path = FOLDER / "trees.txt"
    heading = path.read_text(encoding="utf-8").split("\n\n")[0]
    drawn = [heading]
    for text, *_ in blocks("trees.txt"):
        read_as = recipe(text)
        parts = [
            *([read_as.language] if read_as.language else []),
            *read_as.definitions,
            *read_as.stages,
            read_as.query,
            *read_as.expects,
        ]
        shown = parts if text.startswith(STATEMENTS) else [read_as.query.body.where]  # type: ignore[union-attr]
        drawn.append("\n".join([text, *(f"    {tree(part)}" for part in shown)]))
    if update:
        path.write_text("\n\n".join(drawn) + "\n", encoding="utf-8")
    assert "\n\n".join(drawn) + "\n" == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", KEYWORDS_THAT_MAY_BE_NAMES)
def test_keywords_as_names(name: str) -> None:
    text = (
        f"DEFINE a_{name} AS {name} > 1; SELECT uid FROM {name} WHERE {name} IN {name} "
        f"AND {name} > q({name} OF {name} BY {name}) AND q({name}, {name} OF {name}) > {name} "
        f"ORDER BY {name} DESC LIMIT {name} PERCENT;"
    )
    read_as = parse(Source("test.dcql", text))
    assert read_as.query is not None
    assert read_as.query.order[0].expr == ast.Name((name,), span=Source("", "").span(0, 0))


@pytest.mark.parametrize("name", KEYWORDS_THAT_MAY_BE_NAMES)
def test_keywords_as_names_in_statements_about_models(name: str) -> None:
    call = f"{name}({name}, {name} = {name})"
    text = (
        f"MODEL {name}({name} {name} DEFAULT {name}, {name} {name}) RETURNS {name} VERSION 1 TOLERANCE {name};"
        f"FEATURE {name} {name} USING {call}; ASSET {name} FROM {name}; ASSET {name} FROM 'a' SHA256 'b';"
        f"ASSET {name} AS {call}; ASSET {name} AS FIT {call} ON {name} SEED 1;"
    )
    model, feature, *assets = parse_library(Source("test.dcql", text)).definitions
    assert isinstance(model, ast.Model)
    assert isinstance(feature, ast.Feature)
    assert [type(asset) for asset in assets] == [ast.PoolAsset, ast.AssetFile, ast.MadeAsset, ast.FitAsset]
    assert all(definition.name == name and definition.name_span.text == name for definition in (model, feature))
    assert [parameter.type.name for parameter in model.parameters] == [name, name]
    assert feature.using.model.text == name
    assert [argument.name for argument in feature.using.arguments] == [None, name]


def test_spans_of_models() -> None:
    text = (
        "MODEL near(a EMBEDDING, k INT DEFAULT 1) RETURNS FIXED(14) VERSION 2 FROM 'a.py' SHA256 'b'\n"
        "  WEIGHTS 'c' SHA256 'd' OR 'e' SHA256 'f' TOLERANCE 1 / 8 LICENCE 'g' CITE 'h';\n"
        "ASSET c AS FIT near( l14_img, k = 3 ) ON pool SEED 0;"
    )
    model, asset = parse_library(Source("test.dcql", text)).definitions
    assert isinstance(model, ast.Model)
    assert isinstance(asset, ast.FitAsset)
    assert model.span.text + ";\n" + asset.span.text + ";" == text
    written = [*model.parameters, model.returns, model.version, model.code, *model.weights, model.tolerance, model.cite]
    assert [part.span.text for part in written if part is not None] == [
        *("a EMBEDDING", "k INT DEFAULT 1", "FIXED(14)", "2", "FROM 'a.py' SHA256 'b'"),
        *("'c' SHA256 'd'", "'e' SHA256 'f'", "1 / 8", "'h'"),
    ]
    assert asset.name_span.text == "c"
    assert asset.using.span.text == "near( l14_img, k = 3 )"
    assert [argument.span.text for argument in asset.using.arguments] == ["l14_img", "k = 3"]
    assert (asset.on.span.text, asset.seed.span.text) == ("pool", "0")


def test_the_digest_of_a_model_is_that_of_what_it_computes() -> None:
    def digests(text: str) -> list[str]:
        return [recipe_digest(definition) for definition in parse_library(Source("test.dcql", text)).definitions]

    model = "MODEL m(a TEXT) RETURNS INT VERSION 1"
    same = digests(
        f"{model} FROM 'a.py' SHA256 'AB' WEIGHTS 'c' SHA256 'CD' LICENCE 'e' CITE 'f';"
        f"{model} FROM 'b.py' SHA256 'ab' WEIGHTS 'd' SHA256 'cd';"
    )
    assert len(set(same)) == 1
    others = digests(
        f"{model}; {model} WEIGHTS 'c' SHA256 'cd'; {model} FROM 'c' SHA256 'cd'; {model} TOLERANCE 1;"
        f"{model} WEIGHTS 'c' SHA256 'cd' OR 'c' SHA256 'ce'; {model} WEIGHTS 'c' SHA256 'ce' OR 'c' SHA256 'cd';"
        "MODEL m(a TEXT) RETURNS INT VERSION 2; MODEL m(a TEXT DEFAULT 1) RETURNS INT VERSION 1;"
    )
    assert len({*same, *others}) == len(others) + 1
    assert len(set(digests("ASSET a FROM 'a' SHA256 'AB'; ASSET a FROM 'b' SHA256 'ab'"))) == 1
    assert len(set(digests("FEATURE f INT USING m(a); FEATURE f INT USING m(a = a); FEATURE f INT USING n(a)"))) == 3


def test_columns_in_spans() -> None:
    source = Source("test.dcql", "\ufeffSELECT uid -- 🦊\r\nFROM pool\r\nWHERE\t(a + 1) > '🦊' AND b;\r\n")
    query = parse(source).query
    assert query is not None
    assert isinstance(query.body, ast.Select)
    where = query.body.where
    assert isinstance(where, ast.And)
    assert source.position(where.span.start) == (3, 7)
    assert where.span.text == "(a + 1) > '🦊' AND b"
    assert [operand.span.text for operand in where.operands] == ["(a + 1) > '🦊'", "b"]
    assert query.span.text == source.text[1:-3]


def test_each_faulty_statement_gives_one_error_at_its_place() -> None:
    text = (
        "DEFINE a AS width >;\n"
        "DEFINE b AS 'it''s ; fine' = text; -- no; error 'here\n"
        "PARAM c DEFALT 3;\n"
        "DEFINE d AS (height > 2;\n"
        "IMPORT 'a.dcql';\n"
        'DEFINE e AS lang = "en" AND width == 3;\n'
        "SELECT uid FROM pool WHERE a AND b AND;\n"
    )
    assert errors(text) == [
        ("E0102", 1, 20, ""),
        ("E0101", 3, 9, "DEFALT"),
        ("E0104", 4, 13, "("),
        ("E0102", 5, 16, ""),
        ("E0110", 6, 20, '"en"'),
        ("E0113", 6, 35, "=="),
        ("E0102", 7, 39, ""),
    ]


def test_errors_of_order() -> None:
    query, definition = "SELECT uid FROM pool", "DEFINE a AS b"
    assert errors("")[0][0] == "E0140"
    assert errors(";;")[0][0] == "E0140"
    assert errors(f"{query}; {query}; {definition}") == [
        ("E0141", 1, 23, query),
        ("E0142", 1, 45, definition),
    ]


def test_libraries() -> None:
    library = parse_library(Source("library.dcql", "DEFINE a AS b; -- nothing else\n"))
    assert [definition.span.text for definition in library.definitions] == ["DEFINE a AS b"]
    assert library.query is None
    declared = "MODEL m(a TEXT) RETURNS INT VERSION 1; FEATURE f INT USING m(text); ASSET a FROM pool;"
    models = parse_library(Source("library.dcql", declared)).definitions
    assert [type(definition) for definition in models] == [ast.Model, ast.Feature, ast.PoolAsset]
    with pytest.raises(RecipeError, match="E0143"):
        parse_library(Source("library.dcql", "DEFINE a AS b; SELECT uid FROM pool"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.dcql"
    large.write_bytes(b"-" * 1_000_001)
    utf16 = tmp_path / "utf16.dcql"
    utf16.write_bytes("SELECT uid FROM pool".encode("utf-16"))
    for path, code in ((tmp_path / "none", "E0155"), (tmp_path, "E0155"), (large, "E0150"), (utf16, "E0154")):
        with pytest.raises(RecipeError) as caught:
            read(path)
        assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
    marked = tmp_path / "marked.dcql"
    marked.write_bytes(b"\xef\xbb\xbfSELECT uid FROM pool\r\n")
    assert read(marked) == Source(str(marked), "SELECT uid FROM pool\r\n")


WHERE = "SELECT uid FROM pool WHERE "
EXTREMES = {
    "10,000 parentheses": (WHERE + "(" * 10_000 + "a" + ")" * 10_000, "E0151"),
    "10,000 open parentheses": (WHERE + "(" * 10_000, "E0151"),
    "10,000 closing parentheses": (WHERE + "a" + ")" * 10_000, "E0105"),
    "10,000 calls": (WHERE + "f(" * 10_000 + "a" + ")" * 10_000, "E0151"),
    "10,000 queries": ("SELECT uid FROM (" * 10_000 + "SELECT uid FROM pool" + ")" * 10_000, "E0151"),
    "10,000 CASE": (WHERE + "CASE WHEN " * 10_000 + "a" + " THEN b END" * 10_000, "E0151"),
    "10,000 NOT": (WHERE + "NOT " * 10_000 + "a", "E0151"),
    "10,000 signs": (WHERE + "- " * 10_000 + "a > 1", "E0151"),
    "10,000 UNION": (" UNION ".join(["SELECT uid FROM pool"] * 10_000), "E0151"),
    "10,000 AND": (WHERE + " AND ".join(["a"] * 10_000), None),
    "10,001 AND": (WHERE + " AND ".join(["a"] * 10_001), "E0152"),
    "10,001 OR": (WHERE + " OR ".join(["a"] * 10_001), "E0152"),
    "10,001 terms": (WHERE + "+".join(["a"] * 10_001) + " > 1", "E0152"),
    "10,001 factors": (WHERE + "*".join(["a"] * 10_001) + " > 1", "E0152"),
    "200 parentheses": (WHERE + "(" * 200 + "a" + ")" * 200, None),
    "10 MB": (WHERE + "a" * 10_000_000, "E0150"),
    "1 MB of one name": (WHERE + "a" * 999_000 + " b", "E0101"),
    "1 MB of one number": (WHERE + "a > " + "1" * 900_000, "E0108"),
    "an exponent": (WHERE + "a > 1e" + "9" * 9_000, "E0108"),
    "1 MB of one text": (WHERE + "a = '" + "b" * 900_000, "E0103"),
    "10,000 open comments": ("/*\n" * 10_000, "E0112"),
    "10,000 spaces and quotes": ("'" + "; ;" * 10_000 + "x", "E0103"),
    "10,000 braces": ("{a" * 10_000, "E0106"),
    "10,000 faulty statements": ("DEFINE a AS;\n" * 10_000, "E0102"),
    "10,000 double quotes": ('"' * 10_000, "E0110"),
}


@pytest.mark.parametrize(("text", "code"), EXTREMES.values(), ids=EXTREMES)
def test_extremes_are_refused_quickly(text: str, code: str | None) -> None:
    source = Source("test.dcql", text)
    begin = time.process_time()
    if code is None:
        parse(source)
    else:
        with pytest.raises(RecipeError) as caught:
            parse(source)
        assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {code}
        assert len(caught.value.diagnostics) <= 20
        assert all(len(diagnostic.message) < 200 for diagnostic in caught.value.diagnostics)
    assert time.process_time() - begin < 2


def test_the_deepest_trees_can_be_compared_hashed_and_drawn() -> None:
    text = WHERE + "NOT (" * 190 + "a" + ")" * 190
    one, other = (parse(Source("test.dcql", text)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert len(repr(one)) > 190


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("E01")])
def test_every_code_has_a_case_and_an_explanation(code: str) -> None:
    row = CODES[code]
    assert row.title
    assert row.meaning.endswith(".")
    cases = {path.name[:5] for path in (FOLDER.parent / "errors").glob("*.dcql")}
    without_file = {"E0150", "E0155"}  # a megabyte, no file at all: tested above
    assert (code in cases) != (code in without_file)


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("E01")])
def test_the_examples_of_the_explanations(code: str) -> None:
    row = CODES[code]
    read_as = parse_library if code == "E0143" else parse
    if code < "E0150":
        with pytest.raises(RecipeError) as caught:
            read_as(Source("example.dcql", row.example))
        assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]
        read_as(Source("instead.dcql", row.instead))


def test_every_code_is_raised_somewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (FOLDER.parents[1] / "dcql" / "syntax").glob("*.py")]
    raised = {code for text in texts for code in re.findall(r'"(E01\d\d)"', text)}
    assert raised == {code for code in CODES if code.startswith("E01")}
