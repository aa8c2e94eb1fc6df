"""Taking in one file of a pool in any process that sees the store, and keeping its work.

Where it is done does not matter, nor how often or whether two do it at once: each writes under a name of its own, and
the first one that is done keeps its work.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dcql.catalog import parquet
from dcql.engine.intake import read_work, take_in
from dcql.errors import Diagnostic, RunError
from dcql.files import current_size


@dataclass(frozen=True, slots=True)
class Taking:
    """A file that is to be taken in: made in the folder `unfinished`, then kept as `kept`.

    `memory` is in bytes. What comes out depends on it, for it says how long sorted runs are.
    """

    footer: parquet.Footer
    unfinished: Path
    kept: Path
    memory: int

    @property
    def name(self) -> str:
        """The file's name in its pool."""
        return self.footer.file.name

    def take(self, progress: Callable[[int], None]) -> None:
        """Take the file in and keep its work, unless it is kept already; `progress` is told the rows done.

        Raises RunError where the file cannot be read or changed, OSError where the store cannot be written.
        """
        if read_work(self.kept) is not None:
            return
        made = self.unfinished / f"{self.kept.name}-{uuid.uuid4().hex[:16]}"
        try:
            take_in(self.footer, made, self.memory, progress)
            refuse_change(self.footer)
            self._keep(made)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _keep(self, made: Path) -> None:
        self.kept.parent.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            os.rename(made, self.kept)
            return
        if read_work(self.kept) is not None:
            return  # another process was first
        shutil.rmtree(self.kept, ignore_errors=True)
        os.rename(made, self.kept)


def refuse_change(footer: parquet.Footer) -> None:
    """Raise RunError where the file is no longer the one whose footer was read at the start."""
    file = footer.file
    if current_size(file) != file.size or parquet.read_footers([file])[0].digest != footer.digest:
        raise RunError(
            Diagnostic(
                "E0714",
                f"`{file.name}` changed while it was added",
                None,
                "its size or footer is not what it was at the start",
                ("run `dcql pool add` again when nothing writes to the pool any more",),
            )
        )
