"""What tables become on their way to a subset, and what locks, revisions, submissions and differences know of them."""

import hashlib
import subprocess
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pools
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD, Ready, make_ready, npy_of
from generate import recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import OracleError, npy_bytes, select
from properties import COUNT, for_the_oracle, small

import dcql
from dcql.catalog.inputs import load
from dcql.catalog.pool import Pool
from dcql.compare.revisions import open_revision
from dcql.demo_pool import open_or_make
from dcql.engine.run import run as run_program
from dcql.engine.variants import run_merged
from dcql.errors import DcqlError
from dcql.locks.changes import input_changes
from dcql.locks.lock_file import read_lock
from dcql.lower.lower import lower
from dcql.lower.spark import spark
from dcql.lower.variants import lower_variants
from dcql.plan.edits import edits_between
from dcql.plan.explain import explain
from dcql.plan.passes import optimize
from dcql.plan.variants import merge
from dcql.plan.written import Writer
from dcql.records.locking import key_of, lock_of
from dcql.source import Source
from dcql.submission.recipe_files import named_files
from dcql.syntax.parser import parse, read
from tables import make_scores

HERE = Path(__file__).parent
TABLES = HERE.parent / "conformance" / "tables"
MARKS = [None, 0.0, -0.0, 0.25, 0.3, 1e30, float("nan"), float("inf")]
QUERY = "SELECT uid FROM pool JOIN scores USING (uid) WHERE scores.score >= q(0.5);\n"


def ready() -> Ready:
    return make_ready("joined", pools.base(400, 31), pools.Layout(files=3, permutation=2, empty_file=True))


@pytest.fixture(scope="module")
def pool() -> Ready:
    return ready()


def parquet(**columns: Any) -> bytes:
    """Return a table as parquet."""
    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out)
    return bytes(out.getvalue().to_pybytes())


def scored(pool: Ready, shift: float = 0.0) -> bytes:
    """Return a table with every other sample of a pool."""
    uids = pool.rows.columns["uid"][::2]
    return parquet(uid=uids, score=pa.array([number / len(uids) + shift for number in range(len(uids))], pa.float32()))


def written(folder: Path, content: bytes, query: str = QUERY, name: str = "recipe.dcql") -> Path:
    """Write a table and a recipe that joins it."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "scores.parquet").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / name).write_text(f"TABLE scores FROM 'scores.parquet' SHA256 '{digest}';\n{query}", encoding="utf-8")
    return folder / name


# --- phases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["plan", "sql"])
def test_what_each_phase_makes_of_joins(phase: str, pool: Ready, update: bool, tmp_path: Path) -> None:
    text = (HERE / "joined.dcql").read_text(encoding="utf-8")
    for name in ("scores", "files"):
        content = (TABLES / f"{name}.parquet").read_bytes()
        (tmp_path / f"{name}.parquet").write_bytes(content)
        text = text.replace(f"@{name}", hashlib.sha256(content).hexdigest())
    path = tmp_path / "joined.dcql"
    path.write_text(text, encoding="utf-8")
    compiled = dcql.compile(path, pool.raw.schema)
    if phase == "plan":
        found = explain(optimize(compiled.plan))
    else:
        program = compiled.program
        joins = [(read.name, part) for read in program.tables for part in (read.loaded, read.keys, read.aligned)]
        statements = [*joins, ("samples", program.samples.raw), *program.statements()]
        found = "\n\n".join(f"-- {title}\n{statement.text};" for title, statement in statements) + "\n"
    expected = HERE / f"joined.{phase}"
    if update:
        expected.write_text(found, encoding="utf-8", newline="\n")
    assert found == expected.read_text(encoding="utf-8")


def test_the_order_of_samples_is_kept(pool: Ready, tmp_path: Path) -> None:
    """Marks are matched to samples by their order: so a program that joins has them, and looks nothing up."""
    program = dcql.compile(written(tmp_path, scored(pool)), pool.raw.schema).program
    assert program.marks is not None
    assert "JOIN" not in program.marks.statement.text


@settings(max_examples=60)
@given(number=st.integers(0, COUNT - 1), data=st.data())
def test_random_recipes_with_tables(number: int, data: st.DataObject) -> None:
    forms = small(number)
    uids = data.draw(st.lists(st.sampled_from(forms.rows.columns["uid"] or ["0"]), unique=True))
    marks = data.draw(st.lists(st.sampled_from(MARKS), min_size=len(uids), max_size=len(uids)))
    table = parquet(
        uid=pa.array(uids, pa.string()),
        mark=pa.array(marks, pa.float32()),
        votes=pa.array(list(range(len(uids))), pa.int32()),
    )
    statement = f"TABLE joined FROM 'joined.parquet' SHA256 '{hashlib.sha256(table).hexdigest()}'"
    text = for_the_oracle(data.draw(recipes(depth=2, tables=(statement,))))
    try:
        wanted: bytes | str = npy_bytes(select(text, forms.rows, files={"joined.parquet": table}))
    except OracleError as error:
        wanted = error.code
    found: list[bytes | str] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.dcql"
        path.with_name("joined.parquet").write_bytes(table)
        path.write_text(text, encoding="utf-8", newline="")
        compiled = cache(lambda schema: dcql.compile(path, schema).program)  # both forms have the same columns
        for _, opened in forms.opened:
            try:
                program = compiled(opened.schema)
                found.append(npy_of(run_program(program, opened, ONE_THREAD)))
            except DcqlError as error:
                found.append(str(error))
    if isinstance(wanted, str):
        assert all(isinstance(one, str) for one in found), (text, wanted)
    else:
        assert found == [wanted] * len(found), text


def test_the_preview_for_spark_refuses_tables(pool: Ready, tmp_path: Path) -> None:
    program = dcql.compile(written(tmp_path, scored(pool)), pool.raw.schema).program
    with pytest.raises(DcqlError, match="E1541"):
        spark(program)


# --- locks ------------------------------------------------------------------------------------------------------------


def added(pool: Ready) -> Pool:
    assert pool.added is not None
    return pool.added


def test_a_lock_pins_the_table(pool: Ready, tmp_path: Path) -> None:
    content = scored(pool)
    path = written(tmp_path, content)
    lock = lock_of(dcql.compiler.run(path, added(pool)))
    digest = hashlib.sha256(content).hexdigest()
    assert lock.key.tables == (("scores", digest, "uid"),)
    (tmp_path / "recipe.lock").write_text(lock.text(), encoding="utf-8")
    again = read_lock(tmp_path / "recipe.lock")
    assert again.key == lock.key
    assert again.key.digest == lock.key.digest


def test_what_changes_a_lock(pool: Ready, tmp_path: Path) -> None:
    def key(path: Path) -> Any:
        return key_of(dcql.compile(path, added(pool).schema), added(pool))

    before = key(written(tmp_path / "a", scored(pool)))
    moved = key(written(tmp_path / "b", scored(pool)))
    other = key(written(tmp_path / "c", scored(pool, shift=1.0)))
    assert moved == before
    assert other.digest != before.digest
    recipe, table = input_changes(before, other, "pool", "pool")
    assert recipe.startswith("recipe: ")
    assert table.startswith("table `scores`: ")


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_submission_takes_tables_along(pool: Ready, tmp_path: Path) -> None:
    written(tmp_path / "parts", scored(pool))
    path = tmp_path / "root.dcql"
    path.write_text("IMPORT 'parts/recipe.dcql' AS base;\nSELECT uid FROM base;\n", encoding="utf-8")
    recipe = parse(read(path))
    found = named_files(recipe, load(recipe, path), tmp_path)
    assert list(found) == ["parts/recipe.dcql", "parts/scores.parquet"]


def test_a_revision_has_its_own_table(pool: Ready, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    written(tmp_path, scored(pool))
    git("add", "-A")
    git("commit", "-qm", "first")
    path = written(tmp_path, scored(pool, shift=0.25))
    monkeypatch.chdir(tmp_path)
    with ExitStack() as opened:
        source, file = open_revision("HEAD:recipe.dcql", opened)
        old = dcql.compile(source, pool.raw.schema, path=file).plan
    new = dcql.compile(path, pool.raw.schema).plan
    assert [edit.kind for edit in edits_between(old, new).edits] == ["table changed"]


def test_a_recipe_of_text_alone_joins_nothing() -> None:
    text = "TABLE t FROM 't.parquet' SHA256 '0';\nSELECT uid FROM pool JOIN t USING (uid);\n"
    with pytest.raises(DcqlError, match="E0209"):
        dcql.compile(Source("text", text))


# --- several plans ----------------------------------------------------------------------------------------------------


JOIN, LEFT_JOIN = "FROM pool JOIN scores USING (uid)", "FROM pool LEFT JOIN scores USING (uid)"
EDITS: dict[str, tuple[str, str, list[str]]] = {
    "a join for a left join": (f"SELECT uid {LEFT_JOIN};", f"SELECT uid {JOIN};", ["clause added"]),
    "a join is taken away": (f"SELECT uid {JOIN};", "SELECT uid FROM pool;", ["clause removed"]),
    "a left join is added": ("SELECT uid FROM pool;", f"SELECT uid {LEFT_JOIN};", []),
    "conditions change places": (
        f"SELECT uid {JOIN} WHERE votes > 1 AND score > 0;",
        f"SELECT uid {JOIN} WHERE score > 0 AND votes > 1;",
        [],
    ),
    "a threshold changes": (QUERY, QUERY.replace("0.5", "0.6"), ["clause changed"]),
}


def test_joins_that_are_written_back_are_the_same(pool: Ready, tmp_path: Path) -> None:
    query = (
        "WITH some AS (SELECT uid FROM pool JOIN scores USING (uid))\n"
        "SELECT uid FROM (SELECT uid FROM some) JOIN scores USING (uid)\n"
        "WHERE scores.score > 0.25 AND scores.score < 1\n"
        "UNION SELECT uid FROM pool WHERE uid NOT IN (SELECT uid FROM some JOIN scores USING (uid));\n"
    )
    plan = dcql.compile(written(tmp_path, scored(pool), query), pool.raw.schema).plan
    writer = Writer()
    (stage,) = plan.stages
    again = f"WITH some AS ({writer.relation(stage.relation)}) {writer.relation(plan.query)};\n"
    back = dcql.compile(written(tmp_path / "back", scored(pool), again), pool.raw.schema).plan
    assert (back.stages, back.query) == (plan.stages, plan.query), again


@pytest.mark.parametrize("name", EDITS)
def test_edits(name: str, pool: Ready, tmp_path: Path) -> None:
    old, new, kinds = EDITS[name]
    content = parquet(uid=pool.rows.columns["uid"][:9], score=[0.5] * 9, votes=[1] * 9)
    schema = type(pool.raw.schema)(tuple(c for c in pool.raw.schema.columns if c.name != "score"))
    plans = [
        dcql.compile(written(tmp_path / side, content, text), schema).plan for side, text in (("a", old), ("b", new))
    ]
    assert [edit.kind for edit in edits_between(*plans).edits] == kinds


def test_another_name_for_a_table_is_no_edit(pool: Ready, tmp_path: Path) -> None:
    path = written(tmp_path, scored(pool))
    other = tmp_path / "other.dcql"
    text = path.read_text(encoding="utf-8").replace("scores.parquet", "@")
    other.write_text(text.replace("scores", "marks").replace("@", "scores.parquet"), encoding="utf-8")
    plans = [dcql.compile(one, pool.raw.schema).plan for one in (path, other)]
    assert edits_between(*plans).edits == ()


def test_two_tables_of_one_name_are_two(pool: Ready, tmp_path: Path) -> None:
    """As in a difference, where the content of a table changed: both run in one program, each on its own rows."""
    uids = pool.rows.columns["uid"][::2]
    reverse = pa.array([1 - number / len(uids) for number in range(len(uids))], pa.float32())
    paths = [written(tmp_path / "a", scored(pool)), written(tmp_path / "b", parquet(uid=uids, score=reverse))]
    plans = [dcql.compile(path, pool.raw.schema).plan for path in paths]
    merged = merge([optimize(plan) for plan in plans])
    lowered = lower_variants(merged)
    assert len(lowered.program.tables) == 2
    for opened in (pool.raw, added(pool)):
        variants = run_merged(merged, lowered, opened, ONE_THREAD)
        alone = [run_program(lower(optimize(plan)), opened, ONE_THREAD).subset.hash for plan in plans]
        assert [variants.subset(number).hash for number in (0, 1)] == alone
        assert alone[0] != alone[1]
    (edit,) = edits_between(*plans).edits
    assert edit.words.startswith("table changed: scores: sha256 ")


# --- the table of the pages -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_table_of_the_pages_is_what_is_said_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path))
    made, kept = make_scores.scores(open_or_make("demo")), pq.read_table(make_scores.FILE)
    assert made.drop_columns("variety").equals(kept.drop_columns("variety"))
    pairs = zip(made["variety"].to_pylist(), kept["variety"].to_pylist(), strict=True)
    assert all(a == b or (a != a and b != b) for a, b in pairs)


@pytest.mark.slow
def test_the_tables_of_the_conformance_recipes_are_what_makes_them() -> None:
    from conformance import make_tables

    for name, make in make_tables.MADE.items():
        made, kept = make(), pq.read_table(make_tables.FOLDER / name)
        assert made.schema.names == kept.schema.names
        assert str(made.to_pydict()) == str(kept.to_pydict()), name
