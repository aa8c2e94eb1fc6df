"""The store as the nodes of a cluster see it: a mark that the command leaves there, and that every node has to find."""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dcql.catalog import store
from dcql.catalog.pool import unwritable
from dcql.errors import Diagnostic, RunError
from dcql.scratch import unfinished

# Longer than the minute for which NFS may believe what it knows of a folder.
_PATIENCE = 90.0  # seconds


@dataclass(frozen=True, slots=True)
class Mark:
    """A file in the store `home`, and what it says."""

    home: str
    path: str
    token: str

    def enter(self) -> None:
        """Make the store that of this process. Raises RunError where it is not the one that the mark was left in."""
        try:
            seen = Path(self.path).read_text(encoding="ascii")
        except (OSError, ValueError):
            seen = ""
        if seen != self.token:
            raise RunError(
                Diagnostic(
                    "E0790",
                    f"the node `{socket.gethostname()}` does not see the store `{self.home}`",
                    None,
                    "every node of a cluster reads and writes it, and what this command left there is not to be found",
                    ("set DCQL_HOME to a folder on a disk that all nodes share: `export DCQL_HOME=/shared/dcql`",),
                )
            )
        os.environ["DCQL_HOME"] = self.home


@contextlib.contextmanager
def marked() -> Iterator[Mark]:
    """Leave a mark in the store for as long as nodes may look for it. Raises RunError where that cannot be written."""
    path = store.home() / "locks" / "cluster"
    token = secrets.token_hex(16)
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            place = held.enter_context(unfinished(path))
            place.write_text(token, encoding="ascii")
        except OSError as error:
            raise RunError(unwritable(error)) from error
        yield Mark(str(store.home()), str(place), token)


def seen(is_there: Callable[[], bool]) -> bool:
    """Wait until this machine sees what others wrote, and return whether it does.

    A network's disk may tell for some time of a folder as it was.
    """
    until = time.monotonic() + _PATIENCE
    pause = 0.01
    while not is_there():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
        pause = min(1.0, 2 * pause)
    return True
