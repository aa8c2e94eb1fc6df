"""The order of samples: what it promises, for any sizes of shards, and that it never changes quietly."""

from collections import Counter

import numpy as np
import pytest
from dcql.runtime.scales import SAMPLINGS, Sampling
from dcql.runtime.train.order import TOGETHER, Order, augmentation_seed
from hypothesis import given, settings
from hypothesis import strategies as st

SIZES = st.lists(st.integers(0, 30), min_size=1, max_size=80).filter(any)
SEEDS = st.integers(0, 2**32)


def whole(order: Order) -> list[int]:
    return order.samples(np.arange(order.length)).tolist()


@given(SIZES, SEEDS, st.sampled_from(SAMPLINGS), st.integers(1, 500), st.randoms())
@settings(max_examples=100)
def test_a_position_is_its_sample_whoever_asks(
    sizes: list[int], seed: int, sampling: Sampling, length: int, random: "object"
) -> None:
    everything = whole(Order(sizes, seed, sampling, length))
    assert all(0 <= sample < sum(sizes) for sample in everything)
    # In any order, in pieces, and by a longer training of the same seed.
    positions = list(range(length))
    random.shuffle(positions)  # type: ignore[attr-defined]
    longer = Order(sizes, seed, sampling, length + 200)
    for at in range(0, length, 7):
        asked = positions[at : at + 7]
        assert longer.samples(np.array(asked)).tolist() == [everything[position] for position in asked]


@given(SIZES, SEEDS, st.integers(1, 3))
@settings(max_examples=100)
def test_permute_shows_each_sample_once_a_pass(sizes: list[int], seed: int, passes: int) -> None:
    total = sum(sizes)
    order = whole(Order(sizes, seed, "permute", passes * total))
    for number in range(passes):
        assert sorted(order[number * total : (number + 1) * total]) == list(range(total))


@given(SIZES, SEEDS)
@settings(max_examples=100)
def test_resampled_shows_whole_shards(sizes: list[int], seed: int) -> None:
    shards = [set(range(end - size, end)) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
    order = Order(sizes, seed, "resampled", 200)
    window = Counter(order.samples(np.arange(order._starts[1])).tolist())
    # Every sample of a shard comes as often as its shard was drawn.
    counts = [{window[sample] for sample in shard} for shard in shards if shard]
    assert all(len(count) == 1 for count in counts)


def test_shards_are_drawn_alike() -> None:
    order = Order([10] * 50, 0, "resampled", 400_000)
    drawn = np.bincount(order._drawn, minlength=50)
    expected = drawn.sum() / 50
    # Chi-squared with 49 degrees of freedom is above 102 once in 100,000 times.
    assert ((drawn - expected) ** 2 / expected).sum() < 102


def test_a_window_mixes_its_shards() -> None:
    order = Order([1000] * 64, 3, "permute", 64_000)
    batch = order.samples(np.arange(1000)) // 1000
    assert len(set(batch.tolist())) == TOGETHER


def test_another_seed_is_another_order() -> None:
    orders = {tuple(whole(Order([50, 50], seed, sampling, 100))) for seed in range(4) for sampling in SAMPLINGS}
    assert len(orders) == 8


def test_the_order_is_what_it_was() -> None:
    # A change here gives other weights from the same run hash: raise RUNTIME of identity.py with it.
    assert whole(Order([3, 4, 2], 0, "permute", 12)) == [2, 4, 8, 0, 3, 1, 5, 7, 6, 5, 6, 2]
    assert whole(Order([3, 4, 2], 0, "resampled", 12)) == [0, 5, 0, 2, 6, 0, 4, 8, 6, 2, 5, 1]
    assert [augmentation_seed(0, 0), augmentation_seed(1, 5)] == [228967258956446115, 2472050725871047532]


def test_an_order_needs_samples() -> None:
    for sizes in ([], [0, 0]):
        with pytest.raises(ValueError, match="needs samples"):
            Order(sizes, 0, "permute", 1)


def test_an_order_of_a_large_training_is_made_at_once() -> None:
    order = Order([10_000] * 12_800, 0, "resampled", 12_800_000_000)
    positions = np.array([0, 6_400_000_000, 12_799_999_999])
    assert order.samples(positions).tolist() == order.samples(positions).tolist()
    assert len(order._drawn) * 10_000 >= 12_800_000_000
