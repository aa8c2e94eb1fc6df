"""What `dcql.files.locate` gives for a URL: the part of fsspec's interface that is used here, and no more requests."""

import io
from typing import Any

from dcql.remote.ahead import ahead
from dcql.remote.layouts import GRID
from dcql.remote.objects import RemoteFile, blocks, known
from dcql.remote.stores import Info, Store, connect


class Files:
    """A filesystem behind URLs. Paths are fsspec's, without the protocol.

    What is asked about a path is remembered as long as this object lives, which is for one piece of work.
    """

    def __init__(self, store: Store) -> None:
        self._store = store.fresh()
        self._infos: dict[str, Info] = {}

    def __getattr__(self, name: str) -> Any:
        """Return what else the filesystem can do: writing, moving, removing."""
        return getattr(self._store.filesystem, name)

    def info(self, path: str) -> Info:
        """Return name, type and size of what a path leads to.

        Raises FileNotFoundError where there is nothing, RunError where it cannot be asked.
        """
        path = path.rstrip("/") or path
        if path not in self._infos:
            self._note(path, self._store.info(path))
        return self._infos[path]

    def exists(self, path: str) -> bool:
        """Return whether something lies at a path."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def isfile(self, path: str) -> bool:
        """Return whether a path leads to a file."""
        return self.exists(path) and self.info(path)["type"] == "file"

    def isdir(self, path: str) -> bool:
        """Return whether a path leads to a folder."""
        return self.exists(path) and self.info(path)["type"] == "directory"

    def ls(self, path: str, detail: bool = True) -> list[Info]:
        """Return what a folder holds; its files are bound to the versions that are stated."""
        found = self._store.ls(path)
        before: RemoteFile | None = None
        for info in sorted(found, key=lambda info: str(info["name"])):
            file = self._note(str(info["name"]).rstrip("/"), info)
            if file is not None and file.url.endswith(".parquet"):
                if before is not None:
                    before.following = file
                before = file
        if before is not None:
            before.following = None
        return found

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""
        return int(self.info(path)["size"])

    def cat_file(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Return a stretch of a file. Raises RunError where it cannot be read, or the file changed."""
        file = self._file(path)
        end = file.size if end is None else min(end, file.size)
        if path.endswith(".parquet") or end - start < GRID // 4:
            return file.exactly(start, end)
        return _read(file, start, end)

    def open(self, path: str, mode: str = "rb") -> Any:
        """Open a file; only reading is bound to a version."""
        if mode != "rb":
            self._infos.pop(path, None)
            known.forget(self._store.url(path))
            return self._store.filesystem.open(path, mode)
        return Stream(self._file(path))

    def unstrip_protocol(self, path: str) -> str:
        """Return a path as a URL."""
        return self._store.url(path)

    def invalidate_cache(self) -> None:
        """Forget what was asked about paths."""
        self._infos.clear()

    def _file(self, path: str) -> RemoteFile:
        file = known.get(self._store.url(path))
        if file is None:
            self.info(path)
            file = known.get(self._store.url(path))
        if file is None:
            raise IsADirectoryError(path)
        return file

    def _note(self, path: str, info: Info) -> RemoteFile | None:
        self._infos[path] = info
        if info["type"] != "file" or info.get("size") is None:
            return None
        return known.bind(self._store, path, int(info["size"]), self._store.version(info))


class Stream(io.RawIOBase):
    """A remote file as a file object to read from, without a buffer of its own: blocks are one."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file
        self.size = file.size
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the place in the file."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError("a place before the file's beginning")
        self._place = start + offset
        return self._place

    def read(self, count: int | None = -1) -> bytes:
        """Return up to `count` bytes, fewer at the file's end alone. Raises RunError where they cannot be read."""
        end = self.size if count is None or count < 0 else min(self.size, self._place + count)
        content = _read(self.file, self._place, end)
        self._place += len(content)
        return content

    def readall(self) -> bytes:
        """Return the bytes up to the file's end."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the bytes read."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _read(file: RemoteFile, start: int, end: int) -> bytes:
    if start >= end:
        return b""
    wanted = list(file.layout.blocks(start, end))
    for block in wanted:
        ahead.read(file, block)
    contents = blocks.all(file, wanted)
    if len(wanted) == 1:
        first = wanted[0][0]
        return contents[0][start - first : end - first] if (start, end) != wanted[0] else contents[0]
    contents[0] = contents[0][start - wanted[0][0] :]
    contents[-1] = contents[-1][: end - wanted[-1][0]]
    return b"".join(contents)


def locate(place: str) -> tuple[Files, str]:
    """Return the filesystem of a URL, and the path in it; raise RunError where it cannot be opened."""
    store, path = connect(place)
    return Files(store), path


def stream(url: str) -> Stream:
    """Open the file of a URL, one that was listed without a request."""
    file = known.get(url)
    if file is not None:
        return Stream(file)
    files, path = locate(url)
    opened: Stream = files.open(path)
    return opened
