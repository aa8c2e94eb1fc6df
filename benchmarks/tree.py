"""Watch the memory of a process and of all that it starts (Linux)."""

import threading
from dataclasses import dataclass
from pathlib import Path

_EVERY = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Peak:
    """The most that a tree of processes held at once, in bytes.

    `resident` counts every page in memory, those of mapped files too, which the system can take back; a page that two
    processes share counts twice. `own` counts what it cannot: pages of no file.
    """

    resident: int
    own: int


class Watch:
    """Looks at a tree of processes every 50 ms until told to stop; what comes and goes between two looks is missed."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._over = threading.Event()
        self._resident = self._own = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> Peak:
        """Return the peaks; the process may have ended."""
        self._over.set()
        self._thread.join()
        return Peak(self._resident, self._own)

    def _look(self) -> None:
        while True:
            held = [_memory(process) for process in _tree(self._root)]
            self._resident = max(self._resident, sum(resident for resident, _ in held))
            self._own = max(self._own, sum(own for _, own in held))
            if self._over.wait(_EVERY):
                return


def _tree(root: int) -> list[int]:
    """Return the ids of a process and of its children, theirs too."""
    found = [root]
    for process in found:
        try:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        except OSError:
            continue
    return found


def _memory(process: int) -> tuple[int, int]:
    """Return the resident bytes of a process, and those of no file; 0 where it is gone."""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    except OSError:
        return 0, 0
    # The kernel says kB and means KiB; a process that ended has no such lines.
    resident, own = (int(lines.get(name, "0").split()[0]) << 10 for name in ("VmRSS", "RssAnon"))
    return resident, own
