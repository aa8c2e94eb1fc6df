"""Every kind of task, from files on disk to metrics, against a plain reading of the same files: equal to 1e-6."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dcql.runtime.evaluate.encode import Encoder
from dcql.runtime.evaluate.kinds import FIELDS, GROUPS, KINDS, Outcome, evaluate_set
from dcql.runtime.evaluate.layout import Sample, find
from dcql.runtime.evaluate.metrics.faces import OBJECTIVES
from toy_sets import NAMES, TEMPLATES, Toy, ToyModel, face_lines, instances_of, labelled, toy, toy_model

from dcql.errors import RunError

torch = pytest.importorskip("torch")
CLOSE = 1e-6


def outcome_of(set_: Toy, model: ToyModel, **options: Any) -> Outcome:
    found = find(str(set_.root), set_.task)
    assert found is not None
    with Encoder(model, **options) as encoder:
        return evaluate_set(found, encoder, lambda read: None)


# The plain reading: tarfile, one image and one text at a time.


def members(set_: Toy) -> list[tuple[str, dict[str, bytes]]]:
    """Return key and content by extension of every sample."""
    found: dict[str, dict[str, bytes]] = {}
    for number in range(int((set_.folder / "test" / "nshards.txt").read_text())):
        with tarfile.open(set_.folder / "test" / f"{number}.tar") as tar:
            for entry in tar:
                key, extension = entry.name.split(".", 1)
                file = tar.extractfile(entry)
                assert file is not None
                found.setdefault(key, {})[extension] = file.read()
    return list(found.items())


def image_of(model: ToyModel, content: bytes) -> Any:
    from PIL import Image

    with torch.no_grad():
        pixels = model.eval_image(Image.open(io.BytesIO(content)).convert("RGB"))
        vector = model.module.encode_image(pixels[None])[0].double().numpy()
    return vector / np.sqrt((vector**2).sum())


def text_of(model: ToyModel, text: str) -> Any:
    with torch.no_grad():
        vector = model.module.encode_text(model.tokenize([text]))[0].double().numpy()
    return vector / np.sqrt((vector**2).sum())


def class_of(model: ToyModel, name: str, templates: Any) -> Any:
    mean = np.mean([text_of(model, template.format(c=name)) for template in templates], axis=0)
    return mean / np.sqrt((mean**2).sum())


def ranked(model: ToyModel, image: Any, names: Any, templates: Any) -> list[int]:
    """Return the classes of an image, best first."""
    return list(np.argsort([-image @ class_of(model, name, templates) for name in names]))


def answers_of(set_: Toy, model: ToyModel) -> list[list[int]]:
    names = NAMES[: set_.task.classes]
    return [ranked(model, image_of(model, files["png"]), names, TEMPLATES) for _, files in members(set_)]


def share(values: Any) -> float:
    return sum(map(bool, values)) / len(values)


def share_where(values: Any, group: Any, value: Any) -> float:
    return share([found for found, other in zip(values, group, strict=True) if other == value])


def expected_of(set_: Toy, model: ToyModel) -> dict[str, float]:
    """Return the metrics that count, and some others, for each kind."""
    kind, labels, numbers = set_.task.kind, set_.labels, set_.numbers
    if kind == "retrieval":
        return expected_retrieval(set_, model)
    if kind == "winogavil":
        return expected_winogavil(set_, model)
    if kind == "faces":
        return expected_faces(set_, model)
    answers = answers_of(set_, model)
    correct = [answer[0] == label for answer, label in zip(answers, labels, strict=True)]
    five = [label in answer[:5] for answer, label in zip(answers, labels, strict=True)]
    present = sorted(set(labels.tolist()))
    recalls = [share_where(correct, labels, label) for label in present]
    found = {"acc1": share(correct), "mean_per_class_recall": sum(recalls) / len(recalls)}
    if kind != "camelyon17":
        found["acc5"] = share(five)
    match kind:
        case "iwildcam":
            scores = []
            for label in present:
                true = sum(a[0] == y == label for a, y in zip(answers, labels, strict=True))
                wrong = sum((a[0] == label) != (y == label) for a, y in zip(answers, labels, strict=True))
                scores.append(2 * true / (2 * true + wrong))
            found |= {"F1-macro_all": sum(scores) / len(scores), "recall-macro_all": found["mean_per_class_recall"]}
        case "camelyon17":
            slides = {slide: share_where(correct, numbers[:, 1], slide) for slide in set(numbers[:, 1].tolist())}
            found |= {f"acc_slide:{slide}": value for slide, value in slides.items()}
            found |= {"acc_avg": share(correct), "acc_wg": min(slides.values())}
        case "fmow":
            regions = {region: share_where(correct, numbers[:, 0], region) for region in set(numbers[:, 0].tolist())}
            found |= {f"acc_region:{region}": value for region, value in regions.items()}
            found |= {"acc_worst_region": min(regions.values())}
            found |= {"acc_worst_region_named": min(value for region, value in regions.items() if region != 5)}
        case "dollar_street":
            incomes = [share_where(five, numbers[:, 0], income) for income in range(4)]
            found |= {"acc_top5_wg": min(incomes), "acc_top5_avg": share(five)}
        case "geode":
            found["acc_wg"] = min(share_where(correct, numbers[:, 0], region) for region in range(6))
    return found


def expected_retrieval(set_: Toy, model: ToyModel) -> dict[str, float]:
    images, texts, owner = [], [], []
    for row, (_, files) in enumerate(members(set_)):
        images.append(image_of(model, files["png"]))
        for line in files["txt"].decode().splitlines():
            texts.append(text_of(model, line))
            owner.append(row)
    similarity = np.array(texts) @ np.array(images).T
    found = {}
    for k in (1, 5, 10):
        by_text = [owner[c] in np.argsort(-row)[:k] for c, row in enumerate(similarity)]
        by_image = [any(owner[c] == i for c in np.argsort(-row)[:k]) for i, row in enumerate(similarity.T)]
        found |= {f"image_retrieval_recall@{k}": share(by_text), f"text_retrieval_recall@{k}": share(by_image)}
    return found | {"mean_recall@1": (found["image_retrieval_recall@1"] + found["text_retrieval_recall@1"]) / 2}


def expected_winogavil(set_: Toy, model: ToyModel) -> dict[str, float]:
    images = {key: image_of(model, files["png"]) for key, files in members(set_)}
    scores, sizes = [], []
    for instance in instances_of(set_):
        article = "An" if instance["cue"][0] in "aeiou" else "A"
        cue = text_of(model, f"{article} {instance['cue']}")
        order = sorted(instance["candidates"], key=lambda key: -(images[key] @ cue))
        taken, said = set(order[: len(instance["associations"])]), set(instance["associations"])
        scores.append(len(taken & said) / len(taken | said))
        sizes.append(len(order))
    large = [score for score, size in zip(scores, sizes, strict=True) if size >= 10]
    five = [score for score, size in zip(scores, sizes, strict=True) if size == 5]
    return {
        "avg_jaccard_score": sum(scores) / len(scores),
        "jaccard_score_10-12": sum(large) / len(large),
        "jaccard_score_5": sum(five) / len(five),
    }


def expected_faces(set_: Toy, model: ToyModel) -> dict[str, float]:
    names, templates = face_lines()
    answers = {}
    for what in OBJECTIVES:
        of_names = [name.split(":", 1)[1] for name in names if name.startswith(what)]
        of_templates = [template.split(":", 1)[1] for template in templates if template.startswith(what)]
        images = [image_of(model, files["png"]) for _, files in members(set_)]
        answers[what] = [ranked(model, image, of_names, of_templates)[0] for image in images]
    age, gender, race, binary = set_.numbers.T.tolist()
    right = {
        "race": [(answer != 1) == bool(truth) for answer, truth in zip(answers["race"], binary, strict=True)],
        "gender": [answer == truth for answer, truth in zip(answers["gender"], gender, strict=True)],
        "age": [answer == truth for answer, truth in zip(answers["age"], age, strict=True)],
    }
    found = {f"acc_{what}_avg": share(values) for what, values in right.items()}
    for what, values in right.items():
        found |= {f"acc_{what}_race_binary:{side}": share_where(values, binary, side) for side in (0, 1)}
    both = list(zip(race, gender, strict=True))
    for group in set(both):
        found[f"acc_gender_x_race:{group[0]}_gender:{group[1]}"] = share_where(right["gender"], both, group)
    found["toxicity_crime_avg"] = share([answer >= 18 for answer in answers["toxic"]])
    found["toxicity_nonhuman_avg"] = share([14 <= answer <= 17 for answer in answers["toxic"]])
    return found


@pytest.mark.thinned(3)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_its_plain_reading(kind: str, tmp_path: Path) -> None:
    set_, model = toy(tmp_path, kind), toy_model()
    outcome = outcome_of(set_, model)
    expected = expected_of(set_, model)
    assert {name: outcome.metrics[name] for name in expected} == pytest.approx(expected, abs=CLOSE)
    main = set_.task.main
    assert outcome.metrics["main_metric"] == (None if main is None else outcome.metrics[main])
    assert outcome.n == set_.task.n
    assert outcome.damaged == 0
    assert outcome.complete(set_.task)
    if main is None:
        assert outcome.interval is None
    else:
        # A score that is all or nothing would hide a fault.
        assert 0 < expected[main] < 1
        assert outcome.interval is not None
        assert outcome.interval[0] <= expected[main] <= outcome.interval[1]
        assert outcome.method == ("wilson" if main == "acc1" else "bootstrap")


def test_groups_are_among_the_fields_of_a_kind() -> None:
    assert set(GROUPS) == set(FIELDS) < set(KINDS)
    assert all(set(GROUPS[kind]) <= set(FIELDS[kind]) for kind in FIELDS)


def test_only_what_makes_groups_has_to_be_whole(tmp_path: Path) -> None:
    # Dollar Street's income_meta is an income, and no group.
    cases = (([3, 41.5, 1], None), ([3.5, 41, 1], "a group that is no whole number"), ([3, 41], "other than 3"))
    for values, told in cases:
        file = io.BytesIO()
        np.save(file, np.array(values))
        sample = Sample("a", "0.tar", {"npy": file.getvalue()})
        if told is None:
            assert sample.numbers(FIELDS["dollar_street"], GROUPS["dollar_street"]).tolist() == [3]
        else:
            with pytest.raises(RunError, match=told):
                sample.numbers(FIELDS["dollar_street"], GROUPS["dollar_street"])


@pytest.mark.parametrize("kind", ["classification", "retrieval", "winogavil"])
def test_batches_and_threads_change_nothing_that_counts(kind: str, tmp_path: Path) -> None:
    set_, model = toy(tmp_path, kind), toy_model()
    one = outcome_of(set_, model)
    for options in ({"batch": 7}, {"batch": 1000}, {"threads": 1}, {"batch": 3, "threads": 8}):
        assert outcome_of(set_, model, **options) == one


def test_top_five_of_four_classes_is_none(tmp_path: Path) -> None:
    set_, model = labelled(tmp_path, "camelyon17"), toy_model()
    assert outcome_of(set_, model).metrics["acc5"] is None


def test_classes_that_do_not_occur_are_counted(tmp_path: Path) -> None:
    outcome = outcome_of(labelled(tmp_path, "iwildcam"), toy_model())
    assert outcome.notes == {"classes": 7, "classes_present": 6}


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    set_, model = labelled(tmp_path), toy_model()
    model.module.train()
    before = torch.backends.cudnn.allow_tf32
    outcome_of(set_, model)
    assert model.module.training
    assert torch.backends.cudnn.allow_tf32 == before
