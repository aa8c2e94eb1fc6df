"""What docs/evaluation.md says of sets that other packages load: its program writes sets that are read."""

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dcql.runtime.evaluate.encode import Encoder
from dcql.runtime.evaluate.kinds import evaluate_set
from dcql.runtime.evaluate.layout import find
from dcql.runtime.evaluate.tasks import Task
from toy_sets import COLOURS, NAMES, toy_model

pytest.importorskip("torch")
PAGE = Path(__file__).parents[3] / "docs" / "evaluation.md"
FLICKR = "retrieval/flickr_1k_test_image_text_retrieval"
COCO = "retrieval/mscoco_2014_5k_test_image_text_retrieval"


def picture(number: int, mode: str = "RGB") -> Any:
    from PIL import Image

    pixels = np.full((9, 7, 3), COLOURS[NAMES[number % 7]]) + number // 7
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert(mode)


def rows_of(name: str, split: str) -> Iterator[dict[str, Any]]:
    """Yield rows of the shape that DataComp's evaluation reads."""
    assert split == "test"
    if name == "nlphuji/winogavil":
        for number in range(8):
            shown = [(number + step) % 14 for step in range(10 if number % 2 else 5)]
            yield {
                "cue": NAMES[number % 7],
                "candidates": [f"image {image}" for image in shown],
                "candidate_images": [picture(image) for image in shown],
                "associations": [f"image {shown[0]}"],
            }
    else:
        for number in range(12):
            lines = [f"a {NAMES[number % 7]}\nthing", f"number {number}"]
            yield {"image": picture(number, "L" if number == 5 else "RGB"), "caption": lines}


def test_the_program_writes_sets_that_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("datasets")
    module.load_dataset = lambda name, split: list(rows_of(name, split))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"^```py\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(program, "docs/evaluation.md", "exec"), {"__name__": "docs"})
    listed = (
        Task(FLICKR, "Flickr", "retrieval", 12, "", main="mean_recall@1"),
        Task(COCO, "MSCOCO", "retrieval", 12, "", main="mean_recall@1"),
        Task("misc/winogavil", "WinoGAViL", "winogavil", 8, "", main="jaccard_score_10-12"),
    )
    for task in listed:
        found = find("sets", task)
        assert found is not None
        with Encoder(toy_model()) as encoder:
            outcome = evaluate_set(found, encoder, lambda read: None)
        assert outcome.complete(task)
        if task.kind == "retrieval":
            assert outcome.notes == {"captions": 24}
        else:
            assert outcome.notes == {"images": 14}
            assert [len(row["candidates"]) for row in found.instances] == [5, 10] * 4
