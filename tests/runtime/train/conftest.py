"""Trainings of tests run on the processor, but for those that are marked `gpu`."""

import pytest


@pytest.fixture(autouse=True)
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the GPUs, from this process and from those that a test starts."""
    if request.node.get_closest_marker("gpu") is None:
        torch = pytest.importorskip("torch")
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
