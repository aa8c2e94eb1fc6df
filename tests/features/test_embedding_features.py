"""Features whose value is a vector: what reads them, what they are asked of, and what is refused."""

import hashlib
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conformance import ONE_THREAD
from features.own import Here, own_model
from features.vectors import (
    PARAMETERS,
    ROWS,
    SUMS,
    VECTORS,
    World,
    cluster,
    damaged,
    half,
    store_content,
    stored,
    use,
)

import dcql
from dcql.demo_pool import open_or_make
from dcql.engine.embeddings import Embeddings
from dcql.engine.features import files
from dcql.engine.features.inputs import Inputs, npz_beside
from dcql.engine.features.report import Computing
from dcql.engine.features.vectors import open_vectors
from dcql.errors import DcqlError, RecipeError, RunError
from dcql.lower import stored as program_store
from dcql.source import Source

ERRORS = Path(__file__).parent / "errors"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("dcql.engine.features.running.Workers", Here)
    return World(tmp_path)


# --- what it means ----------------------------------------------------------------------------------------------------


def test_a_feature_reads_the_vectors_of_another(world: World) -> None:
    assert world.where("cluster = 2") == {n for n in range(ROWS) if cluster(n) == 2}


def test_two_embeddings_of_a_sample(world: World) -> None:
    products = [float(half(n).astype("f8") @ half(n, 1).astype("f8")) for n in range(ROWS)]
    kept = {n for n, product in enumerate(products) if round(product * 1024) > 512}
    assert 0 < len(kept) < ROWS
    assert world.where("pair > 0.5") == kept


def test_vectors_are_rounded_to_float16_before_they_are_read(world: World) -> None:
    sums = [float(half(n).astype("f8").sum()) for n in range(ROWS)]
    assert world.where("total > 0.25") == {n for n, total in enumerate(sums) if round(total * 1024) > 256}
    exact = [sum((byte - 128) / 97 for byte in hashlib.sha256(f"0{n}".encode()).digest()[:4]) for n in range(ROWS)]
    assert any(round(a * 1024) != round(b * 1024) for a, b in zip(sums, exact, strict=True))


def test_it_is_asked_of_the_samples_of_its_readers(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE cluster IN (1, 2) AND grp > 0")
    asked = set(world.run("SELECT uid FROM pool WHERE grp > 0").subset.hex())
    assert 0 < len(asked) < ROWS
    assert sorted(world.vector.asked()) == sorted(asked)
    assert [use(result, name).asked for name in ("mine", "cluster")] == [len(asked)] * 2
    assert result.features is not None
    assert [one.spec.name for one in result.features.uses] == ["mine", "cluster"]


def test_it_is_computed_once_for_several_readers(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1 OR total > 0.5 AND grp > 1")
    assert sorted(world.vector.asked()) == sorted(world.uids)
    assert use(result, "mine").asked == ROWS
    world.vector.forget()
    world.where("total > 0.25 AND cluster < 3")
    assert world.vector.asked() == []


def test_readers_of_different_samples_ask_for_both(world: World) -> None:
    result = world.run("SELECT uid FROM pool WHERE grp > 0 AND cluster = 1 UNION SELECT uid FROM pool WHERE grp = 0 AND"
                       " total > 0.5")  # fmt: skip
    first = set(world.run("SELECT uid FROM pool WHERE grp > 0").subset.hex())
    second = set(world.run("SELECT uid FROM pool WHERE grp = 0").subset.hex())
    assert sorted(world.vector.asked()) == sorted(first | second)
    assert use(result, "mine").asked == len(first | second)
    assert (use(result, "cluster").asked, use(result, "total").asked) == (len(first), len(second))


def test_null_stays_null_and_a_failure_carries_its_reason(world: World) -> None:
    options = "none = 5, fails = 7"
    result = world.run("SELECT uid FROM pool WHERE total IS NULL", options, max_failures=Fraction(1))
    failing = {n for n in range(ROWS) if n % 7 == 1}
    empty = {n for n in range(ROWS) if n % 5 == 0} - failing
    kept = set(result.subset.hex())
    assert {n for n, uid in enumerate(world.uids) if uid in kept} == failing | empty
    for name in ("mine", "total"):
        assert (use(result, name).failed, use(result, name).reasons) == (
            len(failing),
            {"ValueError: no vector": len(failing)},
        )
    there = {world.uids[n] for n in range(ROWS)} - kept
    assert sorted(world.sums.asked()) == sorted(there)


def test_where_no_sample_has_a_vector(world: World, tmp_path: Path) -> None:
    assert world.where("cluster IS NULL", "none = 1") == set(range(ROWS))
    assert store_content(tmp_path / "home") == {}
    assert world.where("cluster IS NULL", "none = 1", compute=False) == set(range(ROWS))


def test_too_many_failures_of_a_vector_fail_the_run(world: World) -> None:
    with pytest.raises(RunError) as caught:
        world.where("cluster = 1", "fails = 7")
    assert caught.value.diagnostics[0].code == "E0612"
    assert "`mine`" in caught.value.diagnostics[0].message


def test_another_embedding_is_another_feature(world: World) -> None:
    first = world.run("SELECT uid FROM pool WHERE cluster = 1")
    second = world.run("SELECT uid FROM pool WHERE cluster = 1", "salt = 3")
    assert use(first, "cluster").id != use(second, "cluster").id
    assert use(first, "mine").id != use(second, "mine").id
    assert use(second, "cluster").computed == ROWS


def test_an_embedding_of_an_embedding(world: World, tmp_path: Path) -> None:
    code = VECTORS.replace("uids, texts", "vectors").replace("[one(text) for text in texts]", "-vectors[:, :3]")
    code = code.replace('log.write("".join(f"{uid}\\n" for uid in uids))', 'log.write(f"{len(vectors)}\\n")')
    code = code.replace('salt, none, fails = options["salt"], options["none"], options["fails"]', "")
    turned = own_model(tmp_path, "turned_of", code, "vectors EMBEDDING", "EMBEDDING")
    query = "SELECT uid FROM pool WHERE product > 0"
    declared = (
        f"{turned.statement}FEATURE turned EMBEDDING USING turned_of(mine);\n"
        "FEATURE product FIXED(10) USING similarity(turned, turned);\n"
    )
    path = world.recipe(f"{declared}{query}")
    result = dcql.run(path, world.pool, resources=ONE_THREAD, computing=Computing(own_code=True, workers=1)).result
    assert result.subset.distinct == ROWS
    assert result.features is not None
    assert [one.spec.name for one in result.features.uses] == ["mine", "turned", "product"]
    (turned_values,) = [v for v in stored("turned").newest_versions() if files.read_footer(v).rows == ROWS // 3][:1]
    assert open_vectors(turned_values, ROWS // 3).shape == (ROWS // 3, 3)


# --- what is refused --------------------------------------------------------------------------------------------------


def refused(world: World, text: str) -> DcqlError:
    with pytest.raises(DcqlError) as caught:
        world.run(text)
    return caught.value


USES = {
    "compared": "SELECT uid FROM pool WHERE mine = 1",
    "whether it is there": "SELECT uid FROM pool WHERE mine IS NOT NULL",
    "ordered by": "SELECT uid FROM pool ORDER BY mine LIMIT 3",
    "ranked": "SELECT uid FROM pool WHERE score > q(0.5 BY mine)",
    "a condition": "SELECT uid FROM pool WHERE mine",
    "in a DEFINE": "DEFINE far AS mine > 2;\nSELECT uid FROM pool",
    "as a column": "FEATURE l TEXT USING fasttext_lid(mine);\nSELECT uid FROM pool WHERE l = 'en'",
}


@pytest.mark.parametrize("use", USES)
def test_it_stands_in_no_expression(world: World, use: str) -> None:
    error = refused(world, USES[use])
    assert isinstance(error, RecipeError)
    assert {one.code for one in error.diagnostics} == {"E0301"}


REFUSED = {
    "E0301_in_an_expression": ("SELECT uid FROM pool WHERE mine = 1", ""),
    "E0205_of_itself": (
        "FEATURE a EMBEDDING USING turn(b);\nFEATURE b EMBEDDING USING turn(a);\n"
        "FEATURE c INT USING nearest(a, places);\nSELECT uid FROM pool WHERE c = 1",
        "",
    ),
    "E0602_fitted_to_a_feature": (
        "ASSET k AS FIT kmeans(mine, k = 3) ON pool SEED 0;\nFEATURE near INT USING nearest(mine, k);\n"
        "SELECT uid FROM pool WHERE near = 1",
        "",
    ),
    "E0606_of_two_lengths": ("SELECT uid FROM pool WHERE t > 0", "[1.0] * (1 + int(text) % 2)"),
    "E0606_too_large": ("SELECT uid FROM pool WHERE t > 0", "[1e6, 1.0]"),
    "E0605_cut_off": ("", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_message(name: str, world: World, tmp_path: Path, update: bool) -> None:
    text, answer = REFUSED[name]
    code = VECTORS.replace("[one(text) for text in texts]", f"[{answer or 'one(text)'} for text in texts]")
    bad = own_model(tmp_path, "bad_of", code, PARAMETERS, "EMBEDDING")
    turn = own_model(tmp_path, "turn", SUMS, "vectors EMBEDDING", "EMBEDDING")
    declared = f"{bad.statement}FEATURE bad EMBEDDING USING bad_of(uid, text);\n{turn.statement}"
    declared += "FEATURE t FIXED(4) USING similarity(bad, bad);\n"
    if not text:
        damaged(world, "cut off")
        text = "SELECT uid FROM pool WHERE total > 0"
    error = refused(world, declared + text)
    assert error.diagnostics[0].code == name[:5]
    said = str(error).replace(str(tmp_path), "<tmp>") + "\n"
    said = re.sub(r"(?<=features/)[0-9a-f]{32}/\w+(?=/)", "<id>/<key>", said)
    expected = ERRORS / f"embedding_{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_a_vector_with_nan_is_a_failure(world: World, tmp_path: Path) -> None:
    code = VECTORS.replace("[one(text) for text in texts]", "[[1.0, float('nan') if int(t) < 3 else 2] for t in texts]")
    odd = own_model(tmp_path, "odd_of", code, PARAMETERS, "EMBEDDING")
    declared = f"{odd.statement}FEATURE odd EMBEDDING USING odd_of(uid, text);\n"
    result = world.run(
        f"{declared}FEATURE s FIXED(4) USING similarity(odd, odd);\nSELECT uid FROM pool WHERE s IS NULL",
        max_failures=Fraction(1),
    )
    assert set(result.subset.hex()) == set(world.uids[:3])
    assert use(result, "odd").reasons == {"the vector holds NaN or infinity": 3}
    assert use(result, "s").reasons == {"the vector holds NaN or infinity": 3}


def test_an_array_of_the_same_name_is_not_read(world: World) -> None:
    """The pool has no .npz, and the feature is what its readers read; a feature of another type hides no array."""
    assert world.where("cluster >= 0") == set(range(ROWS))
    error = refused(world, "FEATURE x INT USING nearest(cluster, places);\nSELECT uid FROM pool WHERE x = 1")
    assert error.diagnostics[0].code == "E0660"


# --- the demo pool's models -------------------------------------------------------------------------------------------


def test_a_program_with_a_feature_inside_of_another_is_stored_whole() -> None:
    text = "FEATURE s FIXED(14) USING similarity(demo_l14_img, demo_l14_txt);\nSELECT uid FROM pool WHERE s > 0.2;"
    compiled = dcql.compile(Source("recipe.dcql", text))
    assert [spec.name for spec in compiled.program.every_feature] == ["demo_l14_img", "demo_l14_txt", "s"]
    assert program_store.decode(program_store.encode(compiled.program), compiled.source) == compiled.program


@pytest.mark.slow
def test_the_shipped_embeddings_of_the_demo_pool_come_out_again() -> None:
    pytest.importorskip("torch")
    text = """
    FEATURE cluster INT USING nearest(demo_l14_img, centroids_l14);
    FEATURE score FIXED(14) USING similarity(demo_l14_img, demo_l14_txt);
    SELECT uid FROM pool WHERE clip_l14 >= q(0.95) AND score IS NOT NULL AND cluster IS NOT NULL
    """
    demo = open_or_make("demo")
    result = dcql.run(Source("recipe.dcql", text), demo, resources=ONE_THREAD).result
    asked = use(result, "demo_l14_img").asked
    assert 1000 < asked < 1200
    for name, key in (("demo_l14_img", "l14_img"), ("demo_l14_txt", "l14_txt")):
        assert use(result, name).spec.model.tolerance == 0.001
        compared = 0
        for path in stored(name).newest_versions():
            rows = files.read_footer(path).rows
            (beside,) = [file for file in demo.files if Inputs(demo).key(file, use(result, name).spec) in str(path)]
            known = np.flatnonzero(files.read_values(path, rows).known)
            shipped = Embeddings.open(npz_beside(beside), key).rows()[known].astype("f8")
            found = open_vectors(path, rows)[known].astype("f8")
            assert np.abs(found - shipped).max() <= 0.001
            compared += len(known)
        assert compared == asked
