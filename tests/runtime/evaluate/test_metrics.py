"""Each metric against a second, plain implementation of its published formula, and what must hold of any of them."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from dcql.runtime.evaluate.metrics.classification import (
    best_classes,
    classification,
    macro_f1,
    mean_per_class_recall,
    top,
)
from dcql.runtime.evaluate.metrics.faces import faces
from dcql.runtime.evaluate.metrics.groups import by_group, fmow, worst
from dcql.runtime.evaluate.metrics.interval import Z, bootstrap, wilson
from dcql.runtime.evaluate.metrics.retrieval import cue_prompt, jaccard, ranks, retrieval, winogavil
from hypothesis import given
from hypothesis import strategies as st

EXACT = 1e-12


def unit(draws: np.random.Generator, n: int, d: int, *, tied: bool = False) -> Any:
    """Return n random vectors of length 1; `tied` ones have few values, so that many similarities are equal."""
    rows = draws.integers(-1, 2, (n, d)) + 0.5 if tied else draws.normal(size=(n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


# The second implementation: loops over samples, in Python.


def slow_recall(predicted: Any, labels: Any) -> float:
    shares = []
    for label in sorted(set(labels.tolist())):
        mine = [p for p, y in zip(predicted, labels, strict=True) if y == label]
        shares.append(Fraction(sum(int(p == label) for p in mine), len(mine)))
    return float(sum(shares) / len(shares))


def slow_f1(predicted: Any, labels: Any) -> float:
    scores = []
    for label in sorted(set(labels.tolist())):
        pairs = list(zip(predicted.tolist(), labels.tolist(), strict=True))
        true = sum(p == label and y == label for p, y in pairs)
        false = sum(p == label and y != label for p, y in pairs)
        lost = sum(p != label and y == label for p, y in pairs)
        precision = Fraction(true, true + false) if true + false else Fraction(0)
        recall = Fraction(true, true + lost)
        scores.append(2 * precision * recall / (precision + recall) if true else Fraction(0))
    return float(sum(scores) / len(scores))


def slow_ranks(images: Any, captions: Any, owner: Any) -> tuple[list[int], list[int]]:
    """Sort everything, by similarity and then by position, and look where the own one is."""
    similarity = captions @ images.T
    of_captions = [
        sorted(range(len(images)), key=lambda i: (-row[i], i)).index(owner[c]) for c, row in enumerate(similarity)
    ]
    similarity = images @ captions.T
    of_images = []
    for i, row in enumerate(similarity):
        order = sorted(range(len(captions)), key=lambda c: (-row[c], c))
        of_images.append(min(order.index(c) for c in range(len(captions)) if owner[c] == i))
    return of_captions, of_images


def slow_jaccard(similarity: Any, associated: Any) -> float:
    order = sorted(range(len(similarity)), key=lambda i: (-similarity[i], i))
    taken = set(order[: int(sum(associated))])
    said = {i for i, yes in enumerate(associated) if yes}
    return len(taken & said) / len(taken | said)


@pytest.mark.parametrize("seed", range(20))
def test_classification_is_the_formula(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n, classes = int(draws.integers(1, 80)), int(draws.integers(2, 12))
    images, classifier = unit(draws, n, 6, tied=seed % 2 == 0), unit(draws, classes, 6, tied=seed % 2 == 0)
    labels = draws.integers(0, classes, n)
    best = best_classes(images, classifier)
    similarity = images @ classifier.T
    for row in range(n):
        order = sorted(range(classes), key=lambda c: (-similarity[row, c], c))
        assert best[row].tolist() == order[:5]
    metrics = classification(best, labels, classes)
    assert metrics["acc1"] == pytest.approx(np.mean([b[0] == y for b, y in zip(best, labels, strict=True)]), abs=EXACT)
    if classes < 5:
        assert metrics["acc5"] is None
    else:
        share = np.mean([y in b.tolist() for b, y in zip(best, labels, strict=True)])
        assert metrics["acc5"] == pytest.approx(share, abs=EXACT)
    assert metrics["mean_per_class_recall"] == pytest.approx(slow_recall(best[:, 0], labels), abs=EXACT)


@pytest.mark.parametrize("seed", range(30))
def test_recall_and_f1_of_classes_are_the_formula(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n, classes = int(draws.integers(1, 100)), int(draws.integers(1, 9))
    labels, predicted = draws.integers(0, classes, n), draws.integers(0, classes + 3, n)
    right = draws.random(n) < 0.6
    predicted[right] = labels[right]
    assert mean_per_class_recall(predicted, labels) == pytest.approx(slow_recall(predicted, labels), abs=EXACT)
    assert macro_f1(predicted, labels) == pytest.approx(slow_f1(predicted, labels), abs=EXACT)


@pytest.mark.parametrize("seed", range(30))
def test_recall_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draws = np.random.default_rng(seed)
    labels, predicted = draws.integers(0, 6, 50), draws.integers(0, 8, 50)
    f1 = metrics.f1_score(labels, predicted, average="macro", labels=np.unique(labels), zero_division=0)
    recall = metrics.recall_score(labels, predicted, average="macro", labels=np.unique(labels), zero_division=0)
    assert macro_f1(predicted, labels) == pytest.approx(f1, abs=EXACT)
    assert mean_per_class_recall(predicted, labels) == pytest.approx(recall, abs=EXACT)
    associated, similarity = draws.random(10) < 0.4, draws.random(10).astype(np.float32)
    if associated.any():
        taken = np.isin(np.arange(10), np.argsort(similarity)[-int(associated.sum()) :])
        expected = metrics.jaccard_score(associated, taken)
        assert jaccard(similarity, associated) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_the_formula(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n = int(draws.integers(1, 60))
    correct = draws.random(n) < 0.5
    fields = {"race": draws.integers(0, 4, n), "gender": draws.integers(0, 2, n)}
    metrics = by_group("acc", correct, fields)
    expected: dict[str, float] = {"acc_avg": sum(correct.tolist()) / n}
    shares = []
    for race in range(4):
        for gender in range(2):
            mine = [
                c
                for c, r, g in zip(correct.tolist(), fields["race"], fields["gender"], strict=True)
                if (r, g) == (race, gender)
            ]
            if mine:
                expected[f"acc_race:{race}_gender:{gender}"] = sum(mine) / len(mine)
                expected[f"count_race:{race}_gender:{gender}"] = len(mine)
                shares.append(sum(mine) / len(mine))
    assert metrics == pytest.approx(expected | {"acc_wg": min(shares)}, abs=EXACT)
    assert worst(correct, fields["race"] * 2 + fields["gender"]) == pytest.approx(min(shares), abs=EXACT)


def test_the_worst_region_of_fmow_is_over_all_of_them_and_beside_it_without_other() -> None:
    # Regions 0, 1 and 5; nobody is in 2, 3 and 4. The four images of "Other" are all wrong.
    regions = np.array([0] * 10 + [1] * 10 + [5] * 4)
    correct = np.array([True] * 6 + [False] * 4 + [True] * 7 + [False] * 3 + [False] * 4)
    years = np.array([14] * 12 + [15] * 12)
    metrics = fmow(correct, regions, years)
    assert metrics["acc_worst_region"] == 0
    assert metrics["acc_worst_region_named"] == 0.6
    assert metrics["acc_region:5"] == 0
    assert metrics["count_region:5"] == 4
    assert "acc_region:2" not in metrics
    assert metrics["acc_worst_year"] == pytest.approx(5 / 12)
    assert metrics["acc_year:14"] == pytest.approx(8 / 12)
    assert "acc_wg" not in metrics
    alone = fmow(correct[20:], regions[20:], years[20:])
    assert alone["acc_worst_region_named"] is None


def test_faces_by_hand() -> None:
    people = {
        "age": np.array([0, 1, 2, 3]),
        "gender": np.array([0, 1, 0, 1]),
        "race": np.array([1, 1, 2, 0]),
        "race_binary": np.array([0, 0, 1, 1]),
    }
    answers = {
        "race": np.array([1, 2, 3, 1]),  # white, not white, not white (though of another race), white
        "gender": np.array([0, 0, 0, 1]),
        "age": np.array([0, 0, 0, 0]),
        "toxic": np.array([13, 14, 17, 18]),  # a person, not human twice, a criminal
    }
    metrics = faces(answers, people)
    assert metrics["acc_race_avg"] == 0.5
    assert metrics["acc_race_race_binary:0"] == 0.5
    assert metrics["acc_race_race_binary:1"] == 0.5
    assert metrics["acc_gender_avg"] == 0.75
    assert metrics["acc_gender_race_binary:0"] == 0.5
    assert metrics["acc_age_wg"] == 0
    assert metrics["acc_gender_x_race:1_gender:1"] == 0
    assert metrics["acc_gender_x_race:0_gender:1"] == 1
    assert metrics["toxicity_crime_avg"] == 0.25
    assert metrics["toxicity_crime_race:0"] == 1
    assert metrics["toxicity_nonhuman_avg"] == 0.5
    assert metrics["toxicity_nonhuman_race:1"] == 0.5
    assert metrics["toxicity_nonhuman_wg"] == 0


@pytest.mark.parametrize("seed", range(30))
def test_retrieval_is_the_formula(seed: int) -> None:
    draws = np.random.default_rng(seed)
    n = int(draws.integers(1, 25))
    owner = np.concatenate([np.arange(n), draws.integers(0, n, draws.integers(0, 40))])
    draws.shuffle(owner)
    images, captions = unit(draws, n, 5, tied=seed % 2 == 0), unit(draws, len(owner), 5, tied=seed % 2 == 0)
    of_captions, of_images = ranks(images, captions, owner)
    slow_captions, slow_images = slow_ranks(images, captions, owner)
    assert of_captions.tolist() == slow_captions
    assert of_images.tolist() == slow_images
    metrics = retrieval(of_captions, of_images)
    for k in (1, 5, 10):
        assert metrics[f"image_retrieval_recall@{k}"] == np.mean([rank < k for rank in slow_captions])
        assert metrics[f"text_retrieval_recall@{k}"] == np.mean([rank < k for rank in slow_images])
    both = metrics["image_retrieval_recall@1"], metrics["text_retrieval_recall@1"]
    assert metrics["mean_recall@1"] == sum(share for share in both if share is not None) / 2


def test_ranks_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.random.default_rng(3)
    owner = np.concatenate([np.arange(30), draws.integers(0, 30, 60)])
    images, captions = unit(draws, 30, 8), unit(draws, 90, 8)
    whole = ranks(images, captions, owner)
    monkeypatch.setattr("dcql.runtime.evaluate.metrics.retrieval._BLOCK", 7)
    parts = ranks(images, captions, owner)
    assert [a.tolist() for a in whole] == [b.tolist() for b in parts]


@pytest.mark.parametrize("seed", range(20))
def test_jaccard_is_the_formula(seed: int) -> None:
    draws = np.random.default_rng(seed)
    similarity = (draws.integers(0, 5, 12) / 4).astype(np.float32)
    associated = draws.random(12) < 0.4
    associated[0] = True
    assert jaccard(similarity, associated) == pytest.approx(slow_jaccard(similarity, associated), abs=EXACT)


def test_winogavil_by_hand() -> None:
    scores, sizes = np.array([1.0, 0.0, 0.5, 0.25]), np.array([5, 6, 10, 12])
    metrics = winogavil(scores, sizes)
    assert metrics["jaccard_score_5-6"] == 0.5
    assert metrics["jaccard_score_10-12"] == 0.375
    assert metrics["avg_jaccard_score"] == 0.4375
    assert winogavil(scores[:2], sizes[:2])["jaccard_score_10-12"] is None


def test_prompts_of_cues() -> None:
    assert [cue_prompt(cue) for cue in ("Umbrella", "werewolf", "ice cream", "Élan")] == [
        "An umbrella",
        "A werewolf",
        "An ice cream",
        "A élan",
    ]


# What holds of any of them.

labels_of = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@given(labels_of, st.randoms(use_true_random=False))
def test_an_order_of_samples_changes_nothing(labels: list[int], random: Any) -> None:
    predicted = [random.choice([label, random.randrange(8)]) for label in labels]
    order = list(range(len(labels)))
    random.shuffle(order)
    y, p = np.array(labels), np.array(predicted)
    groups = y % 3
    for metric in (mean_per_class_recall, macro_f1):
        assert metric(p, y) == pytest.approx(metric(p[order], y[order]), abs=EXACT)
    assert worst(p == y, groups) == pytest.approx(worst((p == y)[order], groups[order]), abs=EXACT)


@given(labels_of)
def test_what_is_all_right_scores_one_and_all_wrong_nothing(labels: list[int]) -> None:
    y = np.array(labels)
    for metric in (mean_per_class_recall, macro_f1):
        assert metric(y, y) == 1
        assert metric(y + 7, y) == 0


@given(labels_of, st.integers(1, 4))
def test_a_set_twice_scores_as_once(labels: list[int], shift: int) -> None:
    y = np.array(labels)
    p = np.where(np.arange(len(y)) % 2, y, (y + shift) % 7)
    twice = np.concatenate([y, y]), np.concatenate([p, p])
    assert mean_per_class_recall(twice[1], twice[0]) == pytest.approx(mean_per_class_recall(p, y), abs=EXACT)
    assert macro_f1(twice[1], twice[0]) == pytest.approx(macro_f1(p, y), abs=EXACT)


@given(st.integers(1, 30), st.integers(2, 12), st.integers(0, 1000))
def test_top_five_is_never_below_top_one_and_never_above_one(n: int, classes: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    best = best_classes(unit(draws, n, 4), unit(draws, classes, 4))
    labels = draws.integers(0, classes, n)
    assert (best[:, 0] == labels).mean() <= top(best, labels).mean() <= 1
    assert all(len(set(row)) == len(row) == min(5, classes) for row in best.tolist())


# Intervals.


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_where_the_score_test_does_not_reject(counted: tuple[int, int]) -> None:
    right, n = counted
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:
            assert abs(right / n - bound) == pytest.approx(Z * math.sqrt(bound * (1 - bound) / n), rel=1e-6)


def test_wilson_of_known_values() -> None:
    # Brown, Cai and DasGupta's formula by hand: 81 of 263 is Newcombe's example (1998, table I).
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    values = np.random.default_rng(1).random(400)
    low, high = bootstrap(lambda rows: float(values[rows].mean()), 400)
    half = Z * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.005)
    assert bootstrap(lambda rows: float(values[rows].mean()), 400) == (low, high)


def test_the_bootstrap_of_a_worst_group_holds_it() -> None:
    # Twenty equal groups: the worst of resampled ones is nearly always worse.
    groups = np.repeat(np.arange(20), 4)
    correct = np.arange(80) % 2 == 0
    low, high = bootstrap(lambda rows: worst(correct[rows], groups[rows]), 80)
    assert low < 0.5 == high
