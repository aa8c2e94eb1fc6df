"""Remote files as DuckDB reads them: the files of one session, at the versions that they are bound to."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fsspec import AbstractFileSystem

from dcql.errors import RunError
from dcql.remote.files import Stream, stream

_LITERALLY = re.compile(r"\[(.)\]")


class FarFiles(AbstractFileSystem):  # type: ignore[misc]
    """A filesystem of `files`, URLs of one protocol, and of nothing else.

    DuckDB makes a text of what is raised in here; `fault` is the first of it, as it was.
    """

    cachable = False

    def __init__(self, protocol: str, files: Sequence[str]) -> None:
        super().__init__()
        self.protocol = protocol  # what DuckDB asks for
        self.fault: RunError | None = None
        self._files = frozenset(files)

    def glob(self, path: str, *_: Any, **__: Any) -> list[str]:
        """Return the file that a path without patterns names, its characters escaped as DuckDB wants them."""
        literal = _LITERALLY.sub(r"\1", path)
        return [literal] if literal in self._files else [path] if path in self._files else []

    def exists(self, path: str, **_: Any) -> bool:
        """Return whether the session may read a file."""
        return path in self._files

    def isfile(self, path: str) -> bool:
        """Return whether the session may read a file."""
        return path in self._files

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Return name, type and size of a file, as it was listed."""
        return {"name": path, "type": "file", "size": self.open(path).size}

    def size(self, path: str) -> int:
        """Return a file's size, as it was listed."""
        return self.open(path).size

    def modified(self, path: str) -> datetime:
        """Return one time for all files: a session sees one version of each."""
        return datetime.fromtimestamp(0, UTC)

    def open(self, path: str, mode: str = "rb", **_: Any) -> "_Watched":
        """Open a file to read from. Raises FileNotFoundError for others than the session's."""
        if path not in self._files or mode != "rb":
            raise FileNotFoundError(path)
        try:
            return _Watched(stream(path), self)
        except RunError as error:
            self.fault = self.fault or error
            raise


class _Watched:
    """A stream of which the filesystem remembers what failed."""

    def __init__(self, opened: Stream, files: FarFiles) -> None:
        self._stream = opened
        self._files = files
        self.size = opened.size

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, count: int = -1) -> bytes:
        try:
            return self._stream.read(count)
        except RunError as error:
            self._files.fault = self._files.fault or error
            raise

    def close(self) -> None:
        self._stream.close()
