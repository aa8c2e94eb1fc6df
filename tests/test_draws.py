"""SAMPLE .. ROWS in pools where the cut is found among few samples: every uid is hashed once, whatever is drawn.

What is drawn is held to SEMANTICS 12 and 13, written out here for sorted lists.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pools
import pytest
from conformance import ONE_THREAD, Ready, make_ready, ran, shared_sessions
from test_sampling import FORMS, hash_of, kept

from dcql import showing, subset
from dcql.catalog.pool import Pool
from dcql.compiler import Run, compile_once, run_compiled
from dcql.engine import draws
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.work import InProcess
from dcql.engine.duck import Resources, Session
from dcql.source import Source

ROWS = 20_000
SEED = "7"


def u_of(uid: str) -> float:
    return float(int.from_bytes(hash_of(SEED, uid)[:8], "big") + 1) / 2.0**64


@cache
def pool() -> Ready:
    """Make a pool of weights that are alike, that differ by 600 powers of ten, and that make many priorities one."""
    rng = random.Random(5)
    uids = [pools.md5_uid(row, "draws/") for row in range(ROWS)]
    columns = {
        "uid": uids,
        "grp": [row % 4 for row in range(ROWS)],
        "alike": [rng.uniform(0.9, 1.1) for _ in uids],
        "skewed": [rng.choice([None, 0.0, 5e-324, 1e-300, 1.0, 1e9, 1.7e308]) for _ in uids],
        "even": [1.0 for _ in uids],
        # w / u is 1 for half of them, and 2 for a tenth.
        "ties": [u_of(uid) * rng.choice([1.0, 1.0, 1.0, 1.0, 1.0, 0.7, 0.5, 0.3, 0.1, 2.0]) for uid in uids],
    }
    types = {"uid": "string", "grp": "int64"} | dict.fromkeys(("alike", "skewed", "even", "ties"), "float64")
    return make_ready("draws", pools.Pool(columns, types), pools.Layout(files=3, permutation=1))


@cache
def tie_of(uid: str) -> bytes:
    return hashlib.sha256(b"dcql.tie.v1\0" + bytes.fromhex(uid)).digest()


def drawn(count: int, weight: str | None, among: Callable[[int], bool] = lambda row: True) -> set[str]:
    """Return what is to be drawn."""
    columns = pool().rows.columns
    rows = [row for row in range(ROWS) if among(row)]
    uids = columns["uid"]
    if weight is None:
        rows.sort(key=lambda row: (hash_of(SEED, uids[row]), tie_of(uids[row])))
    else:
        rows = [row for row in rows if columns[weight][row]]
        rows.sort(key=lambda row: (-(columns[weight][row] / u_of(uids[row])), tie_of(uids[row])))
    return {uids[row] for row in rows[:count]}


def text_of(count: int, weight: str | None, where: str = "") -> str:
    return f"SELECT uid FROM pool{where} SAMPLE {count} ROWS SEED {SEED}{f' WEIGHT BY {weight}' if weight else ''}"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that hash uids, as they are run."""
    found: list[str] = []
    submit = Session._submit

    def noted(self: Session, statement: Any, *more: Any) -> Any:
        if "SHA256" in statement.text:
            found.append(statement.text)
        return submit(self, statement, *more)

    monkeypatch.setattr(Session, "_submit", noted)
    return found


WEIGHTS = pytest.mark.parametrize("weight", [None, "alike", "skewed", "even", "ties"])


@pytest.mark.thinned(3)
@WEIGHTS
@pytest.mark.parametrize("count", [1, 100, 9_000, 14_200, 19_990])
@FORMS
def test_what_is_drawn_and_that_each_uid_is_hashed_once(
    count: int, weight: str | None, form: str, hashed: list[str]
) -> None:
    with shared_sessions():
        assert kept(text_of(count, weight), dict(pool().opened)[form]) == drawn(count, weight)
    every = sum(1 for value in pool().rows.columns[weight] if value) if weight else ROWS
    # Weights that are made of the hashes lead astray: the cut is not where it is to be expected.
    assert len(hashed) == (1 if count < every else 0) or (weight == "ties" and len(hashed) == 2)


@pytest.mark.parametrize("weight", [None, "alike", "skewed", "even"])
def test_most_of_what_is_drawn_is_not_sorted(weight: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_: list[int] = []
    near = draws.near_of

    def noted(*given: Any) -> Iterator[draws.Near]:
        for one in near(*given):
            sorted_.append(len(one.places))
            yield one

    monkeypatch.setattr(draws, "near_of", noted)
    kept(text_of(9_000, weight), pool().raw)
    assert 0 < sum(sorted_) < 3_000  # a deviation is 95 samples at most, and 24 of them are looked at


@pytest.mark.parametrize(
    ("where", "among"), [(" WHERE grp = 3", lambda row: row % 4 == 3), (" WHERE grp = 9", lambda row: False)]
)
@WEIGHTS
@FORMS
def test_of_some_samples(where: str, among: Callable[[int], bool], weight: str | None, form: str) -> None:
    with shared_sessions():
        assert kept(text_of(700, weight, where), dict(pool().opened)[form]) == drawn(700, weight, among)


def test_two_draws_and_a_first_in_one_recipe() -> None:
    """What one draws is read by what comes after it."""
    text = f"""
    WITH some AS (SELECT uid FROM pool SAMPLE 9000 ROWS SEED {SEED}),
         fewer AS (SELECT uid FROM some SAMPLE 1000 ROWS SEED 'b' WEIGHT BY alike)
    SELECT DISTINCT ON (grp) uid FROM fewer ORDER BY grp, even
    """
    columns = pool().rows.columns
    row_of = {uid: row for row, uid in enumerate(columns["uid"])}

    def priority(uid: str) -> float:
        u = float(int.from_bytes(hash_of("b", uid)[:8], "big") + 1) / 2.0**64
        return float(columns["alike"][row_of[uid]]) / u

    fewer = sorted(drawn(9_000, None), key=priority, reverse=True)[:1_000]
    groups = {grp: [uid for uid in fewer if columns["grp"][row_of[uid]] == grp] for grp in range(4)}
    wanted = {min(group, key=tie_of) for group in groups.values()}
    for opened in dict(pool().opened).values():
        assert kept(text, opened) == wanted


# --- a cut that is not where it is looked for -------------------------------------------------------------------------

NOWHERE = {
    "before": (("", ""), (1e307, float("inf"))),
    "after": (("g", "g"), (0.0, 0.0)),
    "everywhere": (("", "g"), (0.0, float("inf"))),
}


@pytest.mark.thinned(3)
@WEIGHTS
@pytest.mark.parametrize("where", NOWHERE)
@pytest.mark.parametrize("most", [0, draws._MOST])
def test_a_cut_that_lies_elsewhere_is_found_all_the_same(
    weight: str | None, where: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes, priorities = NOWHERE[where]
    monkeypatch.setattr(draws, "_among_hashes", lambda *given: hashes)
    monkeypatch.setattr(draws, "_among_priorities", lambda *given: priorities)
    monkeypatch.setattr(draws, "_MOST", most)
    with shared_sessions():
        assert kept(text_of(9_000, weight), pool().raw) == drawn(9_000, weight)


# --- the cut that is told, and a run that takes it from a lock --------------------------------------------------------


@WEIGHTS
def test_the_cut_that_is_told(weight: str | None) -> None:
    last = max(drawn(9_000, weight), key=_order_of(weight))
    ((found,),) = ran(text_of(9_000, weight), pool().raw).stages
    key = hash_of(SEED, last).hex() if weight is None else _weight_of(weight, last) / u_of(last)
    assert found.at == (key, tie_of(last).hex())


def _weight_of(weight: str, uid: str) -> float:
    columns = pool().rows.columns
    return float(columns[weight][columns["uid"].index(uid)])


def _order_of(weight: str | None) -> Callable[[str], Any]:
    if weight is None:
        return lambda uid: hash_of(SEED, uid)
    weights = dict(zip(pool().rows.columns["uid"], pool().rows.columns[weight], strict=True))
    return lambda uid: (-(weights[uid] / u_of(uid)), tie_of(uid))


@WEIGHTS
@FORMS
def test_a_cut_that_is_given(weight: str | None, form: str, hashed: list[str]) -> None:
    opened = dict(pool().opened)[form]
    first = _run(text_of(9_000, weight), opened)
    (found,) = first.result.stages[0]
    again = run_compiled(first.compiled, opened, ONE_THREAD, frozen={found.name: found})
    assert again.hash == first.hash
    assert len(hashed) == 2


def _run(text: str, opened: Pool, cluster: Cluster | None = None) -> Run:
    recipe = compile_once(Source("recipe.dcql", text), opened.schema, None)
    return run_compiled(recipe, opened, Resources(1), cluster=cluster)


# --- file by file -----------------------------------------------------------------------------------------------------


@WEIGHTS
@FORMS
def test_file_by_file(weight: str | None, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = dict(pool().opened)[form]
    monkeypatch.setenv("DCQL_HOME", str(tmp_path))
    here = _run(text_of(9_000, weight), opened)
    there = _run(text_of(9_000, weight), opened, Cluster(InProcess(1)))
    assert there.hash == here.hash
    assert there.result.stages == here.result.stages


# --- what `show` takes of a subset ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 50, 700])
def test_what_is_shown_is_drawn_a_piece_at_a_time(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subset, "PIECE", 300)
    everything = ran("SELECT uid FROM pool", pool().raw).subset
    shown = [f"{high:016x}{low:016x}" for high, low in showing._first(everything, number, SEED).tolist()]
    assert shown == sorted(drawn(number, None), key=lambda uid: hash_of(SEED, uid))
