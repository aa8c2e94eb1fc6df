"""`dcql reshard` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dcql.runtime import shards
from features.tars import sample, write_tar
from pool.samples import samples, write
from small_pools import make_run, make_tars

from dcql.engine.add import add

Dcql = Callable[..., Any]


def test_it_says_what_it_wrote_and_what_was_left_out(dcql: Dcql, here: Path) -> None:
    make_tars(here / "tars", 2, 10)
    write_tar(here / "tars" / "2.tar", [*sample("0", 3), *sample("1", 99)[:2]])
    make_run(here / "run", range(15, 25), [2] + [1] * 9)
    told = dcql("reshard", "run", "--shards", "tars", "--shard-size", "4")
    assert (told.code, told.out) == (1, "")
    assert "error[E1012]: 5 of the subset's 10 uids are in no tar" in told.err
    told = dcql("reshard", "run", "--shards", "tars", "--shard-size", "4", "--allow-missing")
    assert told.code == 0
    assert told.out.splitlines() == [
        "6 samples (further copies: 1) in 2 shards",
        "uids of the subset that no tar holds: 5",
        "images without a .json that gives a uid: 1",
        shards.read("run/shards").digest,
        "wrote run/shards",
    ]


def test_as_json_it_is_the_manifest(dcql: Dcql, here: Path) -> None:
    make_tars(here / "tars", 1, 10)
    make_run(here / "run", range(10))
    told = json.loads(dcql("reshard", "run", "--shards", "tars", "-o", "out", "--no-copy", "-f", "json").out)
    assert told == {**json.loads((here / "out" / "shards.json").read_text()), "out": str(here / "out")}
    assert told["copied"] is False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--no-copy", "--blur", "apply"), "blurred images have to be written"),
        (("--boxes", "pool"), "--blur none leaves them"),
        (("--shard-size", "0"), "0 is not in the range"),
        (("--workers", "0"), "0 is not in the range"),
    ],
)
def test_options_that_do_not_go_together(dcql: Dcql, here: Path, options: tuple[str, ...], said: str) -> None:
    told = dcql("reshard", "run", "--shards", "tars", *options)
    assert told.code == 2
    assert said in told.err


def test_tars_are_those_of_the_pool_of_the_run(dcql: Dcql, here: Path) -> None:
    write(samples(10), here / "pool" / "metadata" / "a.parquet")
    (here / "all.dcql").write_text("SELECT uid FROM pool;")
    assert dcql("run", "all.dcql", "--pool", "pool", "--out", "raw").code == 0
    uids = [row["uid"] for row in samples(10).to_pylist()]
    write_tar(
        here / "pool" / "shards" / "0.tar",
        [file for at, one in enumerate(uids) for file in sample(f"{at}", at, uid=one)],
    )
    assert dcql("reshard", "raw").code == 0
    found = shards.read("raw/shards")
    assert (found.samples, found.pool) == (10, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(here / "home"))
        added, other = add("ours", here / "pool"), write(samples(9), here / "other" / "a.parquet")
        add("theirs", other.parent)
        assert dcql("run", "all.dcql", "--pool", "ours", "--out", "run").code == 0
        assert dcql("reshard", "run").code == 0
        assert shards.read("run/shards").pool == added.fingerprint
        assert shards.read("run/shards").digest == found.digest
        assert "E0761" in dcql("reshard", "run", "--shards", "theirs", "-o", "out").err
        assert dcql("reshard", "run", "--shards", "ours", "-o", "out").code == 0
