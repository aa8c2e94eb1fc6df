"""`--screenshots FOLDER` keeps what the tests of the leaderboard see in a browser."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="FOLDER", help="keep pictures of the leaderboard's pages")
