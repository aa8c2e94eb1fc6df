"""What is wrong with sets, results and weights; a file of errors/ is a message, <tmp> for the test's folder."""

import io
import json
import os
import re
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dcql.runtime.evaluate.encode import Encoder, choose_device
from dcql.runtime.evaluate.evaluate import evaluate
from dcql.runtime.evaluate.kinds import Outcome, evaluate_set
from dcql.runtime.evaluate.layout import find
from dcql.runtime.evaluate.places import place
from dcql.runtime.evaluate.results import held, read
from dcql.runtime.evaluate.runs import find_trained
from dcql.runtime.evaluate.tasks import Suite, Task, choose
from toy_sets import Toy, labelled, npy, png, toy, toy_model, with_captions, with_cues

from dcql.codes import CODES
from dcql.errors import RunError

torch = pytest.importorskip("torch")

ERRORS = Path(__file__).parent / "errors"
Case = Callable[[Path, pytest.MonkeyPatch], object]


def look(set_: Toy, task: Task | None = None) -> None:
    """Find a set and evaluate it."""
    found = find(str(set_.root), task or set_.task)
    assert found is not None
    with Encoder(toy_model()) as encoder:
        evaluate_set(found, encoder, lambda read: None)


def with_member(set_: Toy, name: str, content: bytes | None) -> Toy:
    """Write the first tar of a set anew, with another content of a member, or without it."""
    path = set_.folder / "test" / "0.tar"
    with tarfile.open(path) as tar:
        files = [(entry.name, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for known, old in files:
            if known != name or content is not None:
                entry = tarfile.TarInfo(known)
                new = content if known == name and content is not None else old
                entry.size = len(new)
                tar.addfile(entry, io.BytesIO(new))
    return set_


def with_text(set_: Toy, name: str, text: str | None) -> Toy:
    """Write a text file of a set anew, or remove it."""
    path = set_.folder / name
    path.unlink() if text is None else path.write_text(text)
    return set_


def results(tmp: Path, text: str) -> None:
    (tmp / "eval_results.jsonl").write_text(text)
    read(tmp)


def unwritable(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    set_ = labelled(tmp)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr(os, "fsync", full)
    evaluate(toy_model, "sha256:a", "dcrun1:b", tmp / "out", str(tmp), Suite.DATACOMP, [set_.task])


def in_use(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    with held(tmp / "eval"), held(tmp / "eval"):
        pass


def no_cuda(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: False)
    choose_device("cuda")


def not_finite(tmp: Path, patch: pytest.MonkeyPatch) -> None:
    model = toy_model()
    with torch.no_grad():
        model.module.image[0, 0] = float("nan")
    found = find(str(tmp), labelled(tmp).task)
    assert found is not None
    with Encoder(model) as encoder:
        evaluate_set(found, encoder, lambda read: None)


def trained(tmp: Path, *names: str, content: str = '{"weights_sha256": "sha256:a", "run_hash": "dcrun1:b"}') -> Path:
    for name in names:
        (tmp / "run" / "train" / name).mkdir(parents=True)
        (tmp / "run" / "train" / name / "weights.json").write_text(content)
    return tmp / "run"


def many_regions(tmp: Path) -> Toy:
    return with_member(labelled(tmp, "fmow"), "00000003.npy", npy(1, 2))


CASES: dict[str, Case] = {
    "E1201_no_such_task": lambda tmp, patch: choose(Suite.DATACOMP, ["imagenet"]),
    "E1201_of_the_demo": lambda tmp, patch: choose(Suite.DEMO, ["imagenet1k"]),
    "E1202_no_such_filesystem": lambda tmp, patch: place("nothing://sets"),
    "E1203_no_nshards": lambda tmp, patch: look(with_text(labelled(tmp), "test/nshards.txt", None)),
    "E1203_nshards_as_text": lambda tmp, patch: look(with_text(labelled(tmp), "test/nshards.txt", "three\n")),
    "E1203_fewer_tars": lambda tmp, patch: look(with_text(labelled(tmp), "test/nshards.txt", "4\n")),
    "E1203_more_tars": lambda tmp, patch: look(with_text(labelled(tmp), "test/nshards.txt", "2\n")),
    "E1203_no_classnames": lambda tmp, patch: look(with_text(labelled(tmp), "classnames.txt", None)),
    "E1203_a_class_without_a_name": lambda tmp, patch: look(
        with_text(labelled(tmp), "classnames.txt", "red\n\nblue\n")
    ),
    "E1203_fewer_classes": lambda tmp, patch: look(with_text(labelled(tmp), "classnames.txt", "red\nblue\n")),
    "E1203_template_without_a_class": lambda tmp, patch: look(
        with_text(labelled(tmp), "zeroshot_classification_templates.txt", "a photo of a {}.\n")
    ),
    "E1203_captions_as_classes": lambda tmp, patch: look(with_text(with_captions(tmp), "dataset_type.txt", None)),
    "E1203_no_question": lambda tmp, patch: look(
        with_text(toy(tmp, "faces"), "classnames.txt", "race:a\nrace:b\ngender:c\nage:d\n")
    ),
    "E1203_no_instances": lambda tmp, patch: look(with_text(with_cues(tmp), "instances.jsonl", None)),
    "E1203_instance_without_associations": lambda tmp, patch: look(
        with_text(with_cues(tmp), "instances.jsonl", '{"cue": "a", "candidates": ["b"], "associations": []}\n')
    ),
    "E1204_cut_off": lambda tmp, patch: look(cut_off(labelled(tmp))),
    "E1204_no_tar": lambda tmp, patch: look(with_text(labelled(tmp), "test/1.tar", "<html>404</html>" * 99)),
    "E1205_no_image": lambda tmp, patch: look(with_member(labelled(tmp), "00000003.png", None)),
    "E1205_damaged_image": lambda tmp, patch: look(with_member(labelled(tmp), "00000003.png", png("red", 1)[:70])),
    "E1205_no_label": lambda tmp, patch: look(with_member(labelled(tmp), "00000003.cls", None)),
    "E1205_label_as_text": lambda tmp, patch: look(with_member(labelled(tmp), "00000003.cls", b"red")),
    "E1205_label_beyond_the_classes": lambda tmp, patch: look(with_member(labelled(tmp), "00000003.cls", b"7")),
    "E1205_other_numbers": lambda tmp, patch: look(many_regions(tmp)),
    "E1205_pickled_numbers": lambda tmp, patch: look(with_member(labelled(tmp, "geode"), "00000003.npy", pickled())),
    "E1205_no_caption": lambda tmp, patch: look(with_member(with_captions(tmp), "00000003.txt", b"")),
    "E1203_candidate_without_an_image": lambda tmp, patch: look(with_member(with_cues(tmp), "green-1.png", None)),
    "E1206_not_finite": not_finite,
    "E1207_fewer_samples": lambda tmp, patch: look(set_ := labelled(tmp), replace(set_.task, n=10_000)),
    "E1207_no_samples": lambda tmp, patch: look(emptied(labelled(tmp, n=1))),
    "E1208_no_json": lambda tmp, patch: results(tmp, '{"key": "cifar10"'),
    "E1208_no_hash": lambda tmp, patch: results(tmp, '{"key": "cifar10", "metrics": {"main_metric": 1}}'),
    "E1209_full_disk": unwritable,
    "E1209_in_use": in_use,
    "E1210_never_trained": lambda tmp, patch: find_trained(tmp / "run"),
    "E1210_other_scale": lambda tmp, patch: find_trained(trained(tmp, "demo-seed0"), "small"),
    "E1210_other_seed": lambda tmp, patch: find_trained(trained(tmp, "demo-seed0"), "demo", 3),
    "E1210_several": lambda tmp, patch: find_trained(trained(tmp, "demo-seed0", "demo-seed1")),
    "E1210_damaged": lambda tmp, patch: find_trained(trained(tmp, "demo-seed0", content="{}")),
    "E1211_no_cuda": no_cuda,
    "E1213_another_set": lambda tmp, patch: look(
        set_ := labelled(tmp), replace(set_.task, dataset="sha256:" + "0" * 64)
    ),
    "E1212_no_sets": lambda tmp, patch: evaluate(
        toy_model, "sha256:a", "dcrun1:b", tmp / "out", str(tmp / "sets"), Suite.DATACOMP, choose(Suite.DATACOMP, None)
    ),
}


def cut_off(set_: Toy) -> Toy:
    path = set_.folder / "test" / "2.tar"
    path.write_bytes(path.read_bytes()[:5000])
    return set_


def emptied(set_: Toy) -> Toy:
    with tarfile.open(set_.folder / "test" / "0.tar", "w"):
        return set_


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path, monkeypatch)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [name[:5]]
    shown = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    path = ERRORS / f"{name}.txt"
    if update:
        path.write_text(shown, encoding="utf-8", newline="\n")
    assert path.read_text(encoding="utf-8") == shown


def test_every_file_is_a_case() -> None:
    assert {path.stem for path in ERRORS.glob("*.txt")} == set(CASES)


def test_every_code_has_a_case() -> None:
    assert {code for code in CODES if code.startswith("E12")} == {name[:5] for name in CASES}


def test_every_message_helps() -> None:
    for path in ERRORS.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^ = help: ", text, re.MULTILINE), path.name


# What is allowed with --allow-incomplete.


def incomplete(set_: Toy, task: Task | None = None) -> Outcome:
    found = find(str(set_.root), task or set_.task)
    assert found is not None
    with Encoder(toy_model()) as encoder:
        return evaluate_set(found, encoder, lambda read: None, allow_incomplete=True)


@pytest.mark.parametrize("kind", ["classification", "fmow", "faces", "retrieval"])
def test_damaged_images_are_counted_where_that_is_allowed(kind: str, tmp_path: Path) -> None:
    set_ = with_member(toy(tmp_path, kind), "00000003.png", b"no image")
    outcome = incomplete(set_)
    assert (outcome.damaged, outcome.n) == (1, set_.task.n - 1)
    assert not outcome.complete(set_.task)


def test_a_cue_with_a_damaged_candidate_is_left_out(tmp_path: Path) -> None:
    set_ = with_member(with_cues(tmp_path), "green-1.png", b"no image")
    lines = (set_.folder / "instances.jsonl").read_text().splitlines()
    shown = sum("green-1" in json.loads(line)["candidates"] for line in lines)
    assert shown > 0
    outcome = incomplete(set_)
    assert (outcome.damaged, outcome.n) == (1, len(lines) - shown)


def test_a_label_is_never_left_out(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="E1205"):
        incomplete(with_member(labelled(tmp_path), "00000003.cls", b"-1"))


def test_a_scale_or_a_seed_chooses(tmp_path: Path) -> None:
    run = trained(tmp_path, "demo-seed0", "demo-seed1", "small-seed1")
    assert find_trained(run, "demo", 1).folder.name == "demo-seed1"
    assert find_trained(run, "small").scale == "small"
    assert find_trained(run / "train" / "small-seed1").out == run / "train" / "small-seed1" / "eval"
