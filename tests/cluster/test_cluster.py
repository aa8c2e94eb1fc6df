"""What was done is kept and used again; what goes wrong on a node is told as what it is."""

import errno
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cluster.spreading import Disturbed, kept_in
from pool.samples import samples, write

import dcql
from dcql.catalog.pool import Pool, open_pool
from dcql.cli.cluster import Engine, spread
from dcql.compiler import compile_once, run_compiled
from dcql.engine.cluster import ray_cluster as on_ray
from dcql.engine.cluster.doing import Cluster, done_of
from dcql.engine.cluster.run import run_spread
from dcql.engine.cluster.work import InProcess, Item, Needs, Work, attempt
from dcql.engine.duck import Resources, Session
from dcql.engine.run import Result
from dcql.errors import Diagnostic, RunError
from dcql.source import Source

ERRORS = Path(__file__).parent / "run_errors"
TEXT = "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND original_width > 100;"


def pool(tmp: Path, files: int = 3) -> Pool:
    for number in range(files):
        write(samples(50, seed=number, first=50 * number), tmp / "small" / f"{number}.parquet")
    return open_pool(tmp / "small")


def spread_run(opened: Pool, cluster: Cluster, text: str = TEXT) -> Result:
    program = compile_once(Source("recipe.dcql", text), opened.schema, None).program
    return run_spread(cluster, program, opened, Resources(1))


def silent(what: str, done: int, total: int) -> None:
    pass


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_run_that_failed_goes_on_where_it_was(tmp_path: Path) -> None:
    opened = pool(tmp_path, files=5)

    def stop() -> None:
        raise KeyboardInterrupt

    first = kept_in(tmp_path / "kept", Disturbed(1, at=3, disturb=stop))
    with pytest.raises(KeyboardInterrupt):
        spread_run(opened, first)
    assert first.done == 3
    second = kept_in(tmp_path / "kept")
    found = spread_run(opened, second)
    # Two of the scan were left, the funnel and the uids.
    assert (second.kept, second.done) == (3, 2 + 5 + 5)
    assert found == spread_run(opened, kept_in(tmp_path / "another"))


def test_a_file_that_is_new_is_all_that_is_done(tmp_path: Path) -> None:
    spread_run(pool(tmp_path), kept_in(tmp_path / "kept"), "SELECT uid FROM pool WHERE clip_l14 >= 0.2;")
    cluster = kept_in(tmp_path / "kept")
    found = spread_run(pool(tmp_path, files=4), cluster, "SELECT uid FROM pool WHERE clip_l14 >= 0.2;")
    assert (cluster.kept, cluster.done) == (3, 1)
    assert found.samples == 200


def test_a_result_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    opened = pool(tmp_path)
    found = spread_run(opened, kept_in(tmp_path / "kept"))
    for place in (tmp_path / "kept").glob("??/*"):
        content = bytearray(place.read_bytes())
        content[-1] ^= 1
        place.write_bytes(content)
    cluster = kept_in(tmp_path / "kept")
    assert spread_run(opened, cluster) == found
    assert (cluster.kept, cluster.done) == (0, 9)


def test_another_recipe_shares_what_both_ask(tmp_path: Path) -> None:
    opened = pool(tmp_path)
    spread_run(opened, kept_in(tmp_path / "kept"))
    cluster = kept_in(tmp_path / "kept")
    spread_run(opened, cluster, "SELECT uid FROM pool WHERE clip_l14 >= q(0.9) AND original_width > 7;")
    assert (cluster.kept, cluster.done) == (3, 6)  # the scan for q is the same


def test_a_run_here_uses_what_a_cluster_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    opened = pool(tmp_path)
    compiled = compile_once(Source("recipe.dcql", TEXT), opened.schema, None)
    before = run_compiled(compiled, opened, Resources(1)).result
    assert not (tmp_path / "home" / "tasks").exists()
    run_compiled(compiled, opened, Resources(1), cluster=Cluster(InProcess(1)))

    def forbidden(*_: object) -> None:
        raise AssertionError("a statement ran")

    for runs in ("batches", "marks"):
        monkeypatch.setattr(Session, runs, forbidden)
    assert run_compiled(compiled, opened, Resources(1)).result == before


# --- work -------------------------------------------------------------------------------------------------------------


def doubled(started: Any, item: Item) -> bytes:
    return bytes([started[0] * item.given])


def counted(given: Any) -> list[int]:
    given.append(None)
    return [len(given)]


def test_what_is_started_is_started_once(tmp_path: Path) -> None:
    given: list[None] = []
    work = Work("doubling", doubled, given, counted)
    items = [Item(f"{number}.parquet", 1, number) for number in range(3)]
    assert [content for _, content in done_of(kept_in(tmp_path), work, items, silent)] == [b"\0", b"\1", b"\2"]
    assert len(given) == 1


def told(given: Any, item: Item) -> bytes:
    raise RunError(Diagnostic("E0703", f"`{item.file}`", None, "why", ("what to do", "what else")))


def test_an_error_of_a_task_crosses_processes_whole(tmp_path: Path) -> None:
    failed = pickle.loads(pickle.dumps(attempt(Work("failing", told, None), Item("a.parquet", 1, None))))
    assert failed.diagnostics == (Diagnostic("E0703", "`a.parquet`", None, "why", ("what to do", "what else")),)


def test_progress_counts_rows_of_the_whole_cluster(tmp_path: Path) -> None:
    opened = pool(tmp_path)
    lines: list[tuple[str, int, int]] = []
    program = compile_once(Source("recipe.dcql", TEXT), opened.schema, None).program
    run_spread(kept_in(tmp_path / "kept"), program, opened, Resources(1), lambda *line: lines.append(line))
    assert [done for what, done, total in lines if what == "samples"] == [0, 50, 100, 150]


# --- messages ---------------------------------------------------------------------------------------------------------


def no_cluster(tmp: Path) -> None:
    with on_ray.ray_cluster("127.0.0.1:1"):
        pass


def other_version_of_ray(tmp: Path) -> None:
    mismatch = RuntimeError(
        "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.11.7\n"
        "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    raise RunError(on_ray._unconnected("10.0.0.1:6379", mismatch))


def raised(work: Work, item: Item) -> None:
    failed = attempt(work, item)
    raise RunError(*failed.diagnostics)  # type: ignore[union-attr]


def other_version_of_dcql(tmp: Path) -> None:
    raised(replace(Work("doubling", doubled, [1]), version="0.0.1"), Item("a.parquet", 1, 1))


def full(started: Any, item: Item) -> bytes:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def disk_of_a_node(tmp: Path) -> None:
    raised(Work("joining", full, None), Item("a.parquet", 1, 1))


def unseen(started: Any, item: Item) -> bytes:
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/data/store")


def store_of_a_node(tmp: Path) -> None:
    raised(Work("joining", unseen, None), Item("a.parquet", 1, 1))


def memory_of_a_node(tmp: Path) -> None:
    def forgetful(started: Any, item: Item) -> bytes:
        raise MemoryError

    raised(Work("joining", forgetful, None), Item("a.parquet", 1, 1))


def lost_each_time(tmp: Path) -> None:
    raise RunError(on_ray._lost("E0784", "`a.parquet` could not be done", Item("a.parquet", 1, 1), OSError("it died")))


class Nodes:
    """What Ray says of a cluster of two nodes without a GPU."""

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": cores, "memory": 1e9}} for cores in (8.0, 16.0)]


def no_gpu(tmp: Path) -> None:
    on_ray._refuse_needs(Nodes(), Needs(gpus=1))


def broken_worker(tmp: Path) -> None:
    error = ModuleNotFoundError("No module named 'dcql'")
    raise RunError(on_ray._bug(Item("a.parquet", 1, 1), error))


def changed(tmp: Path, change: Callable[[Path], None]) -> None:
    opened = pool(tmp)
    disturb = Disturbed(1, at=1, disturb=lambda: change(tmp / "small" / "1.parquet"))
    spread_run(opened, kept_in(tmp / "kept", disturb))


def file_that_vanishes(tmp: Path) -> None:
    changed(tmp, lambda path: path.unlink())


def file_of_another_size(tmp: Path) -> None:
    changed(tmp, lambda path: write(samples(20, seed=9), path))


def file_of_another_footer(tmp: Path) -> None:
    def touch(path: Path) -> None:
        content = path.read_bytes()
        assert b"clip_l14_similarity_score" in content
        path.write_bytes(content.replace(b"clip_b32_similarity_score", b"clip_b33_similarity_score"))

    changed(tmp, touch)


def malformed_uid(tmp: Path) -> None:
    table = samples(50, first=500)
    write(table.set_column(0, "uid", [["0xff", *table["uid"].to_pylist()[1:]]]), tmp / "small" / "3.parquet")
    spread_run(pool(tmp), kept_in(tmp / "kept"))


CASES: dict[str, Callable[[Path], None]] = {
    "E0720_malformed_uid": malformed_uid,
    "E0781_no_cluster": no_cluster,
    "E0782_other_version_of_ray": other_version_of_ray,
    "E0782_other_version_of_dcql": other_version_of_dcql,
    "E0783_disk_of_a_node": disk_of_a_node,
    "E0784_store_of_a_node": store_of_a_node,
    "E0784_memory_of_a_node": memory_of_a_node,
    "E0784_lost_each_time": lost_each_time,
    "E0785_no_gpu": no_gpu,
    "E0786_broken_worker": broken_worker,
    "E0791_file_that_vanishes": file_that_vanishes,
    "E0787_file_of_another_size": file_of_another_size,
    "E0787_file_of_another_footer": file_of_another_footer,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    monkeypatch.setattr(os, "getpid", lambda: 1234)
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>").replace(dcql.__version__, "<version>") + "\n"
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_an_address_is_of_a_cluster() -> None:
    with pytest.raises(Exception, match="--engine ray"):
        spread(Engine.LOCAL, "auto")
