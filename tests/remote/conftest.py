"""Fixtures of tests of files behind URLs."""

import os

import pytest
from remote.serving import home, s3, server  # noqa: F401


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are rewritten: `pytest --update` where that option exists, or UPDATE_GOLDENS=1."""
    return bool(request.config.getoption("--update", default=False)) or os.environ.get("UPDATE_GOLDENS") == "1"
