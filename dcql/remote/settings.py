"""What a user may set of reading over a network: environment variables."""

import os
import re
from pathlib import Path

from dcql.errors import Diagnostic, RunError
from dcql.home import home

LIMIT = "DCQL_CACHE_LIMIT"  # bytes that the cache may take
TIMEOUT = "DCQL_REMOTE_TIMEOUT"  # seconds without an answer
ATTEMPTS = "DCQL_REMOTE_ATTEMPTS"  # of one request, the first included

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def cache_folder() -> Path:
    """Return the folder of the cache: `cache` in the store."""
    return home() / "cache"


def cache_limit() -> int:
    """Return how many bytes the cache may take, 10 GB where nothing is set; raise RunError for what is no size."""
    text = os.environ.get(LIMIT, "10GB")
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?B?)\s*", text)
    unit = found[2].upper() if found else ""
    if found is None or unit not in _UNITS:
        raise _refused(LIMIT, text, "write a number of bytes, as in `10GB`, or 0 for no cache")
    return int(float(found[1]) * _UNITS[unit])


def timeout() -> float:
    """Return the seconds that a server may be silent, 30 where nothing is set; raise RunError for what is no number."""
    return _number(TIMEOUT, 30.0, "write a number of seconds, as in `30`")


def attempts() -> int:
    """Return how often a request is made at most, 6 where nothing is set; raise RunError for what is no number."""
    return max(1, int(_number(ATTEMPTS, 6, "write a whole number, as in `6`")))


def _number(name: str, default: float, advice: str) -> float:
    text = os.environ.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text) or float(text) == 0:
        raise _refused(name, text, advice)
    return float(text)


def _refused(name: str, text: str, advice: str) -> RunError:
    return RunError(
        Diagnostic("E0744", f"`{name}` cannot be `{text}`", None, "it is set in the environment", (advice,))
    )
