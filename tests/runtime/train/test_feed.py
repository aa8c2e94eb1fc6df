"""Batches by position: whoever makes them, from memory or from the shards, and how they are divided."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("PIL")

import torch
from dcql.runtime.clip_model import create
from dcql.runtime.train import feed
from dcql.runtime.train.feed import Batch, Feed, Slices
from dcql.runtime.train.order import Order
from hypothesis import given
from hypothesis import strategies as st
from training.tiny import TINY_MODEL, Memory, drawn


def made(source: Memory, length: int = 400) -> Feed:
    return Feed(source, 100, Order([40, 60], 0, "permute", length), create(TINY_MODEL, 0), 0)


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.tokens, other.tokens)
        and (one.replaced, one.damaged) == (other.replaced, other.damaged)
    )


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.integers(1, 6))
def test_processes_and_parts_share_every_batch(processes: int, parts: int, size: int, start: int, steps: int) -> None:
    batch = processes * parts * size
    own = [
        list(Slices(batch=batch, start=start, steps=start + steps, rank=rank, processes=processes, parts=parts))
        for rank in range(processes)
    ]
    assert all(len(positions) == steps * parts for positions in own)
    for step in range(steps):
        together = [each for mine in own for part in mine[step * parts : (step + 1) * parts] for each in part]
        assert together == list(range((start + step) * batch, (start + step + 1) * batch))


def test_a_batch_is_the_same_alone_and_in_parts() -> None:
    samples = made(Memory(drawn()))
    whole, one, two = (samples.batch(range(*edges)) for edges in ((150, 170), (150, 157), (157, 170)))
    assert torch.equal(whole.images, torch.cat([one.images, two.images]))
    assert torch.equal(whole.tokens, torch.cat([one.tokens, two.tokens]))


def test_what_is_kept_in_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Memory):
        reads = 0

        def read(self, position: int) -> object:  # type: ignore[override]
            self.reads += 1
            return super().read(position)

    kept_source, read_source = Counting(drawn()), Counting(drawn())
    kept = made(kept_source)
    monkeypatch.setattr(feed, "KEPT_BYTES", 0)
    read = made(read_source)
    for at in range(0, 400, 50):
        assert same(kept.batch(range(at, at + 50)), read.batch(range(at, at + 50)))
    assert (kept_source.reads, read_source.reads) == (100, 400)


def test_a_damaged_sample_is_replaced_by_the_next_that_is_whole() -> None:
    samples = drawn()
    broken = [replace(sample, image=b"") if number in (98, 99, 0) else sample for number, sample in enumerate(samples)]
    instead = [samples[1] if number in (98, 99, 0) else sample for number, sample in enumerate(samples)]
    found, expected = made(Memory(broken)).batch(range(100)), made(Memory(instead)).batch(range(100))
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.tokens, expected.tokens)
    assert found.replaced == 3
    assert set(found.damaged) == {samples[number].key for number in (98, 99, 0)}


def test_pixels_are_uint8_until_they_reach_the_device() -> None:
    batch = made(Memory(drawn())).batch(range(4))
    assert (batch.images.dtype, batch.images.shape) == (torch.uint8, (4, 3, 8, 8))
    assert (batch.tokens.dtype, batch.tokens.shape) == (torch.int64, (4, 8))
