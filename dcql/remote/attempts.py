"""A request, made again after faults that may pass: a bounded number of times, with growing pauses."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from dcql.errors import RunError
from dcql.remote import faults, settings

T = TypeVar("T")

FIRST_PAUSE = 0.5  # seconds; each later one is twice as long
_LONGEST_PAUSE = 10.0
_SLOWEST = 50_000  # bytes a second; a transfer that is slower is broken off


def attempt(place: str, do: Callable[[float], T], size: int = 0, most: int | None = None) -> T:
    """Return what `do` does, a request for `size` bytes of the URL `place`; it is told the seconds that it may take.

    `most` attempts are made, None: as many as the settings say.
    Raises FileNotFoundError and faults.Changed as they come, RunError for other faults that do not pass and for one
    that did not in all attempts.
    """
    most = min(most or settings.attempts(), settings.attempts())
    seconds = settings.timeout() + size / _SLOWEST
    for number in range(1, most + 1):
        try:
            return do(seconds)
        except (RunError, faults.Changed):
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not faults.refused(error):
                raise
            if not faults.passes(error):
                raise RunError(faults.final(place, error)) from error
            if number == most:
                raise RunError(faults.unreachable(place, error, most)) from error
        # All threads and processes of a server that was too busy would otherwise come back at once.
        time.sleep(random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, FIRST_PAUSE * 2 ** (number - 1)))
    raise AssertionError("there is at least one attempt")
