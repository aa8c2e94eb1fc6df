"""Where dcql keeps the pools that were added: the store.

$DCQL_HOME (~/.dcql)/
  cache/                   blocks of remote files: dcql.remote.kept
  locks/NAME               held by flock while the pool is added or removed; never deleted
  pools/NAME/
    pool.toml              the record of the pool; replaced last and atomically
    work/KEY/              what one file of the pool gave, by the digest of the file
    versions/VERSION/      what all files together gave: uids.npy, ranks/, distributions/
"""

import contextlib
import re
from pathlib import Path

from dcql.errors import Diagnostic, RunError
from dcql.home import home as home
from dcql.scratch import unfinished

MAX_PROGRAMS = 1_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_pool_name(name: str) -> bool:
    """Return whether a pool may have this name."""
    return _NAME.fullmatch(name) is not None and len(name) <= 200


def pool_folder(name: str) -> Path:
    """Return the folder of the pool called `name`, which need not exist; raise RunError for an illegal name."""
    if not is_pool_name(name):
        raise RunError(
            Diagnostic(
                "E0708",
                f"`{name}` cannot name a pool",
                None,
                "a name begins with a letter or digit and goes on with letters, digits, `.`, `_` and `-`",
                ("choose a short name, as in `dcql pool add small PATH`",),
            )
        )
    return home() / "pools" / name


def lock_file(name: str) -> Path:
    """Return the file that is locked while the pool called `name` changes."""
    pool_folder(name)
    return home() / "locks" / name


def record_file(name: str) -> Path:
    """Return the record of the pool called `name`."""
    return pool_folder(name) / "pool.toml"


def added_names() -> tuple[str, ...]:
    """Return the names of the added pools, sorted."""
    folder = home() / "pools"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if (entry / "pool.toml").is_file()))


def program_file(key: str) -> Path:
    """Return where the program of a key is kept."""
    return home() / "programs" / f"{key}.json"


def keep_program(place: Path, text: str) -> None:
    """Keep a program, and no more than the MAX_PROGRAMS used last; do nothing where the store cannot be written."""
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(place) as written:
            written.write_text(text, encoding="utf-8")
            written.replace(place)
        kept = sorted(place.parent.iterdir(), key=lambda file: file.stat().st_mtime_ns)
        for old in kept[:-MAX_PROGRAMS]:
            old.unlink(missing_ok=True)
