"""Which items go together as one task, and what becomes of them where one goes wrong."""

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.engine.cluster import ray_cluster as on_ray
from dcql.engine.cluster.batches import Batches
from dcql.engine.cluster.statements import packed, unpacked
from dcql.engine.cluster.work import Done, Failed, Item, Work
from dcql.errors import Diagnostic, RunError


def items(*rows: int) -> list[Item]:
    return [Item(f"{number}.parquet", count, number) for number, count in enumerate(rows)]


def taken(batches: Batches, lanes: int) -> list[list[int]]:
    """Return the batches to the last, as the numbers of their items."""
    found = []
    while batch := batches.take(lanes):
        found.append([item.given for item in batch])
    return found


def test_batches_are_smaller_the_less_is_left() -> None:
    sizes = [len(batch) for batch in taken(Batches(items(*[600_000] * 50), 100_000_000), lanes=2)]
    # Two fifths of what is left for each of the two lanes, and again; then the half of two.
    assert sizes == [20, 20, 4, 4, 1, 1]


def test_few_rows_are_shared_as_a_whole() -> None:
    assert [len(batch) for batch in taken(Batches(items(*[100] * 25), 1_000_000), lanes=2)] == [13, 12]
    assert [len(batch) for batch in taken(Batches(items(*[100] * 3), 1_000_000), lanes=4)] == [1, 1, 1]


def test_a_batch_has_no_more_rows_than_may_go_together() -> None:
    assert taken(Batches(items(60, 60, 60, 250, 10, 10), 130), lanes=1) == [[0, 1], [2], [3], [4, 5]]


def test_without_rows_that_may_go_together_items_are_read_as_they_are_sent() -> None:
    read: list[str] = []

    def made() -> Iterator[Item]:
        for item in items(5, 5, 5):
            read.append(item.file)
            yield item

    batches = Batches(made(), 0)
    assert [item.given for item in batches.take(4)] == [0]
    assert read == ["0.parquet"]
    assert taken(batches, 4) == [[1], [2]]


def test_items_of_a_batch_that_failed_come_next_each_by_itself() -> None:
    batches = Batches(items(*[10] * 12), 1_000)
    first = batches.take(2)
    assert len(first) == 6
    batches.alone(first)
    assert taken(batches, 2) == [[0], [1], [2], [3], [4], [5], [6, 7, 8, 9, 10, 11]]


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 120), st.integers(1, 9))
def test_every_item_goes_once_and_in_order(rows: list[int], together: int, lanes: int) -> None:
    found = taken(Batches(items(*rows), together), lanes)
    assert [number for batch in found for number in batch] == list(range(len(rows)))
    for batch in found:
        assert len(batch) == 1 or sum(rows[number] for number in batch) <= together


def hundred(started: None, item: Item) -> bytes:
    if item.given == 7:
        raise RunError(Diagnostic("E0703", f"`{item.file}`", None, "why", ("what to do",)))
    return bytes(100)


def test_a_task_ends_where_it_has_enough_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "_REPLY", 250)
    work = Work("hundred", hundred, None)
    assert [len(one.content) for one in on_ray._attempt_elsewhere(work, items(*[1] * 6))] == [100] * 3  # type: ignore[union-attr]


def test_a_task_ends_with_the_file_that_fails() -> None:
    *done, failed = on_ray._attempt_elsewhere(Work("hundred", hundred, None), items(*[1] * 9))
    assert len(done) == 7
    assert isinstance(failed, Failed)
    assert failed.diagnostics[0].message == "`7.parquet`"


@pytest.mark.parametrize("size", [0, 1, 10_000_000])
def test_bytes_come_back_as_they_were_with_and_without_a_band_of_their_own(size: int) -> None:
    content = bytes(np.arange(size, dtype=np.uint8))
    done = Done(content, 1.5)
    assert pickle.loads(pickle.dumps(done, 4)) == done
    bands: list[pickle.PickleBuffer] = []
    text = pickle.dumps(done, 5, buffer_callback=bands.append)
    assert len(text) < 200
    back = pickle.loads(text, buffers=[memoryview(bytearray(band.raw())) for band in bands])
    assert (bytes(back.content), back.cpu_seconds) == (content, 1.5)


def test_arrays_are_read_from_a_view_whatever_stands_before_them() -> None:
    many = {f"{'column' * 50}{number}": np.arange(number) for number in range(100)}  # a line of over 4 KiB
    found = unpacked(memoryview(packed(many)))
    assert list(found) == list(many)
    assert all((found[name] == many[name]).all() for name in many)
