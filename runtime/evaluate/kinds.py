"""What each kind of task reads of its set, and which metrics it gives.

A kind is a function of a set and an encoder. It reads the samples once, in order, encodes each image once, and keeps of
an image the few numbers that its metrics need.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dcql.runtime.evaluate.encode import Encoder
from dcql.runtime.evaluate.layout import CLASSNAMES, INSTANCES, EvalSet, Reader, Sample, damaged, refuse
from dcql.runtime.evaluate.metrics import Metrics
from dcql.runtime.evaluate.metrics.classification import (
    best_classes,
    classification,
    macro_f1,
    mean_per_class_recall,
    top,
)
from dcql.runtime.evaluate.metrics.faces import FIELDS as FACE_FIELDS
from dcql.runtime.evaluate.metrics.faces import OBJECTIVES, faces
from dcql.runtime.evaluate.metrics.groups import by_group, fmow, worst
from dcql.runtime.evaluate.metrics.interval import bootstrap, wilson
from dcql.runtime.evaluate.metrics.retrieval import cue_prompt, jaccard, ranks, retrieval, winogavil
from dcql.runtime.evaluate.tasks import Task
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError

Tell = Callable[[int], None]
Ints = NDArray[np.int64]

# Metrics that are the share of the images, or of the instances, that are right: their interval is Wilson's.
_PROPORTIONS = ("acc1", "acc5")

# The fields of .npy, in order, as WILDS and DataComp write them, and those that make groups.
FIELDS = {
    "camelyon17": ("hospital", "slide", "y"),
    "fmow": ("region", "year", "y"),
    "dollar_street": ("income_ds", "income_meta", "region"),
    "geode": ("region", "country"),
    "faces": FACE_FIELDS,
}
GROUPS = {
    "camelyon17": ("slide",),
    "fmow": ("region", "year"),
    "dollar_street": ("income_ds",),
    "geode": ("region",),
    "faces": FACE_FIELDS,
}


@dataclass(frozen=True, slots=True)
class Scored:
    """What a kind gives. `resampled` computes the main metric of samples at given positions, some of them twice."""

    metrics: Metrics
    n: int
    resampled: Callable[[Ints], float] | None
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The evaluation of one task, but for what it is identified by."""

    metrics: Metrics
    n: int
    interval: tuple[float, float] | None
    method: str | None  # of the interval: wilson or bootstrap
    damaged: int
    notes: dict[str, int]
    dataset: str  # digest of the set

    def complete(self, task: Task) -> bool:
        """Return whether this is the task's set: as many samples, none left out, and its digest where that is known."""
        return self.damaged == 0 and self.n == task.n and task.dataset in (None, self.dataset)


class _Images:
    """The samples of a set, encoded in order. Damaged images are counted, or refused."""

    def __init__(self, found: EvalSet, encoder: Encoder, tell: Tell, *, allow: bool) -> None:
        self.set = found
        self.reader = Reader(found)
        self.damaged = 0
        self._encoder, self._tell, self._allow = encoder, tell, allow

    def encoded(self, of: Callable[[Sample], Any]) -> Iterator[tuple[list[Any], NDArray[np.float32]]]:
        """Yield what `of` takes from each sample of a batch, and the embeddings of the batch."""
        for tags, embeddings in self._encoder.images(self._read(of), self._failed):
            yield [value for _, value in tags], embeddings

    def _read(self, of: Callable[[Sample], Any]) -> Iterator[tuple[tuple[Sample, Any], bytes]]:
        for count, sample in enumerate(self.reader, 1):
            self._tell(count)
            # The image goes to the decoder; the rest of the sample is not kept.
            yield (Sample(sample.key, sample.tar, {}), of(sample)), sample.image

    def _failed(self, tag: tuple[Sample, Any], reason: str) -> None:
        if not self._allow:
            damaged(tag[0], f"its image cannot be decoded: {reason}")
        self.damaged += 1


def evaluate_set(found: EvalSet, encoder: Encoder, tell: Tell, *, allow_incomplete: bool = False) -> Outcome:
    """Evaluate one task on its set; `tell` is told how many samples were read.

    A set with another number of samples or another digest than the task's, or with an image that cannot be decoded, is
    refused; with `allow_incomplete` it is taken as it is, and damaged images are left out and counted. Raises RunError.
    """
    task = found.task
    images = _Images(found, encoder, tell, allow=allow_incomplete)
    scored = _KINDS[task.kind](images, encoder)
    if scored.n != task.n and not allow_incomplete:
        raise RunError(
            Diagnostic(
                "E1207",
                f"the set of `{task.key}` has {scored.n:,} samples",
                None,
                f"the task has {task.n:,}, so that `{found.root.shown}` is not all of it",
                ("download the set again", "`--allow-incomplete` evaluates what is there, for no average"),
            )
        )
    if task.dataset not in (None, images.reader.digest) and not allow_incomplete:
        raise RunError(
            Diagnostic(
                "E1213",
                f"the set of `{task.key}` is another one",
                None,
                f"the digest of `{found.root.shown}` is {images.reader.digest}, and that of the task is {task.dataset}",
                ("remove it: it is made again", "`--allow-incomplete` evaluates what is there, for no average"),
            )
        )
    interval, method = _interval(task.main, scored)
    metrics = {**scored.metrics, "main_metric": None if task.main is None else scored.metrics[task.main]}
    return Outcome(metrics, scored.n, interval, method, images.damaged, scored.notes, images.reader.digest)


def _interval(main: str | None, scored: Scored) -> tuple[tuple[float, float] | None, str | None]:
    value = scored.metrics[main] if main is not None else None
    if value is None:
        return None, None
    if main in _PROPORTIONS:
        return wilson(round(value * scored.n), scored.n), "wilson"
    if scored.resampled is None:
        return None, None
    return bootstrap(scored.resampled, scored.n), "bootstrap"


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Images that were classified: `best` (n, k) classes, `labels` (n,), the groups of their .npy, each (n,)."""

    best: Ints
    labels: Ints
    fields: dict[str, Ints]
    metrics: Metrics
    notes: dict[str, int]

    def scored(self, metrics: Metrics, resampled: Callable[[Ints], float] | None) -> Scored:
        return Scored({**self.metrics, **metrics}, len(self.labels), resampled, self.notes)


def _labelled(images: _Images, encoder: Encoder) -> _Labelled:
    """Classify the images of a set among its classes."""
    found = images.set
    fields, groups = FIELDS.get(found.task.kind, ()), GROUPS.get(found.task.kind, ())
    classes = len(found.classnames)
    classifier = encoder.classifier(found.classnames, found.templates)

    def of(sample: Sample) -> tuple[int, Ints]:
        return sample.label(classes), sample.numbers(fields, groups) if fields else np.empty(0, np.int64)

    best, labels, numbers = [], [], []
    for values, embeddings in images.encoded(of):
        best.append(best_classes(embeddings, classifier))
        labels += [label for label, _ in values]
        numbers += [row for _, row in values]
    _some(images, labels)
    all_best, all_labels, table = np.concatenate(best), np.array(labels, np.int64), np.stack(numbers)
    return _Labelled(
        all_best,
        all_labels,
        {name: table[:, column] for column, name in enumerate(groups)},
        classification(all_best, all_labels, classes),
        {"classes": classes, "classes_present": len(set(labels))},
    )


def _classification(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    first, labels = found.best[:, 0], found.labels
    return found.scored({}, lambda rows: mean_per_class_recall(first[rows], labels[rows]))


def _iwildcam(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    first, labels = found.best[:, 0], found.labels
    metrics: Metrics = {
        "acc_avg": float((first == labels).mean()),
        "recall-macro_all": mean_per_class_recall(first, labels),
        "F1-macro_all": macro_f1(first, labels),
    }
    return found.scored(metrics, lambda rows: macro_f1(first[rows], labels[rows]))


def _camelyon17(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    correct = found.best[:, 0] == found.labels
    return found.scored(by_group("acc", correct, {"slide": found.fields["slide"]}), None)


def _fmow(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    correct, regions = found.best[:, 0] == found.labels, found.fields["region"]
    metrics = fmow(correct, regions, found.fields["year"])
    return found.scored(metrics, lambda rows: worst(correct[rows], regions[rows]))


def _dollar_street(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    correct, incomes = top(found.best, found.labels), found.fields["income_ds"]
    metrics = by_group("acc_top5", correct, {"income_ds": incomes})
    return found.scored(metrics, lambda rows: worst(correct[rows], incomes[rows]))


def _geode(images: _Images, encoder: Encoder) -> Scored:
    found = _labelled(images, encoder)
    correct, regions = found.best[:, 0] == found.labels, found.fields["region"]
    metrics = by_group("acc", correct, {"region": regions})
    return found.scored(metrics, lambda rows: worst(correct[rows], regions[rows]))


def _faces(images: _Images, encoder: Encoder) -> Scored:
    classifiers = {
        objective: encoder.classifier(
            _of_objective(images.set, images.set.classnames, objective),
            _of_objective(images.set, images.set.templates, objective),
        )
        for objective in OBJECTIVES
    }
    answers: dict[str, list[Ints]] = {objective: [] for objective in OBJECTIVES}
    people = []
    for values, embeddings in images.encoded(lambda sample: sample.numbers(FACE_FIELDS, FACE_FIELDS)):
        people += values
        for objective, classifier in classifiers.items():
            answers[objective].append(best_classes(embeddings, classifier, 1)[:, 0])
    _some(images, people)
    table = np.stack(people)
    metrics = faces(
        {objective: np.concatenate(given) for objective, given in answers.items()},
        {name: table[:, column] for column, name in enumerate(FACE_FIELDS)},
    )
    return Scored(metrics, len(people), None)


def _of_objective(found: EvalSet, lines: Iterable[str], objective: str) -> list[str]:
    """Return the lines of one question: `gender:a man` is a line of `gender`."""
    chosen = [line.partition(":")[2].strip() for line in lines if line.partition(":")[0] == objective]
    if not chosen:
        refuse(found.root.at(CLASSNAMES), f"it, or the templates, have no line of `{objective}:`")
    return chosen


def _retrieval(images: _Images, encoder: Encoder) -> Scored:
    embeddings, captions, owner = [], [], list[int]()
    count = 0
    for values, found in images.encoded(Sample.captions):
        embeddings.append(found)
        captions.append(encoder.texts([caption for lines in values for caption in lines]))
        for lines in values:
            owner += [count] * len(lines)
            count += 1
    _some(images, owner)
    owners = np.array(owner, np.int64)
    of_captions, of_images = ranks(np.concatenate(embeddings), np.concatenate(captions), owners)
    order = np.argsort(owners, kind="stable")
    sizes = np.bincount(owners, minlength=count)
    main = images.set.task.main or ""

    def resampled(rows: Ints) -> float:
        # An image comes with its captions.
        return float(retrieval(of_captions[order][_spans(sizes, rows)], of_images[rows])[main] or 0.0)

    return Scored(retrieval(of_captions, of_images), count, resampled, {"captions": len(owner)})


def _spans(sizes: Ints, rows: Ints) -> Ints:
    """Return the positions of the captions of images, where those of an image stand together."""
    starts = np.cumsum(sizes) - sizes
    within = np.arange(int(sizes[rows].sum())) - np.repeat(np.cumsum(sizes[rows]) - sizes[rows], sizes[rows])
    return np.repeat(starts[rows], sizes[rows]) + within


def _winogavil(images: _Images, encoder: Encoder) -> Scored:
    found = images.set
    place: dict[str, int] = {}
    embeddings = []
    for keys, batch in images.encoded(lambda sample: sample.key):
        for key in keys:
            place[key] = len(place)
        embeddings.append(batch)
    _some(images, embeddings)
    pictures = np.concatenate(embeddings)
    cues = encoder.texts([cue_prompt(instance["cue"]) for instance in found.instances])
    scores, sizes = [], []
    for cue, instance in zip(cues, found.instances, strict=True):
        shown = [place.get(key) for key in instance["candidates"]]
        if None in shown:
            if images.damaged:
                continue
            key = instance["candidates"][shown.index(None)]
            refuse(found.root.at(INSTANCES), f"the cue `{instance['cue']}` has a candidate `{key}`, and no tar has it")
        associated = np.isin(instance["candidates"], instance["associations"])
        scores.append(jaccard(pictures[[position for position in shown if position is not None]] @ cue, associated))
        sizes.append(len(shown))
    _some(images, scores)
    all_scores, all_sizes = np.array(scores), np.array(sizes, np.int64)

    def resampled(rows: Ints) -> float:
        return float(winogavil(all_scores[rows], all_sizes[rows])["jaccard_score_10-12"] or 0.0)

    return Scored(winogavil(all_scores, all_sizes), len(scores), resampled, {"images": len(place)})


def _some(images: _Images, values: list[Any]) -> None:
    if not values:
        raise RunError(
            Diagnostic(
                "E1207",
                f"the set of `{images.set.task.key}` has no samples",
                None,
                f"no image of `{images.set.root.shown}` can be used",
                ("download the set again",),
            )
        )


_KINDS: dict[str, Callable[[_Images, Encoder], Scored]] = {
    "classification": _classification,
    "retrieval": _retrieval,
    "winogavil": _winogavil,
    "iwildcam": _iwildcam,
    "camelyon17": _camelyon17,
    "fmow": _fmow,
    "dollar_street": _dollar_street,
    "geode": _geode,
    "faces": _faces,
}
KINDS = tuple(_KINDS)
