"""`pytest --update` rewrites the expected files, `--screenshots` keeps pictures of pages.

HYPOTHESIS_PROFILE=nightly runs more examples.
"""

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from browser import axe, driver  # noqa: F401
from hypothesis import HealthCheck, settings

# Where Python is to keep no compiled code, each process that the tests start compiles dcql anew, which takes as long as
# a small command, and each process of the suite rewrites every assert.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile(
    "ci", max_examples=160, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="write what the tests see into the expected files")
    parser.addoption("--screenshots", metavar="FOLDER", help="keep pictures of pages that tests see in a browser")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector off what is collected: a million objects that live to the end."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the cases of a test that is `thinned(n)`, leave one in n and let the others be `slow`.

    Which ones, the sum of the bytes of their names says: of a product of parameters that leaves a diagonal, and most
    values of each of them still come.
    """
    for item in items:
        for mark in item.iter_markers("thinned"):
            if sum(item.nodeid.encode()) % mark.args[0]:
                item.add_marker(pytest.mark.slow)


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be rewritten."""
    return bool(request.config.getoption("--update"))
