"""Which samples a feature is asked of: the law of SEMANTICS 4.19 and 4.20.

A case is a recipe, and for each feature the recipes whose samples it is asked of, written by hand from the law. The
features are models that log every sample, and stand in the oracle's pool as ordinary columns: so the oracle, which
knows nothing of features, says which samples those are and what the recipe keeps.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import oracle
import pools
import pytest
from conformance import ONE_THREAD, with_library
from features.own import Here, OwnModel, logging_model, recipe_file

import dcql
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add
from dcql.engine.features.running import Computing
from dcql.engine.run import Result
from dcql.errors import RecipeError
from dcql.source import Source

ROWS = 400
OWN_CODE = Computing(own_code=True)
EVERY = "SELECT uid FROM pool"
MODELS = {
    "kind": ("return text.split()[0] if text.split() else None", "TEXT"),
    "words": ("return len(text.split())", "INT"),
    "share": ("return text.count('a') / 16", "FLOAT"),
    "even": ("return len(text) % 2 == 0", "BOOL"),
}
OUTPUTS = {"kind": "TEXT", "words": "INT", "share": "FIXED(14)", "even": "BOOL"}


def column(name: str, text: str | None) -> object:
    """Return what a model says of a caption, here in Python."""
    if text is None:
        return None
    match name:
        case "kind":
            return text.split()[0] if text.split() else None
        case "words":
            return len(text.split())
        case "share":
            return text.count("a") / 16
        case _:
            return len(text) % 2 == 0


@cache  # the oracle reads a pool once
def rows() -> pools.Pool:
    """Return a pool some of whose captions are NULL."""
    pool = pools.base(ROWS, 31)
    captions = [None if i % 17 == 0 else text for i, text in enumerate(pool.columns["text"])]
    return pool.with_columns(text=captions)


@cache
def with_columns() -> pools.Pool:
    """Return the pool in which the features are ordinary columns."""
    pool = rows()
    types = {"kind": "string", "words": "int64", "share": "float32", "even": "bool"}
    made = {name: [column(name, text) for text in pool.columns["text"]] for name in types}
    return pools.Pool(pool.columns | made, pool.types | types)


@dataclass(frozen=True)
class World:
    """A pool in a folder, and four models beside it."""

    folder: Path
    pool: Pool
    models: dict[str, OwnModel]

    @property
    def declared(self) -> str:
        models = "".join(model.statement for model in self.models.values())
        return models + "".join(f"FEATURE {n} {t} USING {n}_of(uid, text);\n" for n, t in OUTPUTS.items())

    def run(self, query: str, name: str = "recipe.dcql", pool: Pool | None = None) -> Result:
        path = recipe_file(self.folder, self.declared + query, name)
        return dcql.run(path, pool or self.pool, resources=ONE_THREAD, computing=OWN_CODE).result

    def forget(self) -> None:
        for model in self.models.values():
            model.forget()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    pools.write(rows(), tmp_path / "pool", layout=pools.Layout(files=3, empty_file=True))
    models = {name: logging_model(tmp_path, f"{name}_of", *of) for name, of in MODELS.items()}
    return World(tmp_path, open_pool(tmp_path / "pool"), models)


def selected(query: str) -> set[str]:
    """Return the uids that a recipe keeps, by the oracle, where features are columns."""
    return {uid.hex() for uid in oracle.select(with_library(query), with_columns())}


GRP, SAFE, KIND, WORDS = "grp > 0", "safe", "kind = 'a'", "words > 3"
CASES: dict[str, tuple[str, dict[str, list[str]]]] = {
    "after the cheap conjunct before it": (
        f"{EVERY} WHERE {GRP} AND {KIND}",
        {"kind": [f"{EVERY} WHERE {GRP}"]},
    ),
    "after the cheap conjunct behind it": (
        f"{EVERY} WHERE {KIND} AND {GRP}",
        {"kind": [f"{EVERY} WHERE {GRP}"]},
    ),
    "after cheap conjuncts on both sides": (
        f"{EVERY} WHERE {SAFE} AND {KIND} AND {GRP}",
        {"kind": [f"{EVERY} WHERE {GRP} AND {SAFE}"]},
    ),
    "of everything where nothing is cheap": (f"{EVERY} WHERE {KIND}", {"kind": [EVERY]}),
    "a cheap conjunct that is NULL asks nothing": (
        f"{EVERY} WHERE {KIND} AND (score > 0 OR score > 100)",
        {"kind": [f"{EVERY} WHERE score > 0"]},
    ),
    "the second after the first": (
        f"{EVERY} WHERE {KIND} AND {GRP} AND {WORDS}",
        {"kind": [f"{EVERY} WHERE {GRP}"], "words": [f"{EVERY} WHERE {GRP} AND {KIND}"]},
    ),
    "the other order asks otherwise": (
        f"{EVERY} WHERE {WORDS} AND {GRP} AND {KIND}",
        {"words": [f"{EVERY} WHERE {GRP}"], "kind": [f"{EVERY} WHERE {GRP} AND {WORDS}"]},
    ),
    "three in a row": (
        f"{EVERY} WHERE {KIND} AND even AND {WORDS} AND {SAFE}",
        {
            "kind": [f"{EVERY} WHERE {SAFE}"],
            "even": [f"{EVERY} WHERE {SAFE} AND {KIND}"],
            "words": [f"{EVERY} WHERE {SAFE} AND {KIND} AND even"],
        },
    ),
    "one feature in two conjuncts": (
        f"{EVERY} WHERE words > 2 AND words < 6 AND {GRP}",
        {"words": [f"{EVERY} WHERE {GRP}", f"{EVERY} WHERE {GRP} AND words > 2"]},
    ),
    "OR asks of the conjunct's whole input": (
        f"{EVERY} WHERE ({SAFE} OR {KIND} OR {WORDS}) AND {GRP}",
        {"kind": [f"{EVERY} WHERE {GRP}"], "words": [f"{EVERY} WHERE {GRP}"]},
    ),
    "AND under OR as well": (
        f"{EVERY} WHERE ({SAFE} AND {KIND}) OR {GRP}",
        {"kind": [EVERY]},
    ),
    "NOT asks of the conjunct's whole input": (
        f"{EVERY} WHERE NOT ({SAFE} AND {KIND}) AND {GRP}",
        {"kind": [f"{EVERY} WHERE {GRP}"]},
    ),
    "CASE asks of the conjunct's whole input": (
        f"{EVERY} WHERE CASE WHEN {SAFE} THEN {KIND} ELSE {GRP} END AND rating > 1",
        {"kind": [f"{EVERY} WHERE rating > 1"]},
    ),
    "q of the pool is cheap": (
        f"{EVERY} WHERE {KIND} AND clip_l14 >= q(0.9)",
        {"kind": [f"{EVERY} WHERE clip_l14 >= q(0.9)"]},
    ),
    "q of a feature asks of the whole pool": (f"{EVERY} WHERE {GRP} AND share >= q(0.5)", {"share": [EVERY]}),
    "q of a stage asks of the stage, and of what is compared": (
        f"WITH some AS ({EVERY} WHERE {SAFE}) {EVERY} WHERE {GRP} AND share >= q(0.5 OF some)",
        {"share": [f"{EVERY} WHERE {SAFE}", f"{EVERY} WHERE {GRP}"]},
    ),
    "a conjunct with a feature in its q is a feature conjunct": (
        f"WITH some AS ({EVERY} WHERE {SAFE}) {EVERY} WHERE clip_l14 >= q(0.5 OF some BY even) AND {GRP} AND {KIND}",
        {
            "even": [f"{EVERY} WHERE {SAFE}", f"{EVERY} WHERE {GRP}"],
            "kind": [f"WITH some AS ({EVERY} WHERE {SAFE}) {EVERY} WHERE clip_l14 >= q(0.5 OF some BY even) AND {GRP}"],
        },
    ),
    "BY asks of the whole pool": (f"{EVERY} WHERE {GRP} AND clip_l14 >= q(0.5 BY kind)", {"kind": [EVERY]}),
    "ORDER BY asks of what is left": (
        f"{EVERY} WHERE {GRP} AND {SAFE} ORDER BY words LIMIT 30",
        {"words": [f"{EVERY} WHERE {GRP} AND {SAFE}"]},
    ),
    "ORDER BY asks after the features of WHERE": (
        f"{EVERY} WHERE {KIND} AND {GRP} ORDER BY words DESC, share LIMIT 30 PERCENT",
        {
            "kind": [f"{EVERY} WHERE {GRP}"],
            "words": [f"{EVERY} WHERE {GRP} AND {KIND}"],
            "share": [f"{EVERY} WHERE {GRP} AND {KIND}"],
        },
    ),
    "DISTINCT ON asks of what is left, its ORDER BY too": (
        f"SELECT DISTINCT ON (kind) uid FROM pool WHERE {GRP} ORDER BY words",
        {"kind": [f"{EVERY} WHERE {GRP}"], "words": [f"{EVERY} WHERE {GRP}"]},
    ),
    "a stage narrows": (
        f"WITH some AS ({EVERY} WHERE {GRP}) SELECT uid FROM some WHERE {KIND} AND {SAFE}",
        {"kind": [f"{EVERY} WHERE {GRP} AND {SAFE}"]},
    ),
    "a stage narrows what is told by its WHERE": (
        f"WITH some AS ({EVERY} WHERE {GRP}) SELECT uid FROM some WHERE {SAFE} AND {KIND}",
        {"kind": [f"{EVERY} WHERE {GRP} AND {SAFE}"]},
    ),
    "a stage that asks, and the query after it": (
        f"WITH some AS ({EVERY} WHERE {GRP} AND {KIND}) SELECT uid FROM some WHERE {WORDS}",
        {"kind": [f"{EVERY} WHERE {GRP}"], "words": [f"{EVERY} WHERE {GRP} AND {KIND}"]},
    ),
    "a stage that nothing reads asks nothing": (
        f"WITH unread AS ({EVERY} WHERE {KIND}) {EVERY} WHERE {GRP} AND {WORDS}",
        {"words": [f"{EVERY} WHERE {GRP}"]},
    ),
    "a query in FROM is a WHERE of its own": (
        f"SELECT uid FROM ({EVERY} WHERE {KIND}) WHERE {GRP} AND {WORDS}",
        {"kind": [EVERY], "words": [f"{EVERY} WHERE {KIND} AND {GRP}"]},
    ),
    "a LIMIT in FROM narrows": (
        f"SELECT uid FROM ({EVERY} ORDER BY clip_l14 DESC LIMIT 50) WHERE {KIND}",
        {"kind": [f"{EVERY} ORDER BY clip_l14 DESC LIMIT 50"]},
    ),
    "operands of UNION ask by themselves": (
        f"{EVERY} WHERE {GRP} AND {KIND} UNION {EVERY} WHERE {SAFE} AND {WORDS} "
        f"EXCEPT {EVERY} WHERE rating > 3 AND even",
        {
            "kind": [f"{EVERY} WHERE {GRP}"],
            "words": [f"{EVERY} WHERE {SAFE}"],
            "even": [f"{EVERY} WHERE rating > 3"],
        },
    ),
    "one feature in two operands": (
        f"{EVERY} WHERE {GRP} AND {KIND} UNION ALL {EVERY} WHERE {SAFE} AND kind = 'of'",
        {"kind": [f"{EVERY} WHERE {GRP}", f"{EVERY} WHERE {SAFE}"]},
    ),
    "IN (SELECT ..) asks by itself, and is a feature conjunct": (
        f"{EVERY} WHERE uid IN ({EVERY} WHERE {SAFE} AND {KIND}) AND {GRP} AND {WORDS}",
        {
            "kind": [f"{EVERY} WHERE {SAFE}"],
            "words": [f"{EVERY} WHERE {GRP} AND {SAFE} AND {KIND}"],
        },
    ),
    "IN (SELECT ..) of what is asked around it": (
        f"{EVERY} WHERE {GRP} AND {KIND} AND uid IN ({EVERY} WHERE {GRP} AND {KIND} AND {WORDS})",
        {"kind": [f"{EVERY} WHERE {GRP}"], "words": [f"{EVERY} WHERE {GRP} AND {KIND}"]},
    ),
    "an operation that has no value": (
        f"{EVERY} WHERE {GRP} AND 7 / (words - 3) > 0 AND {KIND}",
        {"words": [f"{EVERY} WHERE {GRP}"], "kind": [f"{EVERY} WHERE {GRP} AND 7 / (words - 3) > 0"]},
    ),
    "a DEFINE is one conjunct": (
        f"DEFINE simple AS {KIND} AND {GRP}; {EVERY} WHERE simple AND {SAFE} AND {WORDS}",
        {"kind": [f"{EVERY} WHERE {SAFE}"], "words": [f"{EVERY} WHERE {SAFE} AND {KIND} AND {GRP}"]},
    ),
    "a DEFINE without a feature is cheap": (
        f"DEFINE best(p) AS clip_l14 >= q(1 - p) AND {SAFE}; {EVERY} WHERE {KIND} AND best(0.2)",
        {"kind": [f"{EVERY} WHERE clip_l14 >= q(0.8) AND {SAFE}"]},
    ),
    "a DEFINE of a feature": (
        f"DEFINE long AS words * 2 > 6; {EVERY} WHERE long AND {GRP}",
        {"words": [f"{EVERY} WHERE {GRP}"]},
    ),
}


@pytest.mark.thinned(3)
@pytest.mark.parametrize("case", CASES)
def test_asked_and_kept(case: str, world: World) -> None:
    query, asked = CASES[case]
    result = world.run(query)
    assert {uid.zfill(32) for uid in result.subset.hex()} == selected(query)
    wanted = {name: set().union(*map(selected, asked.get(name, []))) for name in MODELS}
    for name, model in world.models.items():
        assert sorted(model.asked()) == sorted(wanted[name]), name  # each once, and no other
    assert result.features is not None
    told = {use.spec.name: (use.asked, use.computed) for use in result.features.uses}
    assert told == {name: (len(uids), len(uids)) for name, uids in wanted.items() if name in asked}


@pytest.mark.thinned(3)
@pytest.mark.parametrize("case", CASES)
def test_what_the_store_holds_more_changes_nothing(case: str, world: World, tmp_path: Path) -> None:
    query, asked = CASES[case]
    added = add("small", tmp_path / "pool")
    cold = world.run(query, pool=added)
    for name in MODELS:
        world.run(f"{EVERY} WHERE {name} IS NULL", pool=added)
    world.forget()
    warm = world.run(query, pool=added)
    assert [model.asked() for model in world.models.values()] == [[], [], [], []]
    assert cold.features is not None
    assert warm.features is not None
    assert warm.subset.hash == cold.subset.hash
    assert warm.funnel == cold.funnel
    assert warm.stages == cold.stages
    assert set(warm.features.digests) == set(asked)
    assert warm.features.digests == cold.features.digests
    assert warm.features.margins == cold.features.margins
    assert [use.asked for use in warm.features.uses] == [use.asked for use in cold.features.uses]
    assert {use.computed for use in warm.features.uses} <= {0}


# --- what is told of it -----------------------------------------------------------------------------------------------


def demands(query: str, world: World) -> list[tuple[str, str]]:
    path = recipe_file(world.folder, world.declared + query)
    return [(one.feature, one.why) for one in dcql.compile(path, world.pool.schema).program.demands]


def test_a_demand_says_why(world: World) -> None:
    asked = demands(f"{EVERY} WHERE {KIND} AND {GRP} AND clip_l14 >= q(0.5) AND {WORDS}", world)
    assert asked == [
        ("kind", "grp > 0 AND clip_l14 >= q(0.5)"),
        ("words", "grp > 0 AND clip_l14 >= q(0.5) AND kind = 'a'"),
    ]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (f"{GRP} AND {SAFE} AND {KIND} AND {WORDS}", [("asked1", 2, 4), ("asked2", 3, 4)]),
        (f"{KIND} AND {GRP} AND {WORDS}", []),  # what kind is asked by comes after it
        (f"{WORDS} AND {KIND}", [("asked2", 1, 2)]),
        (f"{GRP} AND ({KIND} OR {WORDS})", [("asked1", 1, 2), ("asked2", 1, 2)]),
    ],
)
def test_the_funnel_tells_whom_a_feature_is_asked_of(
    where: str, told: list[tuple[str, int, int]], world: World
) -> None:
    path = recipe_file(world.folder, f"{world.declared}{EVERY} WHERE {where}")
    marks = dcql.compile(path, world.pool.schema).program.marks
    assert marks is not None
    assert [(name, one.least, one.most) for name, one in marks.told] == told
    columns = [f"asked{number}" for number in (1, 2) if f'AS "asked{number}"' in marks.statement.text]
    assert not {name for name, *_ in told} & set(columns)


@pytest.mark.parametrize(("cheap", "narrow"), [(253, True), (254, False)])
def test_a_funnel_of_more_clauses_than_a_byte_counts(cheap: int, narrow: bool, world: World, tmp_path: Path) -> None:
    """A sample of the pool passes up to `cheap` + 1 clauses, and one more marks what is not read."""
    query = f"{EVERY} WHERE {' AND '.join(f'grp < {cheap - n}' for n in range(cheap))} AND {KIND}"
    path = recipe_file(world.folder, world.declared + query)
    marks = dcql.compile(path, world.pool.schema).program.marks
    assert marks is not None
    assert ("UTINYINT" in marks.statement.text, "USMALLINT" in marks.statement.text) == (narrow, not narrow)
    added = add("small", tmp_path / "pool")
    world.run(f"{EVERY} WHERE kind IS NULL", pool=added)
    warm = world.run(query, pool=added)
    assert {uid.zfill(32) for uid in warm.subset.hex()} == selected(query)
    assert warm.features is not None
    assert warm.features.uses[0].asked == len(selected(f"{EVERY} WHERE grp < 1"))


def test_a_demand_of_the_pool_needs_no_query(world: World) -> None:
    path = recipe_file(world.folder, world.declared + f"{EVERY} WHERE share >= q(0.5)")
    (demand,) = dcql.compile(path, world.pool.schema).program.demands
    assert (demand.feature, demand.why, demand.statement) == ("share", "every sample", None)


def test_the_example_asks_of_a_tenth(world: World) -> None:
    pool = rows()
    scores = sorted(pool.columns["clip_l14_similarity_score"], reverse=True)
    best = [score >= scores[ROWS // 10] for score in pool.columns["clip_l14_similarity_score"]]
    world.run(f"{EVERY} WHERE clip_l14 >= q(0.9) AND {KIND}")
    asked = world.models["kind"].asked()
    assert set(asked) == {uid for uid, is_best in zip(pool.columns["uid"], best, strict=True) if is_best}
    assert len(asked) <= ROWS * 0.12  # the scores at the threshold tie


def test_a_feature_that_another_recipe_computed_is_read(world: World) -> None:
    world.run(f"{EVERY} WHERE {SAFE} AND {KIND}")
    world.forget()
    second = world.run(f"{EVERY} WHERE clip_l14 >= q(0.5) AND {SAFE} AND kind = 'of'", "second.dcql")
    assert world.models["kind"].asked() == []
    assert second.features is not None
    assert [use.computed for use in second.features.uses] == [0]


def test_only_what_another_recipe_left_is_computed(world: World) -> None:
    world.run(f"{EVERY} WHERE {SAFE} AND {KIND}")
    world.forget()
    world.run(f"{EVERY} WHERE {GRP} AND {KIND}", "second.dcql")
    assert set(world.models["kind"].asked()) == selected(f"{EVERY} WHERE {GRP}") - selected(f"{EVERY} WHERE {SAFE}")


# --- imported recipes -------------------------------------------------------------------------------------------------


def test_an_imported_recipe_asks_for_its_features(world: World) -> None:
    recipe_file(world.folder, f"{world.declared}{EVERY} WHERE {GRP} AND {KIND}", "base.dcql")
    text = f"IMPORT './base.dcql' AS base;\n{world.declared}SELECT uid FROM base WHERE {SAFE} AND {WORDS}"
    path = recipe_file(world.folder, text)
    result = dcql.run(path, world.pool, resources=ONE_THREAD, computing=OWN_CODE).result
    assert set(world.models["kind"].asked()) == selected(f"{EVERY} WHERE {GRP}")
    assert set(world.models["words"].asked()) == selected(f"{EVERY} WHERE {GRP} AND {KIND} AND {SAFE}")
    assert set(result.subset.hex()) == selected(f"{EVERY} WHERE {GRP} AND {KIND} AND {SAFE} AND {WORDS}")


def test_what_is_asked_of_an_import_is_asked_as_if_it_stood_there(world: World) -> None:
    recipe_file(world.folder, f"{world.declared}PARAM least DEFAULT 3; {EVERY} WHERE words > least", "base.dcql")
    text = f"IMPORT './base.dcql' AS base WITH least = 5;\n{EVERY} WHERE {GRP} AND uid IN base"
    result = dcql.run(recipe_file(world.folder, text), world.pool, resources=ONE_THREAD, computing=OWN_CODE).result
    assert set(world.models["words"].asked()) == selected(EVERY)
    assert set(result.subset.hex()) == selected(f"{EVERY} WHERE {GRP} AND words > 5")


def test_one_feature_under_two_names_is_computed_once(world: World) -> None:
    recipe_file(world.folder, f"{world.declared}{EVERY} WHERE {SAFE} AND {KIND}", "base.dcql")
    query = f"{EVERY} WHERE {SAFE} AND kind = 'of' UNION SELECT uid FROM base"
    text = f"IMPORT './base.dcql' AS base;\n{world.declared}{query}"
    result = dcql.run(recipe_file(world.folder, text), world.pool, resources=ONE_THREAD, computing=OWN_CODE).result
    assert sorted(world.models["kind"].asked()) == sorted(selected(f"{EVERY} WHERE {SAFE}"))
    assert set(result.subset.hex()) == selected(f"{EVERY} WHERE {SAFE} AND (kind = 'a' OR kind = 'of')")
    assert result.features is not None
    assert {use.spec.name for use in result.features.uses} == {"kind", "base.kind"}
    assert len({use.id for use in result.features.uses}) == 1


# --- pools at the edge ------------------------------------------------------------------------------------------------


def test_a_pool_without_samples_asks_nothing(world: World) -> None:
    pools.write(rows().head(0), world.folder / "empty", layout=pools.Layout(files=2))
    result = world.run(f"{EVERY} WHERE {GRP} AND {KIND}", pool=open_pool(world.folder / "empty"))
    assert result.subset.distinct == 0
    assert world.models["kind"].asked() == []


def test_text_alone_reads_no_model_of_a_users(world: World) -> None:
    """A recipe that is no file has no folder to read code from."""
    with pytest.raises(RecipeError) as caught:
        dcql.compile(Source("text", world.declared + EVERY))
    assert {one.code for one in caught.value.diagnostics} == {"E0209"}
    assert re.search("save the recipe as a file", str(caught.value))
