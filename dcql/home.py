"""Where dcql keeps what it made: the store."""

import os
from pathlib import Path


def home() -> Path:
    """Return the root of the store: $DCQL_HOME, or ~/.dcql."""
    named = os.environ.get("DCQL_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / ".dcql"
