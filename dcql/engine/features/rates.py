"""How fast models answered on this machine: what `dcql plan` says a feature would cost."""

import contextlib
import json
from pathlib import Path

from dcql.catalog import store
from dcql.scratch import unfinished

# Below this, loading the model is most of the time.
_FEWEST = 1_000


def _file() -> Path:
    return store.home() / "rates.json"


def rate(model: str) -> float | None:
    """Return the samples a second that a model answered for when it last ran here, None where it never did."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))[model]
        return float(found["samples"]) / float(found["seconds"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
        return None


def note_rate(model: str, samples: int, seconds: float, lanes: int) -> None:
    """Remember how long a model took; nothing is lost where the store cannot be written."""
    if samples < _FEWEST or seconds <= 0:
        return
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(_file().read_text(encoding="utf-8")) if _file().is_file() else {}
        known[model] = {"samples": samples, "seconds": round(seconds, 3), "lanes": lanes}
        with unfinished(_file()) as place:
            place.write_text(json.dumps(known, sort_keys=True), encoding="utf-8")
            place.replace(_file())
