"""Tiny evaluation sets of every kind, and a model that looks at colours: equal on every run, made in milliseconds.

The model knows the names of colours: a text is the mean of the colours that it names, an image its mean colour, and
both are blurred a little by what else is in them. So it is mostly right, and wrong now and then.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dcql.runtime.evaluate.metrics.faces import OBJECTIVES
from dcql.runtime.evaluate.tasks import Task
from dcql.runtime.evaluate.writing import write_set

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 190, 60),
    "blue": (40, 60, 220),
    "yellow": (230, 220, 40),
    "purple": (150, 40, 170),
    "orange": (240, 150, 30),
    "grey": (128, 128, 128),
}
NAMES = tuple(COLOURS)
TEMPLATES = ("a photo of a {c} thing.", "{c}", "the colour {c}!")
WIDTH = 12  # numbers of an embedding: three of colour, the others of what else is in an input
SIDE = 8  # pixels


def png(colour: str, seed: int, noise: float = 60) -> bytes:
    """Return an image of a colour with noise; equal for equal arguments."""
    from PIL import Image

    draws = np.random.default_rng(seed)
    pixels = np.array(COLOURS[colour]) + draws.normal(0, noise, 3) + draws.normal(0, 20, (SIDE, SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def npy(*numbers: int) -> bytes:
    """Return numbers about a sample as DataComp's sets have them."""
    file = io.BytesIO()
    np.save(file, np.array(numbers, np.int64))
    return file.getvalue()


@dataclass(frozen=True)
class ToyModel:
    """What dcql.runtime.clip_model.ClipModel is to an evaluation."""

    module: Any

    def eval_image(self, image: Any) -> Any:
        import torch

        pixels = np.asarray(image.resize((SIDE, SIDE)), np.float32) / 255
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())

    def tokenize(self, texts: Sequence[str]) -> Any:
        """Return int64 (n, 3 + 8): the mean of the colours that are named, and the digest of the text."""
        import torch

        rows = []
        for text in texts:
            named = [COLOURS[name] for name in NAMES if name in text.lower()] or [(100, 110, 120)]
            rows.append([*np.mean(named, axis=0).astype(int), *hashlib.sha256(text.encode()).digest()[:8]])
        return torch.tensor(rows, dtype=torch.int64)


def toy_model() -> ToyModel:
    """Return the model."""
    import torch

    class Module(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            draws = np.random.default_rng(5)
            self.image = torch.nn.Parameter(
                torch.from_numpy(draws.normal(0, 0.05, (SIDE * SIDE * 3, WIDTH - 3)).astype("f4"))
            )
            self.text = torch.nn.Parameter(torch.from_numpy(draws.normal(0, 0.05, (8, WIDTH - 3)).astype("f4")))
            self.logit_scale = torch.nn.Parameter(torch.tensor(4.6))

        def encode_image(self, images: Any) -> Any:
            colour = images.mean(dim=(2, 3)) - 0.45
            return torch.cat([colour, 0.3 * (images.flatten(1) - 0.45) @ self.image], dim=1)

        def encode_text(self, tokens: Any) -> Any:
            colour = tokens[:, :3].float() / 255 - 0.45
            return torch.cat([colour, (tokens[:, 3:].float() / 255 - 0.5) @ self.text], dim=1)

    return ToyModel(Module())


@dataclass(frozen=True)
class Toy:
    """A set on disk with its task, and the truth of its samples: labels and fields, or captions."""

    task: Task
    root: Path
    labels: Any
    numbers: Any
    captions: tuple[tuple[str, ...], ...] = ()

    @property
    def folder(self) -> Path:
        return self.root / self.task.folder


# For each kind with numbers about its samples: how many values each takes.
FIELDS = {
    "camelyon17": (2, 5, 2),
    "fmow": (6, 3, 7),
    "dollar_street": (4, 3, 4),
    "geode": (6, 9),
    "faces": (9, 2, 7, 2),
}
MAIN = {
    "classification": "acc1",
    "iwildcam": "F1-macro_all",
    "camelyon17": "acc1",
    "fmow": "acc_worst_region",
    "dollar_street": "acc_top5_wg",
    "geode": "acc_wg",
    "faces": None,
    "retrieval": "mean_recall@1",
    "winogavil": "jaccard_score_10-12",
}


def labelled(root: Path, kind: str = "classification", *, n: int = 140, key: str | None = None, **changed: Any) -> Toy:
    """Write a set of images that have a class, with numbers about them for the kinds that have some."""
    draws = np.random.default_rng(len(kind) * 1000 + n)
    classes = 2 if kind == "camelyon17" else len(NAMES)
    # Some classes are rare, and the last one never occurs among iWildCam's.
    weights = np.arange(classes, 0, -1.0)
    if kind == "iwildcam":
        weights[-1] = 0
    labels = draws.choice(classes, n, p=weights / weights.sum())
    sizes = FIELDS.get(kind, ())
    numbers = np.stack([draws.integers(0, size, n) for size in sizes], axis=1) if sizes else None
    if kind == "faces":
        assert numbers is not None
        numbers[:, 3] = numbers[:, 2] != 1
    samples = []
    for row, label in enumerate(labels):
        sample = {"png": png(NAMES[label], row)}
        sample |= {} if kind == "faces" else {"cls": str(label).encode()}
        samples.append(sample | ({} if numbers is None else {"npy": npy(*numbers[row])}))
    task = Task(
        **{
            "key": key or f"toy/{kind}",
            "name": f"Toy {kind}",
            "kind": kind,
            "n": n,
            "source": "here",
            "classes": None if kind == "faces" else classes,
            "main": MAIN[kind],
            **changed,
        }
    )
    classnames, templates = list(NAMES[:classes]), list(TEMPLATES)
    if kind == "faces":
        classnames, templates = face_lines()
    write_set(root / task.folder, samples, classnames=classnames, templates=templates, per_tar=50)
    return Toy(task, root, labels, numbers)


def face_lines() -> tuple[list[str], list[str]]:
    """Return class names and templates of the four questions of faces."""
    sizes = {"race": 7, "gender": 2, "age": 9, "toxic": 24}
    names = [f"{what}:{NAMES[i % 7]} {what} {i}" for what in OBJECTIVES for i in range(sizes[what])]
    return names, [f"{what}:a photo of {{c}}" for what in OBJECTIVES] + ["gender:{c}"]


def with_captions(root: Path, *, n: int = 40) -> Toy:
    """Write a set of images with one to four captions each."""
    draws = np.random.default_rng(n)
    images = [NAMES[i % 7] for i in range(n)]
    captions = tuple(
        tuple(f"number {row} {other} of {colour}" for other in range(draws.integers(1, 5)))
        for row, colour in enumerate(images)
    )
    samples = [
        {"png": png(colour, row, 90), "txt": "\n".join(lines).encode()}
        for row, (colour, lines) in enumerate(zip(images, captions, strict=True))
    ]
    task = Task("toy/retrieval", "Toy retrieval", "retrieval", n, "here", None, "mean_recall@1")
    write_set(root / task.folder, samples, retrieval=True, per_tar=15)
    return Toy(task, root, None, None, captions)


def with_cues(root: Path, *, n: int = 30) -> Toy:
    """Write WinoGAViL's form: cues, each with candidates out of some images, and associations among them."""
    draws = np.random.default_rng(n)
    keys = [f"{NAMES[i % 7]}-{i}" for i in range(28)]
    samples = [{"png": png(key.split("-")[0], row, 90)} for row, key in enumerate(keys)]
    instances = []
    for number in range(n):
        candidates = draws.choice(keys, (5, 6, 10, 12)[number % 4], replace=False).tolist()
        associations = draws.choice(candidates, draws.integers(1, 4), replace=False).tolist()
        cue = associations[0].split("-")[0]
        instances.append({"cue": cue, "candidates": candidates, "associations": associations})
    task = Task("toy/winogavil", "Toy WinoGAViL", "winogavil", n, "here", None, MAIN["winogavil"])
    write_set(root / task.folder, samples, instances=instances, keys=keys, per_tar=10)
    return Toy(task, root, None, None)


def toy(root: Path, kind: str) -> Toy:
    """Write the toy set of a kind."""
    return {"retrieval": with_captions, "winogavil": with_cues}.get(kind, lambda at: labelled(at, kind))(root)


def instances_of(set_: Toy) -> list[Mapping[str, Any]]:
    """Return WinoGAViL's instances as they stand on disk."""
    return [json.loads(line) for line in (set_.folder / "instances.jsonl").read_text().splitlines()]
