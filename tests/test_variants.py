"""Several plans in one run keep what each of them keeps alone."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pytest
from conformance import ONE_THREAD, RECIPES, adversarial, shared_sessions
from conformance.models import ready_for_models
from features.own import Here, logging_model, recipe_file
from generate import NUMBERS, recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from pools.featured import featured, write_featured
from properties import COUNT, small

import dcql
from dcql.catalog.pool import Pool, open_pool
from dcql.catalog.recipes import shipped_recipes
from dcql.catalog.types import Schema
from dcql.compiler import check
from dcql.engine.add import add
from dcql.engine.duck import Session
from dcql.engine.features.report import Computing
from dcql.engine.run import Result, run
from dcql.errors import DcqlError, RunError
from dcql.lower.lower import lower
from dcql.lower.program import Program
from dcql.plan.nodes import Plan
from dcql.plan.passes import optimize
from dcql.plan.variants import EVERY
from dcql.source import Source
from dcql.variants import run_variants

OWN_CODE = Computing(own_code=True)


def program_of(plan: Plan) -> Program:
    # Plans that differ in the words of a threshold alone are equal, and each run tells its own words.
    return _lowered(plan, repr(plan))


@cache
def _lowered(plan: Plan, _words: str) -> Program:
    return lower(optimize(replace(plan, promises=())))


def check_file(path: Path, schema: Schema) -> Plan:
    return check(Source(str(path), path.read_text(encoding="utf-8")), schema, path=path)


def alone(plan: Plan, pool: Pool) -> Result:
    """Run a plan as the only one, its promises left out."""
    return run(program_of(plan), pool, ONE_THREAD, computing=OWN_CODE)


def differences(plans: Sequence[Plan], pool: Pool) -> Iterator[str]:
    """Yield in what plans that run together differ from each alone."""
    with shared_sessions():
        results = [alone(plan, pool) for plan in plans]
        every = alone(EVERY, pool)
        together = run_variants(plans, pool, ONE_THREAD, computing=OWN_CODE)
    if pool.added and not np.array_equal(together.uids, every.subset.uids):
        yield "other uids"
    if not pool.added and not np.logical_or.reduce(together.kept).all():
        yield "uids that no variant keeps"
    assert len(together.kept) == len(together.copies) == len(together.statistics) == len(plans)
    hashes = together.hashes()
    for number, result in enumerate(results):
        if together.subset(number) != result.subset:
            yield f"{number}: {together.subset(number)!r}, alone {result.subset!r}"
        if hashes[number] != result.subset.hash:
            yield f"{number}: another hash"
        if (copies := together.copies[number]) is not None and np.any((copies > 0) != together.kept[number]):
            yield f"{number}: copies of samples that are left out"
        found = tuple(one for stage in result.stages for one in stage)
        if together.statistics[number] != found:
            yield f"{number}: {together.statistics[number]}, alone {found}"


def planned(texts: Sequence[str], pool: Pool) -> list[Plan]:
    """Check recipes; leave out those that dcql refuses, be it for copies or weights that the pool's samples have."""
    plans: list[Plan] = []
    for text in texts:
        with suppress(DcqlError):
            plan = check(Source("generated.dcql", text), pool.schema)
            if "copies" in text or "WEIGHT" in text:
                alone(plan, pool)
            plans.append(plan)
    return plans


@st.composite
def families(draw: st.DrawFn) -> list[str]:
    """Recipes that have much in common: some, and the same with other numbers or one clause less."""
    found: list[str] = []
    for text in draw(st.lists(recipes(depth=2), min_size=1, max_size=3)):
        found.append(text)
        for _ in range(draw(st.integers(0, 3))):
            places = list(re.finditer(r"(?<![\w.'])\d+(\.\d+)?(?![\w.'])", text))
            if not places:
                break
            at = places[draw(st.integers(0, len(places) - 1))]
            found.append(text[: at.start()] + draw(st.sampled_from(NUMBERS)) + text[at.end() :])
    return found


numbers = st.integers(0, COUNT - 1)
forms = st.sampled_from(["raw", "added"])


@settings(max_examples=settings().max_examples // 5)
@given(families(), numbers, forms)
def test_plans_together_keep_what_each_keeps_alone(texts: list[str], number: int, form: str) -> None:
    pool = dict(small(number).opened)[form]
    plans = planned(texts, pool)
    if plans:
        assert list(differences(plans, pool)) == []


@settings(max_examples=settings().max_examples // 60)
@given(st.lists(recipes(depth=2), min_size=32, max_size=32), numbers, forms)
def test_thirty_two_plans_together(texts: list[str], number: int, form: str) -> None:
    pool = dict(small(number).opened)[form]
    plans = planned(texts, pool)
    assert list(differences(plans, pool)) == []


@pytest.mark.parametrize(
    ("name", "form"), [pytest.param("not_a_number", "raw", marks=pytest.mark.slow), ("odd_uids", "added")]
)
def test_every_recipe_of_the_conformance_tests_together(name: str, form: str) -> None:
    pool = dict(adversarial(name).opened)[form]
    plans = [check_file(path, pool.schema) for path in RECIPES.values()]
    assert list(differences(plans, pool)) == []


# --- what plans share, and what has but the name in common ------------------------------------------------------------


def plans_of(*texts: str, pool: Pool) -> list[Plan]:
    return [check(Source("recipe.dcql", text), pool.schema) for text in texts]


def queries_of(plans: Sequence[Plan], pool: Pool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run plans together; return the SQL that is sent to DuckDB, in order."""
    sent: list[str] = []
    query = Session._submit

    def noted(session: Session, statement: Any, *rest: Any) -> Any:
        sent.append(statement.text)
        return query(session, statement, *rest)

    monkeypatch.setattr(Session, "_submit", noted)
    run_variants(plans, pool, ONE_THREAD)
    return sent


def test_thresholds_of_one_stage_come_from_one_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = adversarial("mixed").raw
    text = "SELECT uid FROM pool WHERE contains(text, 'dog') AND clip_l14 * 2 >= q(0.{}) AND clip_b32 >= 0.2"
    sent = queries_of(plans_of(*(text.format(tenth) for tenth in range(1, 10)), pool=pool), pool, monkeypatch)
    assert len(sent) == 2
    assert sent[0].count("value1") == 1
    assert "value2" not in sent[0]
    # One column each, for nine WHEREs hold these clauses; a WHEN for each threshold.
    assert sent[1].lower().count("contains") == 1
    assert sent[1].count("0.2") == 1
    assert len(set(re.findall(r"\$q\d+", sent[1]))) == 9


@pytest.mark.parametrize(
    ("recipes", "skips"),
    [
        (("clip_l14 >= q(0.3)", "clip_l14 > q(0.7)", "clip_l14 >= 0.25"), ("least",)),
        (("width < 300", "width <= q(0.5)"), ("greatest",)),
        (("clip_l14 >= q(0.3) AND width < 300", "width < 200 AND clip_l14 >= 2"), ("least", "greatest")),
        # No bound holds of every sample that one of them keeps.
        (("clip_l14 >= q(0.3)", "clip_l14 <= q(0.7)"), ()),
        (("clip_l14 >= q(0.3)", "width >= 300"), ()),
        (("clip_l14 >= q(0.3)", "clip_l14 = 0.25"), ()),
    ],
)
def test_a_raw_scan_skips_what_no_variant_keeps(
    recipes: tuple[str, ...], skips: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = adversarial("mixed").raw
    plans = plans_of(*(f"SELECT uid FROM pool WHERE {where}" for where in recipes), pool=pool)
    assert list(differences(plans, pool)) == []
    read: list[str] = []
    query = Session._submit

    def noted(session: Session, statement: Any, source: Any, *rest: Any) -> Any:
        read.append(source.samples.text.lower())
        return query(session, statement, source, *rest)

    monkeypatch.setattr(Session, "_submit", noted)
    run_variants(plans, pool, ONE_THREAD)
    assert tuple(word for word in ("least", "greatest") if word in read[-1]) == skips


def test_text_is_looked_at_where_some_variant_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = adversarial("mixed").raw
    text = "SELECT uid FROM pool WHERE contains(text, 'dog') AND width >= {}"
    sent = queries_of(plans_of(text.format(100), text.format(300), pool=pool), pool, monkeypatch)
    guard = sent[-1][: sent[-1].lower().index("contains")]
    assert "100" in guard
    assert "300" in guard
    for widths in ((100, 300), (300, 100)):
        assert list(differences(plans_of(*map(text.format, widths), pool=pool), pool)) == []
    text_alone = "SELECT uid FROM pool WHERE contains(text, 'dog')"
    sent = queries_of(plans_of(text.format(100), text_alone, pool=pool), pool, monkeypatch)
    assert list(differences(plans_of(text.format(100), text_alone, pool=pool), pool)) == []
    assert "100" not in sent[-1][: sent[-1].lower().index("contains")].split("FROM")[-1]


def test_a_cut_is_called_as_its_own_plan_has_it() -> None:
    pool = adversarial("mixed").raw
    text = "SELECT uid FROM pool SAMPLE 5 ROWS SEED 1 WEIGHT BY greatest(clip_l14 - q(0, width{}), 0)"
    plans = plans_of(text.format(""), text.format(" OF pool"), pool=pool)
    assert plans[0] == plans[1]
    assert list(differences(plans, pool)) == []


STAGE = "WITH some AS (SELECT uid FROM pool WHERE {}) SELECT uid FROM some WHERE clip_l14 >= q(0.5 OF some)"


@pytest.mark.parametrize("form", ["raw", "added"])
def test_stages_of_one_name_and_stages_of_one_meaning(form: str) -> None:
    pool = dict(adversarial("mixed").opened)[form]
    plans = plans_of(
        STAGE.format("width >= 300"),
        STAGE.format("width >= 200"),
        STAGE.format("width >= 300").replace("some", "other"),
        "WITH some AS (SELECT uid FROM pool WHERE width >= 300) SELECT uid FROM some",
        "WITH other AS (SELECT uid FROM pool WHERE width >= 200), some AS (SELECT uid FROM other WHERE safe) "
        "SELECT uid FROM pool WHERE uid IN some OR clip_l14 >= q(0.9 OF other BY grp)",
        pool=pool,
    )
    assert list(differences(plans, pool)) == []
    together = run_variants(plans, pool, ONE_THREAD)
    assert together.statistics[0][0].population == "some"
    assert together.statistics[2][0].population == "other"
    assert together.statistics[0][0].value == together.statistics[2][0].value


@pytest.mark.parametrize("form", ["raw", "added"])
def test_a_statistic_waits_for_no_threshold_of_another_plan(form: str) -> None:
    pool = dict(adversarial("mixed").opened)[form]
    # The text that both look at is guarded by the numbers of both: in the first's LIMIT, q of the second is not known.
    plans = plans_of(
        "SELECT uid FROM pool WHERE width > 1 AND caption LIKE '%a%' ORDER BY clip_b32 LIMIT 30",
        "WITH best AS (SELECT uid FROM pool ORDER BY clip_b32 LIMIT 50) "
        "SELECT uid FROM pool WHERE clip_l14 >= q(0.5 OF best) AND caption LIKE '%a%'",
        pool=pool,
    )
    assert list(differences(plans, pool)) == []


@pytest.mark.parametrize("form", ["raw", "added"])
def test_samples_of_several_shares_and_seeds_together(form: str) -> None:
    pool = dict(adversarial("mixed").opened)[form]
    good = "SELECT uid FROM pool WHERE clip_l14 >= q(0.3)"
    plans = plans_of(
        *(f"{good} SAMPLE {share} PERCENT SEED {seed}" for share in (0, 10, 50, 100) for seed in (1, 2)),
        *(f"{good} SAMPLE {rows} ROWS SEED {seed}" for rows in (0, 10, 100_000) for seed in (1, 2)),
        f"{good} SAMPLE 10 ROWS SEED 1 WEIGHT BY CASE WHEN width > 300 THEN 3 ELSE 1 END",
        f"({good} SAMPLE 50 PERCENT SEED 1) UNION ALL ({good} SAMPLE 50 PERCENT SEED 2) SAMPLE 60 PERCENT SEED 3",
        pool=pool,
    )
    assert list(differences(plans, pool)) == []


def test_more_variants_than_a_word_has_bits() -> None:
    pool = adversarial("fp16_ties").added
    assert pool is not None
    texts = [f"SELECT uid FROM pool WHERE clip_l14 >= q(0.{number:02})" for number in range(70)]
    plans = plans_of(*texts, texts[5], pool=pool)
    together = run_variants(plans, pool, ONE_THREAD)
    values = np.sort(np.array(adversarial("fp16_ties").rows.columns["clip_l14_similarity_score"], "f4"))
    thresholds = [values[max(1, -(-300 * number // 100)) - 1] for number in range(70)]
    expected = [int((values >= each).sum()) for each in thresholds]
    assert [int(kept.sum()) for kept in together.kept] == [*expected, expected[5]]
    with shared_sessions():
        assert together.subset(40) == alone(plans[40], pool).subset


@pytest.mark.parametrize("form", ["raw", "added"])
def test_a_pool_that_comes_in_many_pieces(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcql.engine.sources._ROWS_TOGETHER", 900)
    monkeypatch.setattr("dcql.engine.duck._BATCH_ROWS", 500)
    pool = dict(adversarial("mixed").opened)[form]
    doubled = "SELECT uid FROM pool UNION ALL SELECT uid FROM pool WHERE width >= 300"
    assert list(differences(plans_of("SELECT uid FROM pool WHERE safe", doubled, pool=pool), pool)) == []


def test_an_error_of_one_is_the_error_of_all() -> None:
    pool = adversarial("fp16_ties").raw
    stages = ", ".join(
        f"s{n} AS (SELECT uid FROM {source} UNION ALL SELECT uid FROM {source})"
        for n, source in enumerate(["pool", *(f"s{n}" for n in range(32))])
    )
    plans = plans_of("SELECT uid FROM pool", f"WITH {stages} SELECT uid FROM s32", pool=pool)
    with pytest.raises(RunError, match="E0728"):
        run_variants(plans, pool, ONE_THREAD)


def test_a_uid_that_a_raw_pool_holds_twice_may_not_be_kept(tmp_path: Path) -> None:
    rows = pools.base(20, 1)
    uids = rows.columns["uid"]
    pools.write(rows.with_columns(uid=[*uids[:19], uids[3]]), tmp_path / "twice")
    pool = open_pool(tmp_path / "twice")
    none = plans_of("SELECT uid FROM pool WHERE width < 0", pool=pool)
    assert run_variants(none, pool, ONE_THREAD).subset(0).distinct == 0
    with pytest.raises(RunError, match="E0754"):
        run_variants([*none, EVERY], pool, ONE_THREAD)


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of its own."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("DCQL_HOME", str(folder))
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    return folder


WORDS = "FEATURE words INT USING {model}(uid, text);\n"
KEPT = (
    "SELECT uid FROM pool WHERE words > 3 AND safe",
    "SELECT uid FROM pool WHERE words > 5 AND safe AND clip_l14 >= q(0.4)",
    "WITH few AS (SELECT uid FROM pool WHERE grp = 1) SELECT uid FROM few WHERE words <= q(0.5 OF few)",
)


def both_forms(rows: pools.Pool, folder: Path) -> list[Pool]:
    pools.write(rows, folder / "pool", layout=pools.Layout(files=3, empty_file=True))
    return [open_pool(folder / "pool"), add("small", folder / "pool")]


def with_models(*texts: str, folder: Path, pool: Pool) -> list[Plan]:
    return [dcql.compile(recipe_file(folder, text), pool.schema).plan for text in texts]


def test_a_feature_is_computed_once_for_all_that_ask(home: Path, tmp_path: Path) -> None:
    rows = pools.base(300, 4)
    counts = logging_model(tmp_path, "words_of", "return len(text.split())", "INT")
    head = counts.statement + WORDS.format(model="words_of")
    pool = both_forms(rows, tmp_path)[1]
    plans = with_models(*(head + text for text in KEPT), folder=tmp_path, pool=pool)
    run_variants(plans, pool, ONE_THREAD, computing=OWN_CODE)
    safe_or_1 = zip(rows.columns["uid"], rows.columns["safe"], rows.columns["grp"], strict=True)
    assert sorted(counts.asked()) == sorted(uid for uid, safe, grp in safe_or_1 if safe or grp == 1)


@pytest.mark.parametrize("form", [0, 1], ids=["raw", "added"])
def test_features_of_one_name_may_be_of_two_models(form: int, home: Path, tmp_path: Path) -> None:
    pool = both_forms(pools.base(300, 4), tmp_path)[form]
    models = [
        logging_model(tmp_path, "words_of", "return len(text.split())", "INT"),
        logging_model(tmp_path, "letters_of", "return len(text) // 6", "INT"),
    ]
    texts = [
        models[number].statement + WORDS.format(model=name) + text
        for number, name in enumerate(["words_of", "letters_of"])
        for text in KEPT
    ]
    plans = with_models(*texts, folder=tmp_path, pool=pool)
    together = run_variants(plans, pool, ONE_THREAD, computing=OWN_CODE)
    assert list(differences(plans, pool)) == []  # everything is stored now, so one scan does all
    assert [kept.tolist() for kept in together.kept] == [
        kept.tolist() for kept in run_variants(plans, pool, ONE_THREAD).kept
    ]
    assert together.kept[0].tolist() != together.kept[3].tolist()


PLACES = """
ASSET places AS FIT kmeans(l14_img, k = 4) ON {on} SEED {seed};
FEATURE near INT USING nearest(l14_img, places);
"""


@pytest.mark.parametrize("form", [0, 1], ids=["raw", "added"])
def test_assets_of_one_name_may_be_fitted_to_other_samples(form: int, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    write_featured(featured(pools.base(240, 41), 42), tmp_path / "pool", layout=pools.Layout(files=2))
    pool = [open_pool(tmp_path / "pool"), add("small", tmp_path / "pool")][form]
    some = "WITH some AS (SELECT uid FROM pool WHERE {}) SELECT uid FROM some WHERE near = 2 OR near = 1"
    plans = plans_of(
        PLACES.format(on="some", seed=7) + some.format("safe"),
        PLACES.format(on="some", seed=7) + some.format("width >= 300"),
        PLACES.format(on="some", seed=8) + some.format("safe"),
        PLACES.format(on="pool", seed=7) + some.format("safe"),
        PLACES.format(on="other", seed=7) + some.format("safe").replace("some", "other"),
        pool=pool,
    )
    assert list(differences(plans, pool)) == []


@pytest.mark.slow
def test_recipes_with_models_together(home: Path) -> None:
    ready = ready_for_models(home)
    schema = ready.raw.schema
    paths = sorted((Path(__file__).parent / "golden").glob("*.dcql"))
    plans = [check_file(path, schema) for path in (*paths, *shipped_recipes().values())]
    for _, pool in ready.opened:
        assert list(differences(plans, pool)) == []
