"""The evaluation of the demo pool: its held-out drawings, written out in the layout that every evaluation reads."""

import os
from pathlib import Path

from dcql.catalog import store
from dcql.errors import Diagnostic, RunError
from dcql.runtime.evaluate.tasks import Suite, Task, tasks
from dcql.runtime.evaluate.writing import write_set

# Captions of the pool are names and keywords, without a sentence around them.
TEMPLATES = ("{c}",)


def home() -> Path:
    """Return where evaluation sets are looked for, and those of the demo pool made: $DCQL_HOME/eval."""
    return store.home() / "eval"


def make() -> None:
    """Write the sets of the demo pool's tasks to `home()` where they are not there. Raises RunError."""
    for task in tasks(Suite.DEMO):
        folder = home() / task.folder
        if not folder.is_dir():
            _make(task, folder)


def _make(task: Task, folder: Path) -> None:
    import pyarrow.parquet as pq

    try:
        # mypy does not know where package-dir maps dcql.demo to.
        from dcql.demo.expand import DATA, DemoPoolError, check  # type: ignore[import-not-found]
    except ImportError as error:
        raise RunError(_missing("it is not installed with this dcql")) from error
    try:
        check(DATA, ("held_out.parquet",))
    except DemoPoolError as error:
        raise RunError(_missing(str(error))) from error
    drawings = pq.read_table(DATA / "held_out.parquet", columns=["name", "webp"])
    names, images = drawings["name"].to_pylist(), drawings["webp"].to_pylist()
    retrieval = task.kind == "retrieval"
    samples = (
        {"webp": image, **({"txt": name.encode()} if retrieval else {"cls": str(label).encode()})}
        for label, (name, image) in enumerate(zip(names, images, strict=True))
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if retrieval:
            write_set(folder, samples, retrieval=True)
        else:
            write_set(folder, samples, classnames=names, templates=TEMPLATES)
    except OSError as error:
        # Another process may have been first.
        if not folder.is_dir():
            reason = error.strerror or os.fspath(folder)
            raise RunError(_missing(f"`{folder}` cannot be written: {reason}")) from error


def _missing(label: str) -> Diagnostic:
    return Diagnostic("E0764", "no evaluation of the demo pool", None, label, ("name sets of yours: `--data PATH`",))
