"""What clip-benchmark makes of the same sets and the same model: equal to 1e-6.

It is no dependency. `pip install clip-benchmark requests 'numpy<2.4'` in an environment of its own runs these tests: it
imports requests without asking for it, and cannot score under NumPy 2.4.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dcql.runtime.evaluate.encode import Encoder
from dcql.runtime.evaluate.kinds import Outcome, evaluate_set
from dcql.runtime.evaluate.layout import find
from toy_sets import TEMPLATES, ToyModel, labelled, toy_model, with_captions

from dcql import torchvision_remedy

CLOSE = 1e-6

torch = pytest.importorskip("torch")
torchvision_remedy.apply()
pytest.importorskip("clip_benchmark")
pytest.importorskip("requests")
builder = pytest.importorskip("clip_benchmark.datasets.builder")
classification = pytest.importorskip("clip_benchmark.metrics.zeroshot_classification")
retrieval = pytest.importorskip("clip_benchmark.metrics.zeroshot_retrieval")


def ours(root: Path, task: Any, model: ToyModel) -> Outcome:
    found = find(str(root), task)
    assert found is not None
    with Encoder(model) as encoder:
        return evaluate_set(found, encoder, lambda read: None)


def loader(folder: Path, model: ToyModel, collate: Any = None) -> Any:
    dataset = builder.build_wds_dataset("toy", model.eval_image, "test", data_dir=str(folder))
    batched = dataset.batched(64) if collate is None else dataset.batched(64, collation_fn=collate)
    loaded = torch.utils.data.DataLoader(batched, batch_size=None, num_workers=0)
    return loaded, dataset


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) >= "2.4.0", reason="it cannot score under NumPy 2.4")
@pytest.mark.parametrize("classes", [7, 2])
def test_classification(tmp_path: Path, classes: int) -> None:
    kind = "classification" if classes == 7 else "camelyon17"
    toy, model = labelled(tmp_path, kind), toy_model()
    outcome = ours(tmp_path, toy.task, model)
    loaded, dataset = loader(toy.folder, model)
    assert dataset.templates == list(TEMPLATES)
    classifier = classification.zero_shot_classifier(
        model.module, model.tokenize, dataset.classes, dataset.templates, "cpu", amp=False
    )
    with Encoder(model) as encoder:
        assert np.allclose(encoder.classifier(dataset.classes, dataset.templates).T, classifier, atol=CLOSE)
    loaded.dataset.classes = dataset.classes
    theirs = classification.evaluate(
        model.module, loaded, model.tokenize, dataset.classes, dataset.templates, "cpu", amp=False
    )
    for name, value in theirs.items():
        if np.isnan(value):
            assert outcome.metrics[name] is None
        else:
            assert outcome.metrics[name] == pytest.approx(value, abs=CLOSE)
    assert 0.1 < theirs["acc1"] < 1


def test_retrieval(tmp_path: Path) -> None:
    toy, model = with_captions(tmp_path), toy_model()
    outcome = ours(tmp_path, toy.task, model)
    loaded, _ = loader(toy.folder, model, builder.image_captions_collate_fn)
    theirs = retrieval.evaluate(model.module, loaded, model.tokenize, "cpu", amp=False, recall_k_list=[1, 5, 10])
    assert len(theirs) == 6
    for name, value in theirs.items():
        assert outcome.metrics[name] == pytest.approx(value, abs=CLOSE)
    mean = (theirs["image_retrieval_recall@1"] + theirs["text_retrieval_recall@1"]) / 2
    assert outcome.metrics["mean_recall@1"] == pytest.approx(mean, abs=CLOSE)
