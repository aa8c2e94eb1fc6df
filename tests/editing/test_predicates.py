"""The condition under the cursor, and the recipe that counts what it keeps, against a run of the recipe by hand."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dcql.catalog.pool import Pool, open_pool
from dcql.catalog.types import DATACOMP, Type
from dcql.editing.counting import Rate, rate
from dcql.editing.document import Document
from dcql.editing.predicates import predicate_at, question, type_of
from dcql.limits import Limits
from dcql.source import Source

Marked = Callable[[str], tuple[Document, int]]
LIMITS = Limits(time=60.0)


@pytest.mark.parametrize(
    ("text", "condition", "relation"),
    [
        ("SELECT uid FROM pool WHERE wid|th > 2 AND height > 3", "width > 2", "pool"),
        ("SELECT uid FROM pool WHERE width > 2 AND hei|ght > 3 OR text = 'a'", None, None),
        ("SELECT uid FROM pool WHERE width > 2 AND (height > 3 OR te|xt = 'a')", "height > 3 OR text = 'a'", "pool"),
        ("SELECT uid FROM pool WHERE big A|ND width > 2", None, None),
        ("SELECT uid FROM po|ol WHERE width > 2", None, None),
        ("SELECT uid FROM pool WHERE width > 2 ORDER BY wi|dth LIMIT 3", None, None),
        ("WITH a AS (SELECT uid FROM pool WHERE wi|dth > 2) SELECT uid FROM a", "width > 2", "pool"),
        ("WITH a AS (SELECT uid FROM pool) SELECT uid FROM a WHERE wi|dth > 2", "width > 2", "a"),
        ("SELECT uid FROM pool WHERE uid IN (SELECT uid FROM pool WHERE wi|dth > 2)", "width > 2", "pool"),
        ("DEFINE big AS width > 2 AND hei|ght > 3", "height > 3", "pool"),
        ("DEFINE big(x) AS width > |x", None, None),
        ("SELECT uid FROM pool WHERE wi|dth >", None, None),
    ],
)
def test_the_condition_under_the_cursor(text: str, condition: str | None, relation: str | None, marked: Marked) -> None:
    document, offset = marked(text)
    found = predicate_at(document, offset)
    if " OR " in text and condition is None:
        # OR binds looser than AND: the whole is one condition.
        assert found is not None
        assert found.span.text == text.replace("|", "")[text.index("WHERE") + 6 :]
        return
    assert (found.span.text.strip("()") if found else None) == condition
    assert (found.relation if found else None) == relation


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Ten samples, whose widths are 1 to 10, and whose text is `a` for the odd ones."""
    folder = tmp_path_factory.mktemp("ten")
    columns = {
        "uid": [f"{i:032x}" for i in range(1, 11)],
        "original_width": list(range(1, 11)),
        "text": ["a" if i % 2 else "b" for i in range(1, 11)],
    }
    pq.write_table(pa.table(columns), folder / "00000000.parquet")
    return open_pool(folder)


@pytest.mark.parametrize(
    ("text", "kept", "samples"),
    [
        ("SELECT uid FROM pool WHERE original_wi|dth > 7", 3, 10),
        ("DEFINE odd AS text = 'a'; SELECT uid FROM pool WHERE o|dd", 5, 10),
        (
            "DEFINE odd AS text = 'a' AND original_width >= start; "
            "PARAM start DEFAULT 3; SELECT uid FROM pool WHERE original_width > start AND o|dd",
            4,
            10,
        ),
        ("DEFINE odd AS text = 'a' AND original_width >= sta|rt; PARAM start DEFAULT 3; SELECT uid FROM pool", 8, 10),
        ("WITH a AS (SELECT uid FROM pool WHERE text = 'a') SELECT uid FROM a WHERE original_wi|dth > 7", 1, 5),
        (
            "WITH a AS (SELECT uid FROM pool WHERE text = 'a'), b AS (SELECT uid FROM a WHERE original_width > 1) "
            "SELECT uid FROM b WHERE original_wi|dth >= q(0.5 OF b)",
            3,
            4,
        ),
        ("SELECT uid FROM pool WHERE original_wi|dth >= q(0.8) -- comment", 3, 10),
        # A stage is a name below it alone: here width is the library's.
        ("WITH a AS (SELECT uid FROM pool WHERE wi|dth > 7), width AS (SELECT uid FROM a) SELECT uid FROM a", 3, 10),
        ("SELECT uid FROM (SELECT uid FROM pool WHERE text = 'b') WHERE original_wi|dth > 3", 4, 5),
    ],
)
def test_what_a_condition_keeps(text: str, kept: int, samples: int, pool: Pool, marked: Marked) -> None:
    document, offset = marked(text)
    predicate = predicate_at(document, offset)
    assert predicate is not None
    assert rate(question(document, predicate), pool.source, document.path, LIMITS) == Rate(kept, samples)


def test_a_feature_that_is_not_stored_is_not_computed(pool: Pool, marked: Marked) -> None:
    document, offset = marked("SELECT uid FROM pool WHERE la|ng = 'en'")
    predicate = predicate_at(document, offset)
    assert predicate is not None
    assert "is not stored" in rate(question(document, predicate), pool.source, None, LIMITS).fault


def test_counting_reads_the_files_of_the_recipe(pool: Pool, folder: Path) -> None:
    import hashlib

    digest = hashlib.sha256(b"a").hexdigest()
    text = f"SET s FROM 'values.txt' SHA256 '{digest}'; SELECT uid FROM pool WHERE text IN s"
    document = Document(Source("recipe", text), folder / "recipe.dcql")
    predicate = predicate_at(document, len(text) - 2)
    assert predicate is not None
    assert rate(question(document, predicate), pool.source, document.path, LIMITS) == Rate(5, 10)


@pytest.mark.parametrize(
    ("expression", "type_"),
    [
        ("original_width", Type.INT),
        ("big", Type.BOOL),
        ("text", Type.TEXT),
        ("clip_l14_similarity_score + 1", Type.FLOAT),
        ("late", Type.BOOL),
        ("nonsense(", None),
        ("nothing", None),
    ],
)
def test_types(expression: str, type_: Type | None) -> None:
    text = "DEFINE big AS original_width > 200; DEFINE late AS big AND text = 'a'; SELECT uid FROM pool"
    document = Document(Source("recipe", text))
    assert type_of(document, expression, DATACOMP) == type_
