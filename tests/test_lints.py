"""tests/lints/: recipes with lints and what is said of them, recipes without any, and recipes before and after fixes.

| file | what is tested |
|---|---|
| fires/L001_NAME.dcql | its lints are those of the .txt beside it, the one that it is named after among them |
| silent/L001_NAME.dcql | it has no lint; it is near what the one that it is named after finds |
| fixed/NAME.before.dcql | with all fixes applied it is NAME.after.dcql |

A first line `-- on the pool: mixed` says that samples are looked at. `pytest --update` writes what the tests see.
"""

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conformance import Ready, adversarial, asked
from generate import faulty_texts, recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import for_the_oracle, small

from dcql.catalog.recipes import shipped_recipes
from dcql.catalog.types import DATACOMP, Schema
from dcql.codes import CODES, Code
from dcql.errors import Diagnostic, Edit, RecipeError, render
from dcql.lints import diagnose, fixed, lint
from dcql.lints.diagnose import WITHOUT_POOL
from dcql.lints.fixing import edited
from dcql.source import Source
from dcql.syntax.formatter import formatted
from dcql.syntax.parser import read

FOLDER = Path(__file__).parent / "lints"
FIRES = sorted((FOLDER / "fires").glob("*.dcql"))
SILENT = sorted((FOLDER / "silent").glob("*.dcql"))
FIXED = sorted((FOLDER / "fixed").glob("*.before.dcql"))
LINT_CODES = [code for name, code in CODES.items() if name.startswith("L")]


def pool_of(source: Source) -> Ready | None:
    """Return the pool that a recipe names in its first line."""
    named = re.match(r"-- on the pool: (\w+)", source.text)
    return adversarial(named[1]) if named is not None else None


def linted(source: Source, path: Path | None) -> tuple[Diagnostic, ...]:
    """Return the lints of a recipe, over each form of the pool that it names."""
    ready = pool_of(source)
    if ready is None:
        return lint(source, path=path)
    raw, *others = (lint(source, pool.schema, path=path, pool=pool) for _, pool in ready.opened)
    assert others == [raw]
    return raw


# --- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FIRES, ids=lambda path: path.stem)
def test_it_fires(path: Path, update: bool) -> None:
    found = linted(read(path, path.name), path)
    drawn = render(found) + "\n"
    expected = path.with_suffix(".txt")
    if update:
        expected.write_text(drawn, encoding="utf-8", newline="\n")
    assert path.name[:4] in {one.code for one in found}
    assert {one.severity for one in found} == {"warning"}
    assert drawn == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SILENT, ids=lambda path: path.stem)
def test_it_is_silent(path: Path) -> None:
    assert render(linted(read(path, path.name), path)) == ""


@pytest.mark.parametrize("path", [*FIRES, *SILENT], ids=lambda path: path.stem)
def test_a_formatted_recipe_has_the_same_lints(path: Path) -> None:
    source = read(path, path.name)
    schema = Schema(DATACOMP.columns)
    before, after = (lint(one, schema, path=path) for one in (source, Source(path.name, formatted(source))))
    told = [[(one.code, one.message) for one in found] for found in (before, after)]
    # A comment may come to stand on the line of more.
    assert set(told[1]) <= set(told[0]) if "dcql:" in source.text else told[1] == told[0]


def test_every_lint_has_both_cases_and_every_message_its_recipe() -> None:
    assert {path.name[:4] for path in FIRES} == {code.code for code in LINT_CODES}
    assert {path.name[:4] for path in SILENT} >= {code.code for code in LINT_CODES} - {"L102"}
    assert {path.stem for path in (FOLDER / "fires").glob("*.txt")} == {path.stem for path in FIRES}


@pytest.mark.parametrize("code", LINT_CODES, ids=lambda code: code.code)
def test_every_example_is_what_it_says(code: Code) -> None:
    ready = adversarial("mixed")
    pool = None if code.code in WITHOUT_POOL or code.code.startswith("L1") else ready.raw
    schema = ready.raw.schema if pool is not None else DATACOMP

    def found(text: str) -> set[str]:
        return {one.code for one in lint(Source("recipe.dcql", text), schema, pool=pool)}

    assert found(code.example) == {code.code}
    assert found(code.instead) == set()


@pytest.mark.parametrize("path", sorted(set(shipped_recipes().values())), ids=lambda path: path.stem)
def test_the_recipes_that_ship_have_no_lint(path: Path) -> None:
    assert render(lint(read(path), path=path)) == ""


def test_what_is_wrong_is_told_instead() -> None:
    wrong = Source("a.dcql", "SELECT uid FROM pool WHERE clip_l41 > q(0.7);")
    with pytest.raises(RecipeError) as caught:
        lint(wrong)
    assert diagnose(wrong) == caught.value.diagnostics
    assert [(one.code, one.severity) for one in diagnose(wrong)] == [("E0201", "error")]
    [told] = diagnose(Source("a.dcql", "SELECT uid FROM pool WHERE clip_l14 > q(0.7);"))
    assert (told.code, told.severity) == ("L001", "warning")


@given(st.one_of(recipes(), faulty_texts()))
@settings(max_examples=settings().max_examples // 6)
def test_any_text_has_diagnostics_and_fixes_that_end(text: str) -> None:
    source, schema = Source("generated.dcql", text), small(1).raw.schema
    found = diagnose(source, schema)
    assert all(one.span is None or one.span.source is source for one in found if one.code.startswith("L"))
    if all(one.severity == "warning" for one in found):
        after, _ = fixed(source, lambda one: lint(one, schema))
        assert all(one.fix is None for one in lint(after, schema))


# --- what a pool says: counted from the samples themselves ------------------------------------------------------------


def column(pool: Any, name: str) -> np.ndarray[Any, Any]:
    """Return a FLOAT column of a pool's rows as float32; NULL is NaN."""
    values = [np.nan if value is None else value for value in pool.columns[name]]
    return np.array(values, np.float32)


@pytest.mark.parametrize("form", ["raw", "added"])
def test_as_many_fewer_are_kept_as_lie_at_the_threshold(form: str) -> None:
    ready = adversarial("mixed")
    scores, heights = column(ready.rows, "clip_l14_similarity_score"), column(ready.rows, "original_height")
    known = np.sort(scores[~np.isnan(scores)])
    threshold = known[-(-len(known) * 7 // 10) - 1]
    fewer = int(np.sum((scores == threshold) & (heights >= 100)))
    assert fewer > 1
    text = "SELECT uid FROM pool WHERE clip_l14 > q(0.7) AND height >= 100;"
    pool = dict(ready.opened)[form]
    first = lint(Source("a.dcql", text), pool.schema, pool=pool)[0]
    assert (first.code, first.label) == ("L001", f"here it keeps {fewer} fewer than `>=`, which is DataComp's rule")


@pytest.mark.parametrize(("ties", "fires"), [(2, False), (3, True), (30, True)])
def test_a_tie_class_is_large_above_one_in_a_thousand(ties: int, fires: bool, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = [*range(1000), *([1000] * ties), *range(1001, 2001 + 1 - ties)]
    uids = [f"{number:032x}" for number in range(len(values))]
    pq.write_table(pa.table({"uid": uids, "original_width": pa.array(values, pa.int64())}), tmp_path / "a.parquet")
    from dcql.catalog.pool import open_pool

    assert len(values) == 2001
    pool = open_pool(tmp_path)
    text = "SELECT uid FROM pool WHERE original_width >= q(0.5);"
    found = lint(Source("a.dcql", text), pool.schema, pool=pool)
    assert [one.code for one in found] == (["L007"] if fires else [])
    if fires:
        assert found[0].message.startswith(
            f"{ties} samples lie at the threshold, {100 * ties / 2001:.3g} % of the 2,001"
        )


def test_null_is_counted_where_nothing_else_drops_it() -> None:
    ready = adversarial("mixed")
    scores, heights = column(ready.rows, "clip_l14_similarity_score"), column(ready.rows, "original_height")
    dropped = int(np.sum(np.isnan(scores) & (heights >= 100)))
    assert dropped > 1
    text = "SELECT uid FROM pool WHERE clip_l14 <> 0.25 AND height >= 100;"
    [found] = lint(Source("a.dcql", text), ready.raw.schema, pool=ready.raw)
    assert (found.code, found.message) == ("L010", f"`clip_l14 <> 0.25` drops {dropped} samples for which it is NULL")


# --- fixes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FIXED, ids=lambda path: path.stem)
def test_fixes_are_exact_edits(path: Path, update: bool) -> None:
    source = read(path, path.name)
    after, done = fixed(source, lambda text: lint(text, path=path))
    expected = path.with_name(path.name.replace(".before.", ".after."))
    if update:
        expected.write_text(after.text, encoding="utf-8", newline="\n")
    assert after.text == expected.read_text(encoding="utf-8")
    assert (after.text == source.text) == (not done)
    comments = [re.findall(r"--.*", text) for text in (source.text, after.text)]
    assert [one.rstrip() for one in comments[1]] == [
        one.rstrip() for one in comments[0] if one.rstrip() not in _silenced(done)
    ]
    # Twice is once, whatever the ends of its lines.
    assert fixed(after, lambda text: lint(text, path=path)) == (after, ())
    turned, _ = fixed(Source("a.dcql", source.text.replace("\n", "\r\n")), lambda text: lint(text, path=path))
    assert turned.text == after.text.replace("\n", "\r\n")


def _silenced(done: tuple[Diagnostic, ...]) -> set[str]:
    """Return the comments that were removed because they silence nothing."""
    edits = (edit for one in done if one.code == "L101" and one.fix is not None for edit in one.fix.edits)
    return {edit.span.text.strip() for edit in edits}


def test_every_lint_with_a_fix_has_a_case() -> None:
    done = {one.code for path in FIXED for one in fixed(read(path), lambda text: lint(text, path=FIXED[0]))[1]}
    offered = {one.code for path in FIRES for one in lint(read(path, path.name), path=path) if one.fix is not None}
    assert done >= offered == {"L003", "L005", "L009", "L101"}


# --- every claim, by an independent oracle ----------------------------------------------------------------------------

VALUES = ("grp", "quality", "clip_l14", "original_width", "code_points(text)", "abs(grp)")
POOLS = (3, 4, 6, 9)


def atom(r: random.Random, names: tuple[str, ...]) -> str:
    """Write a condition that has a good chance to follow from another, or to exclude it."""
    value, op = r.choice(VALUES), r.choice(("=", "<>", "<", "<=", ">", ">="))
    number = r.choice(("0", "1", "0.28", "300", "-1"))
    forms = (
        f"{value} {op} {number}",
        f"{value} {op} {number}",
        f"{number} {op} {value}",
        f"{value} IS {r.choice(('', 'NOT '))}NULL",
        f"{value} BETWEEN {number} AND {r.choice(('0', '300'))}",
        f"{value} {r.choice(('', 'NOT '))}IN ({number}, {r.choice(('1', 'NULL'))})",
        f"text {op} {r.choice(('NULL', 'text', chr(39) + 'cat' + chr(39)))}",
        f"text LIKE '{r.choice(('%', '%%', '%a%'))}'",
        f"quality {op} q({r.choice(('0', '0.3', '0.7', '1'))} OF pool)",
        f"{r.choice(('', 'NOT '))}flag",
        r.choice(("TRUE", "1 < 2", "uid IN pool", "FALSE", "coalesce(grp, 1) IS NOT NULL")),
        *(f"{r.choice(('', 'NOT '))}{name}" for name in names),
    )
    return r.choice(forms)


def condition(r: random.Random, names: tuple[str, ...], depth: int = 2) -> str:
    if depth == 0 or r.random() < 0.2:
        return atom(r, names)
    joined = r.choice((" AND ", " AND ", " OR ")).join(condition(r, names, depth - 1) for _ in range(r.randint(2, 3)))
    return f"{r.choice(('', '', '', 'NOT '))}({joined})"


def recipe(r: random.Random) -> str:
    """Write a recipe with a DEFINE and a stage, conditions everywhere."""
    define = f"DEFINE d AS {condition(r, (), 1)};"
    stage = f"WITH s AS (SELECT uid FROM pool WHERE {condition(r, ('d',), 1)})"
    return f"{define}\n{stage}\nSELECT uid FROM {r.choice(('s', 'pool'))} WHERE {condition(r, ('d',))};"


def claimed(source: Source, one: Diagnostic) -> list[Source]:
    """Return texts that keep the same samples, if what a lint says is so."""
    assert one.span is not None
    others = [] if one.fix is None else [edited(source, list(one.fix.edits))]
    if one.code == "L004":
        others.append(edited(source, [Edit(one.span, "(FALSE)")]))
    if one.code == "L003":
        # In words that say whether a value is there.
        truth = "(TRUE)" if "always TRUE" in one.message else f"(({one.span.text}) IS NOT NULL)"
        others.append(edited(source, [Edit(one.span, truth)]))
    return others


def test_what_a_lint_says_is_so() -> None:
    r = random.Random(6)
    seen: dict[str, int] = {}
    schema = small(1).raw.schema
    for number in range(150):
        source = Source("generated.dcql", recipe(r))
        in_a_define = source.text.index(";")
        for one in lint(source, schema):
            # The body of a DEFINE may stand under NOT, where only a fix has to keep what it means.
            claims = claimed(source, one)
            if one.span is not None and one.span.start < in_a_define and one.code != "L006":
                claims = claims[: one.fix is not None]
            if not claims:
                continue
            seen[one.code] = seen.get(one.code, 0) + 1
            rows = small(POOLS[number % len(POOLS)]).rows
            before = asked(for_the_oracle(source.text), rows)
            assert not isinstance(before, str), before
            for other in claims:
                after = asked(for_the_oracle(other.text), rows)
                assert not isinstance(after, str), f"{after}\n{other.text}"
                assert after.npy == before.npy, f"{render([one])}\n\n{source.text}\n\n{other.text}"
    assert min(seen.get(code, 0) for code in ("L003", "L004", "L005")) > 8, seen
