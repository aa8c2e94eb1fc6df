"""The demo pool: shipped bytes that are expanded and added on first use, under the name `demo`."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from dcql.catalog import store
from dcql.catalog.pool import Pool, list_pools, open_pool
from dcql.errors import Diagnostic, RunError

NAME = "demo"

Tell = Callable[[str, int, int], None]


def open_or_make(named: str | Path, tell: Tell | None = None) -> Pool:
    """Return the pool that `open_pool` does; the demo pool is made where it is named and was not added.

    A demo pool that was made before the pool had assets is given them; its metadata and its fingerprint stay.
    `tell(what, done, total)` is called while it is made. Raises RunError.
    """
    if is_to_be_made(named):
        _make(tell or _silent)
    elif named == NAME:
        _complete(store.home() / NAME)
    return open_pool(named)


def is_to_be_made(named: str | Path) -> bool:
    """Return whether `named` is the demo pool, and there is none yet."""
    return named == NAME and NAME not in list_pools()


def unpack_images(pool: Pool) -> None:
    """Write the demo pool's images, which are larger than all else of it, once a recipe reads them.

    Does nothing for another pool. Raises RunError where they cannot be written.
    """
    if pool.name != NAME or Path(pool.source) != store.home() / NAME:
        return
    try:
        # mypy does not know where package-dir maps dcql.demo to.
        from dcql.demo.expand import DemoPoolError, add_images  # type: ignore[import-not-found]
    except ImportError as error:
        raise RunError(_missing("it is not installed with this dcql")) from error
    try:
        add_images(store.home() / NAME)
    except DemoPoolError as error:
        raise RunError(_unwritten(error)) from error


def _make(tell: Tell) -> None:
    from dcql.engine.add import add

    folder = store.home() / NAME
    _expand(folder, lambda done, total: tell("unpacking the demo pool", done, total))
    add(NAME, folder, progress=lambda _, done, total: tell("adding the demo pool", done, total))


def _silent(what: str, done: int, total: int) -> None:
    pass


def _expand(folder: Path, tell: object) -> None:
    if (folder / "metadata").is_dir():
        _complete(folder)
        return
    try:
        from dcql.demo.expand import DemoPoolError, expand
    except ImportError as error:
        raise RunError(_missing("it is not installed with this dcql")) from error
    try:
        expand(folder, tars=False, progress=tell)
    except DemoPoolError as error:
        # Another process may have been first.
        if not (folder / "metadata").is_dir():
            raise RunError(_unwritten(error)) from error


def _complete(folder: Path) -> None:
    """Add the assets to an expansion that has none."""
    if not (folder / "metadata").is_dir() or (folder / "assets.toml").is_file():
        return
    # What needs no asset runs without them, and what needs one says which is missing: so a store that cannot be
    # written is no reason to stop here.
    with contextlib.suppress(ImportError):
        from dcql.demo.expand import DemoPoolError, complete

        with contextlib.suppress(DemoPoolError):
            complete(folder)


def _unwritten(error: Exception) -> Diagnostic:
    """Return the diagnostic of a demo pool that was not made; where the disk refused, it says how to name another."""
    refused = isinstance(error.__cause__, OSError)
    return _missing(str(error), *(("or set DCQL_HOME to a folder that you may write, with room",) if refused else ()))


def _missing(label: str, *more: str) -> Diagnostic:
    return Diagnostic("E0764", "no demo pool", None, label, ("name a pool of yours: `--pool PATH`", *more))
