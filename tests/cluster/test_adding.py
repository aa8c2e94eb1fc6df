"""Adding a pool by a cluster: the same store, byte for byte, and nothing of it lost where something ends."""

import shutil
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster.posted import Posted, posted

from dcql.catalog import store
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add
from dcql.engine.cluster.adding import take_in_by
from dcql.engine.cluster.doing import Cluster
from dcql.engine.cluster.work import Item
from dcql.errors import RunError

ROWS = 70_000  # more than a batch, so that a file's uids come in several sorted runs
MEMORY = 1 << 20


def write(path: Path, rows: int, seed: int) -> None:
    """Write a file of a pool in which every type of column comes."""
    random = np.random.default_rng(seed)
    wide = random.normal(size=rows)
    wide[::17] = np.nan
    columns = {
        "uid": pa.array((f"{a:016x}{b:016x}" for a, b in random.integers(0, 2**63, (rows, 2)).tolist()), pa.string()),
        "text": pa.array([None if number % 5 == 0 else f"é {number}" for number in range(rows)], pa.string()),
        "wide": wide,
        "narrow": pa.array(random.normal(size=rows).astype(np.float32), mask=np.arange(rows) % 7 == 0),
        "whole": random.integers(0, 50, rows),
        "truth": random.integers(0, 2, rows).astype(bool),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for number, rows in enumerate([ROWS, 0, 300]):
        write(folder / f"{number}.parquet", rows, number)
    return folder


@pytest.fixture
def pool(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of a pool that may be changed, with a store that is empty."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    shutil.copytree(source, tmp_path / "pool")
    return tmp_path / "pool"


def add_by(cluster: Cluster, path: Path, name: str = "p") -> Pool:
    return add(name, path, memory=MEMORY, elsewhere=take_in_by(cluster))


def content(name: str = "p") -> dict[str, bytes]:
    """Return every file that the store has of a pool."""
    folder = store.pool_folder(name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_store_is_the_same(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = add_by(posted(), pool)
    by_cluster = content()
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "alone"))
    assert add("p", pool, memory=MEMORY).fingerprint == added.fingerprint
    assert by_cluster == content()
    assert sum(path.startswith("work/") for path in by_cluster) > 20


def test_only_what_is_new_is_sent(pool: Path) -> None:
    cluster = posted()
    assert isinstance(cluster.executor, Posted)
    first = add_by(cluster, pool)
    assert add_by(cluster, pool) == first
    write(pool / "3.parquet", 10, 9)
    assert add_by(cluster, pool).rows == first.rows + 10
    assert cluster.executor.sent == ["0.parquet", "1.parquet", "2.parquet", "3.parquet"]
    assert cluster.done == 4


def test_progress_is_of_rows(pool: Path) -> None:
    told = []
    by = take_in_by(posted())
    add("p", pool, elsewhere=by, progress=lambda *given: told.append(given))
    assert told == [
        ("2.parquet", 300, ROWS + 300),
        ("1.parquet", 300, ROWS + 300),
        ("0.parquet", ROWS + 300, ROWS + 300),
    ]


def test_what_was_done_before_the_end_is_kept(pool: Path) -> None:
    """The command is killed: it sees nothing to its end, and what it had is still there."""

    def die(item: Item) -> None:
        if item.file == "0.parquet":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_by(posted(die), pool)
    assert len(list((store.pool_folder("p") / "work").iterdir())) == 2
    cluster = posted()
    assert isinstance(cluster.executor, Posted)
    add_by(cluster, pool)
    assert cluster.executor.sent == ["0.parquet"]


@pytest.mark.parametrize("vanishes", [True, False])
def test_a_file_that_changes_is_named(pool: Path, vanishes: bool) -> None:
    before = add_by(posted(), pool)
    write(pool / "3.parquet", 10, 9)

    def change(item: Item) -> None:
        (pool / "3.parquet").unlink(missing_ok=True)
        if not vanishes:
            write(pool / "3.parquet", 12, 10)

    with pytest.raises(RunError, match=r"`3\.parquet` changed while it was added") as caught:
        add_by(posted(change), pool)
    assert caught.value.diagnostics[0].code == "E0714"
    (pool / "3.parquet").unlink(missing_ok=True)
    assert open_pool("p") == before
    assert not (store.pool_folder("p") / "unfinished").exists()


def test_what_ends_after_its_command_harms_nothing(pool: Path) -> None:
    """A node goes on with a file for a moment after the command is gone, and while the next one begins."""
    sent: list[Item] = []

    def die(item: Item) -> None:
        sent.append(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_by(posted(die), pool)
    late = sent[0].given
    late.take(lambda rows: None)
    assert [path.name for path in late.kept.parent.iterdir()] == [late.kept.name]
    add_by(posted(), pool)
    by_cluster = content()
    assert not any(path.startswith("unfinished") for path in by_cluster)


def test_two_nodes_take_one_file_in_at_once(pool: Path) -> None:
    sent: list[Item] = []
    add_by(posted(sent.append, times=1), pool)
    taking = sent[0].given
    before = content()
    shutil.rmtree(taking.kept)
    threads = [threading.Thread(target=taking.take, args=(lambda rows: None,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shutil.rmtree(taking.unfinished)
    assert content() == before


def test_the_first_one_that_is_done_keeps_its_work(pool: Path) -> None:
    """Others may read it already."""
    sent: list[Item] = []
    add_by(posted(sent.append, times=1), pool)
    taking = sent[0].given
    before = taking.kept.stat().st_ino
    shutil.copytree(taking.kept, taking.unfinished / "late")
    taking._keep(taking.unfinished / "late")
    assert taking.kept.stat().st_ino == before
