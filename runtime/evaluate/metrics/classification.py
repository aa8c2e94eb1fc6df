"""Zero-shot classification: top-1, top-5, recall of each class, F1 of each class."""

import numpy as np
from dcql.runtime.evaluate.metrics import Metrics
from numpy.typing import NDArray

TOP = 5  # best classes of an image that are kept

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


def best_classes(images: Floats, classifier: Floats, k: int = TOP) -> Ints:
    """Return the k best classes of each image, best first; of equal ones the lower number first.

    `images` is (n, d) and `classifier` (classes, d), rows of length 1: CLIP compares by their cosine. The answer is
    (n, min(k, classes)).
    """
    similarity = images @ classifier.T
    return np.argsort(-similarity, axis=1, kind="stable")[:, :k].astype(np.int64)


def classification(best: Ints, labels: Ints, classes: int) -> Metrics:
    """Return acc1, acc5 and mean per-class recall, as clip-benchmark's zeroshot_classification does.

    `best` is (n, k) of `best_classes`, `labels` (n,). acc5 is None under five classes.
    """
    return {
        "acc1": float((best[:, 0] == labels).mean()),
        "acc5": float(top(best, labels).mean()) if classes >= TOP else None,
        "mean_per_class_recall": mean_per_class_recall(best[:, 0], labels),
    }


def top(best: Ints, labels: Ints) -> NDArray[np.bool_]:
    """Return for each image whether its label is among its best classes, (n,)."""
    found: NDArray[np.bool_] = (best == labels[:, None]).any(axis=1)
    return found


def mean_per_class_recall(predicted: Ints, labels: Ints) -> float:
    """Return the mean, over the classes that occur, of the share of a class that is found.

    scikit-learn's balanced_accuracy_score, by which DataComp scores Caltech-101, Flowers, Pets and Aircraft.
    """
    occurs, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    found = np.bincount(place, weights=predicted == labels, minlength=len(occurs))
    return float((found / counts).mean())


def macro_f1(predicted: Ints, labels: Ints) -> float:
    """Return the mean F1 of the classes that occur among the labels.

    F1 of a class is 2 TP / (2 TP + FP + FN). WILDS hands scikit-learn the labels that occur, so a class that is
    predicted and never right counts through the precision of others alone.
    """
    size = int(max(predicted.max(), labels.max())) + 1
    true = np.bincount(labels[predicted == labels], minlength=size)
    stated = np.bincount(predicted, minlength=size)
    actual = np.bincount(labels, minlength=size)
    occurs = actual > 0
    return float((2 * true[occurs] / (stated[occurs] + actual[occurs])).mean())
