"""100 pools with shards that are damaged, changed and mixed up: what is recorded is what a brute-force oracle says."""

from pathlib import Path

import numpy as np
import pytest
from covered.made import made
from oracle.coverage import answers, held
from oracle.hash import dcql1

from dcql.catalog.coverage import State, known_coverage
from dcql.engine.add import add
from dcql.engine.coverage import join, run
from dcql.engine.coverage.run import cover


def silent(what: str, done: int, total: int) -> None:
    pass


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let everything be cut into pieces, as it is for a pool of many millions."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(join, "_ROWS_OF_RUN", 7)
    monkeypatch.setattr(join, "_ROWS_READ", 5)
    monkeypatch.setattr(join, "_UIDS_AT_ONCE", 4)
    monkeypatch.setattr(run, "_TARS_AT_ONCE", 2)


@pytest.mark.thinned(3)
@pytest.mark.parametrize("tens", range(10))
def test_as_the_oracle(tens: int, tmp_path: Path) -> None:
    seen = set()
    for seed in range(10 * tens, 10 * tens + 10):
        one = made(tmp_path / str(seed), seed)
        pool = add(f"p{seed}", one.folder)
        found = cover(pool, None, silent)
        said = held(one.shards)
        available, intact = answers(said, one.uids, one.recorded)
        by_uid = {uid.rjust(32, "0"): (a, i) for uid, a, i in zip(one.uids, available, intact, strict=True)}
        told = {}
        for file in pool.files:
            states = found.states(file)
            seen |= set(states.tolist())
            uids = np.load(pool.uids)[np.load(file.rank)]  # type: ignore[arg-type]
            for uid, state in zip(uids, states.tolist(), strict=True):
                told[f"{int(uid['f0']):016x}{int(uid['f1']):016x}"] = (
                    state != State.ABSENT,
                    None if state in (State.UNSTATED, State.UNRECORDED) else state == State.INTACT,
                )
        assert told == by_uid, seed
        for hash_, which in ((found.counted.available_hash, 0), (found.counted.intact_hash, 1)):
            assert hash_ == dcql1({bytes.fromhex(uid): 1 for uid, row in by_uid.items() if row[which]})
        assert [row[0] for row in found.read.damaged] == said.damaged
        assert (found.read.incomplete, found.read.unnamed) == (said.incomplete, said.unnamed)
        ours = [uid for uid in said.duplicates if uid in by_uid]
        assert found.read.duplicates == len(ours)
        foreign = [uid for uid in [*said.samples, *said.duplicates] if uid not in by_uid]
        assert found.read.strangers == len(foreign)
        assert (found.read.stranger is None) == (not foreign)
        assert known_coverage(pool) == found
    assert {State.ABSENT, State.CHANGED, State.INTACT} <= seen
