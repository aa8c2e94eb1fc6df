"""Going on after a fault, so that all of a recipe's are found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class WrongError(Exception):
    """A part of a recipe could not be resolved; the diagnostics say why."""


class Attempts:
    """Runs parts one by one; a part that fails is remembered, and the next one runs."""

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
        """Run `part` now; return a function that gives its result."""
        try:
            result = part(*args, **kwargs)
        except WrongError:
            self.failed = True
            return _fail
        return lambda: result


def _fail() -> T:  # type: ignore[type-var]
    raise WrongError


@contextmanager
def all_faults() -> Iterator[Attempts]:
    """Try several parts; raise WrongError at the end if any of them did."""
    attempts = Attempts()
    yield attempts
    if attempts.failed:
        raise WrongError
