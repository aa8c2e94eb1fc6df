"""Which samples of a pool a subset holds: by ranks and by uids alike, as Python's sets say."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pool.samples import samples, uid, write

from dcql.catalog.pool import open_pool
from dcql.engine import marked
from dcql.engine.add import add
from dcql.engine.export import export
from dcql.engine.features.inputs import Inputs
from dcql.engine.inside import Inside
from dcql.engine.values import locate
from dcql.subset import UID, Subset

ROWS = 90


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    table = samples(ROWS)
    # Many uids share their first half, so that pieces of the pool's uids begin and end among them.
    names = [f"{uid(0)[:16]}{uid(row)[16:]}" if row % 3 else uid(row) for row in range(ROWS)]
    table = table.set_column(0, "uid", [names])
    for number, (start, count) in enumerate(((0, 40), (40, 0), (40, 50))):
        write(table.slice(start, count), tmp_path / "pool" / "metadata" / f"{number}.parquet")
    return tmp_path / "pool"


def bag(names: list[str], copies: list[int] | None = None) -> Subset:
    uids = np.array([(int(name[:16], 16), int(name[16:], 16)) for name in names], UID)
    return Subset.from_uids(uids, None if copies is None else np.array(copies, np.uint32))


def names_of(file: str) -> list[str]:
    found: list[str] = pq.read_table(file, columns=["uid"]).column("uid").to_pylist()
    return found


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 16])
@pytest.mark.parametrize("every", [1, 2, 5, ROWS])
def test_by_ranks_and_by_uids(piece: int, every: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marked, "PIECE", piece)
    added, raw = add("p", folder), open_pool(str(folder))
    held = [name for file in raw.files for name in names_of(file.path)][::every]
    # Two that the pool lacks: one of them shares its first half with many that it has.
    subset = bag([*held, f"{uid(0)[:16]}{'0' * 16}", "f" * 32])
    for pool in (added, raw):
        inside = Inside(subset, pool)
        for file in pool.files:
            assert inside.of(file).tolist() == [name in held for name in names_of(file.path)]
    assert not Inside(bag([]), added).of(added.files[0]).any()
    found = [(f"{high:016x}{low:016x}", file, row) for (high, low), file, row in locate(added, subset.uids)]
    wanted = [
        (name, number, row)
        for number, file in enumerate(raw.files)
        for row, name in enumerate(names_of(file.path))
        if name in held
    ]
    assert found == wanted


def test_uids_of_some_rows(folder: Path) -> None:
    rows = np.array([0, 3, 39])
    for pool in (add("p", folder), open_pool(str(folder))):
        found = Inputs(pool).uids_at(pool.files[0], rows)
        assert [f"{high:016x}{low:016x}" for high, low in found.tolist()] == [
            names_of(pool.files[0].path)[row] for row in rows
        ]


@pytest.mark.parametrize("copies", [False, True])
def test_what_is_exported_is_the_same(copies: bool, folder: Path, tmp_path: Path) -> None:
    added, raw = add("p", folder), open_pool(str(folder))
    held = [name for file in raw.files for name in names_of(file.path)][::2]
    counts = [1 + number % 3 for number in range(len(held))]
    subset = bag(held, counts if copies else None)
    tables = []
    for number, pool in enumerate((added, raw)):
        assert export(subset, pool, ("text", "original_width"), tmp_path / f"{number}.parquet") == len(held)
        tables.append(pq.read_table(tmp_path / f"{number}.parquet"))
    assert tables[0].equals(tables[1])
    assert tables[0].column("uid").to_pylist() == held
    if copies:
        assert tables[0].column("copies").to_pylist() == counts
