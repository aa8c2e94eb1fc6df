"""A folder of evaluation sets: a path, or a URL that fsspec knows."""

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from dcql.errors import Diagnostic, RunError

# A data set of Hugging Face's hub, or an owner of some: its files are below /resolve/BRANCH.
_HUB = re.compile(r"https://huggingface\.co/datasets/([^/]+)(?:/([^/]+))?(?:/(?:tree|raw|resolve|blob)/([^/]+))?/?")

# Of what a filesystem tells about a file: what differs once the file does.
_STAMPS = ("mtime", "ino", "ETag", "etag", "LastModified", "last_modified", "created", "md5Hash", "generation")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, by its filesystem and the path in it."""

    filesystem: Any
    path: str
    shown: str

    def at(self, *names: str) -> "Place":
        """Return the place of a file or folder in this one."""
        return Place(self.filesystem, posixpath.join(self.path, *names), posixpath.join(self.shown, *names))

    def exists(self) -> bool:
        """Return whether something lies here; raise RunError where that cannot be asked."""
        try:
            return bool(self.filesystem.exists(self.path))
        except Exception as error:
            raise self.unreadable(error) from error

    def text(self) -> str | None:
        """Return a file of UTF-8 text, None where there is none. Raises RunError where it cannot be read."""
        try:
            content: bytes = self.filesystem.cat_file(self.path)
            return content.decode("utf-8")
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self.unreadable(error) from error

    def open(self) -> Any:
        """Open a file for reading bytes. Raises RunError where it cannot be read."""
        try:
            return self.filesystem.open(self.path, "rb")
        except Exception as error:
            raise self.unreadable(error) from error

    def names(self) -> list[str]:
        """Return the names in this folder, nothing where the filesystem cannot list."""
        try:
            return sorted(posixpath.basename(str(name).rstrip("/")) for name in self.filesystem.ls(self.path, False))
        except Exception:
            return []

    def stamp(self) -> list[str] | None:
        """Return what changes when this file does; None where the filesystem does not say."""
        try:
            info = self.filesystem.info(self.path)
        except Exception:
            return None
        told = [f"{name}={info[name]}" for name in _STAMPS if info.get(name) is not None]
        return [f"size={info.get('size')}", *told] if told else None

    def unreadable(self, error: Exception) -> RunError:
        """Return the error that this cannot be read."""
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        advice = "install the package that it names" if isinstance(error, ImportError) else "check the path or the URL"
        return RunError(Diagnostic("E1202", f"cannot read `{self.shown}`", None, reason, (advice,)))


def place(address: str) -> Place:
    """Return the folder at a path or URL; raise RunError for a URL that fsspec cannot open."""
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError, OSError) as error:
        raise Place(None, address, address).unreadable(error) from error
    return Place(filesystem, str(path), address)


def address_of(data: str, folder: str) -> str:
    """Return the address of the set called `folder` among the sets at `data`.

    >>> address_of("sets", "wds_cars_test")
    'sets/wds_cars_test'
    >>> address_of("https://huggingface.co/datasets/djghosh", "wds_cars_test")
    'https://huggingface.co/datasets/djghosh/wds_cars_test/resolve/main'
    """
    hub = _HUB.fullmatch(data)
    if hub is None:
        return posixpath.join(data, folder)
    return f"https://huggingface.co/datasets/{hub[1]}/{folder}/resolve/{hub[3] or 'main'}"
