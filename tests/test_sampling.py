"""SAMPLE: the arithmetic of weights, what a run refuses, seeds from elsewhere, and what `why` says of a draw."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import pools
import pytest
from conformance import ONE_THREAD, adversarial, make_ready, ran, shared_sessions
from sqlglot import exp
from why.test_verdict import explained

from dcql.catalog.pool import Pool
from dcql.catalog.types import DATACOMP
from dcql.compiler import check
from dcql.engine.run import run
from dcql.errors import DcqlError, RunError
from dcql.inspect.why import SampleTold
from dcql.lower import sql
from dcql.lower.lower import lower
from dcql.source import Source
from dcql.subset import UID

FORMS = pytest.mark.parametrize("form", ["raw", "added"])


@cache
def hash_of(seed: str, uid: str) -> bytes:
    return hashlib.sha256(b"dcql.sample.v1\0" + seed.encode() + b"\0" + bytes.fromhex(uid)).digest()


def kept(text: str, pool: Pool) -> set[str]:
    """Run a recipe; return the uids that it keeps."""
    uids = ran(text, pool).subset.uids
    assert uids.dtype == UID
    return {f"{high:016x}{low:016x}" for high, low in uids.tolist()}


def refused(text: str, settings: dict[str, str] | None = None, path: Path | None = None) -> list[str]:
    """Return the codes with which a recipe is refused."""
    with pytest.raises(DcqlError) as caught:
        check(Source("recipe.dcql", text), DATACOMP, settings, path)
    return [one.code for one in caught.value.diagnostics]


# --- arithmetic -------------------------------------------------------------------------------------------------------

NEAR = (0, 1, 2, 2**52, 2**53 - 2, 2**53 - 1, 2**53, 2**53 + 1, 2**54, 2**54 + 1, 2**54 + 2, 2**63 - 1, 2**63)
EDGES = (*NEAR, 2**63 + 1024, 2**63 + 1023, 2**64 - 2049, 2**64 - 1025, 2**64 - 1024, 2**64 - 2, 2**64 - 1)


@pytest.mark.parametrize("h64", EDGES)
def test_u_is_the_nearest_double_up_to_the_last_hash(h64: int) -> None:
    text = sql.uniform(exp.Literal.string(f"{h64:016x}" + "7" * 48)).sql(dialect="duckdb")
    ((u,),) = duckdb.sql(f"SELECT {text}").fetchall()
    assert u == float(h64 + 1) / 2.0**64  # Python rounds whole numbers to even
    assert 0 < u <= 1


@pytest.mark.parametrize("percent", [0, 1, 100])
@FORMS
def test_a_share_is_an_exact_bound_on_the_hash(percent: int, form: str) -> None:
    pool = adversarial("mixed")
    # A hash of the pool lies at the bound: it is left out, and with the next bound it is in.
    uid = pool.rows.columns["uid"][percent]
    h64 = int.from_bytes(hash_of("7", uid)[:8], "big")
    at, after = (f"SELECT uid FROM pool SAMPLE 100 * {bound} / {2**64} PERCENT SEED 7" for bound in (h64, h64 + 1))
    opened = dict(pool.opened)[form]
    assert uid not in kept(at, opened)
    assert kept(after, opened) - kept(at, opened) == {uid}


# --- what a run refuses -----------------------------------------------------------------------------------------------


def weights() -> pools.Pool:
    uids = sorted(pools.md5_uid(row, "weights/") for row in range(6))
    columns = {"uid": uids, "w": [1.0, -5e-324, float("inf"), -2.0, None, 0.0]}
    return pools.Pool(columns, {"uid": "string", "w": "float64"})


@FORMS
@pytest.mark.parametrize(
    ("weight", "first"), [("w", 1), ("0 - w", 0), ("CASE WHEN w > 0 THEN w END", 2), ("CASE WHEN w < -1 THEN w END", 3)]
)
def test_the_first_sample_with_a_wrong_weight_is_named(weight: str, first: int, form: str) -> None:
    ready = make_ready("weights", weights(), pools.Layout(files=3, permutation=1))
    with pytest.raises(RunError, match="E0722") as caught:
        kept(f"SELECT uid FROM pool SAMPLE 1 ROWS SEED 7 WEIGHT BY {weight}", dict(ready.opened)[form])
    assert ready.rows.columns["uid"][first] in caught.value.diagnostics[0].message
    # A weight is asked of the samples that are sampled.
    uid = ready.rows.columns["uid"][0]
    assert kept("SELECT uid FROM pool WHERE w = 1 SAMPLE 9 ROWS SEED 7 WEIGHT BY w", dict(ready.opened)[form]) == {uid}


def test_samples_without_a_weight_are_counted() -> None:
    ready = make_ready("weights", weights(), pools.Layout(files=3, permutation=1))
    text = "SELECT uid FROM pool SAMPLE 2 ROWS SEED 7 WEIGHT BY CASE WHEN w < 2 THEN abs(w) END"
    ((found,),) = ran(text, ready.raw).stages
    assert (found.value, found.n, found.nulls) == (2, 3, 3)


# --- seeds ------------------------------------------------------------------------------------------------------------


def test_a_seed_from_outside() -> None:
    number = "PARAM seed DEFAULT 0; SELECT uid FROM pool SAMPLE 50 PERCENT SEED seed"
    text = number.replace("DEFAULT 0", "DEFAULT ''")
    given = [(number, "7"), (number, "7.0"), (number, "07"), (text, "'7'")]
    plans = {check(Source("r", recipe), DATACOMP, {"seed": seed}).query for recipe, seed in given}
    assert len(plans) == 1
    assert refused(text, {"seed": "'\udcff'"}) == ["E0313"]
    assert refused(number, {"seed": "7.5"}) == ["E0313"]


def test_imported_recipes_are_sampled_too(tmp_path: Path) -> None:
    (tmp_path / "tenth.dcql").write_text("PARAM s DEFAULT 7; SELECT uid FROM pool SAMPLE 10 PERCENT SEED s;")
    text = "IMPORT './tenth.dcql' AS tenth{}; SELECT uid FROM tenth SAMPLE 50 PERCENT SEED '7'"
    path = tmp_path / "recipe.dcql"
    assert refused(text.format(""), path=path) == ["E0406"]
    check(Source("recipe.dcql", text.format(" WITH s = 8")), DATACOMP, None, path)


# --- one sample -------------------------------------------------------------------------------------------------------


def flips(text: str, ready: Pool, uid: str) -> Iterator[tuple[str, bool]]:
    """Yield the recipe with each change of its SAMPLE that `why` tells, and whether it keeps the sample then."""
    told = explained(text, ready, uid)
    assert told is not None
    for flip in told.flips:
        if flip.text.startswith("SAMPLE"):
            assert text.endswith(flip.was)
            yield text.removesuffix(flip.was) + flip.text, not told.kept


@pytest.mark.thinned(2)
@pytest.mark.parametrize(
    "tail",
    ["SAMPLE 30 PERCENT SEED 7", "SAMPLE 40 ROWS SEED 'a'", "SAMPLE 40 ROWS SEED 7 WEIGHT BY greatest(clip_l14, 0)"],
)
@FORMS
def test_what_would_turn_a_draw_turns_it(tail: str, form: str) -> None:
    ready = adversarial("fp16_ties")
    pool = dict(ready.opened)[form]
    text = f"SELECT uid FROM pool WHERE clip_b32 >= 0.1 {tail}"
    tried = 0
    for uid in ready.rows.columns["uid"][:25]:
        for changed, wanted in flips(text, pool, uid):
            assert (uid in kept(changed, pool)) is wanted, changed
            tried += 1
    assert tried > 5


def test_where_the_hash_lies_is_told() -> None:
    ready = adversarial("fp16_ties")
    for uid in ready.rows.columns["uid"][:10]:
        told = explained("SELECT uid FROM pool SAMPLE 30 PERCENT SEED 7", ready.raw, uid)
        assert told is not None
        (one,) = told.sections[-1].tail
        assert isinstance(one, SampleTold)
        assert one.at == 100 * int.from_bytes(hash_of("7", uid)[:8], "big") / 2**64
        assert (one.at < 30) is one.kept is told.kept


def test_a_stored_weight_is_the_same_program() -> None:
    from dcql.lower import stored
    from dcql.plan.passes import optimize

    pool = adversarial("fp16_ties").raw
    text = "SELECT uid FROM pool SAMPLE 9 ROWS SEED 'é' WEIGHT BY greatest(clip_l14, 0)"
    source = Source("recipe.dcql", text)
    program = lower(optimize(check(source, pool.schema)))
    again = stored.decode(stored.encode(program), source)
    assert again == program
    with shared_sessions():
        assert run(again, pool, ONE_THREAD).subset == run(program, pool, ONE_THREAD).subset
