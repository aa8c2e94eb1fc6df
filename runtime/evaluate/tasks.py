"""The tasks of an evaluation, read from the lists that ship: DataComp's 40, and those of the demo pool."""

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from importlib.resources import files

from dcql.errors import Diagnostic, RunError, did_you_mean


class Suite(StrEnum):
    """A list of tasks that are evaluated together."""

    DATACOMP = "datacomp"
    DEMO = "demo"


_LISTS = {Suite.DATACOMP: "tasks.toml", Suite.DEMO: "demo_tasks.toml"}
GROUPS = ("imagenet", "shifts", "vtab", "retrieval")


@dataclass(frozen=True, slots=True)
class Task:
    """One row of a list; see the top of tasks.toml. A task without `main` is in no average.

    `dataset` is the digest that its set has to have, where one is known.
    """

    key: str
    name: str
    kind: str
    n: int
    source: str
    classes: int | None = None
    main: str | None = None
    chance: float | None = None
    group: str | None = None
    dataset: str | None = None

    @property
    def folder(self) -> str:
        """The name of the folder with its set, as clip-benchmark's evaluation of DataComp names it."""
        return f"wds_{self.key.removeprefix('fairness/').replace('/', '-')}_test"

    def identity(self) -> dict[str, str | int | None]:
        """Return what of a task decides its result: not how it is called, or where its set came from."""
        return {"key": self.key, "kind": self.kind, "n": self.n, "classes": self.classes, "main": self.main}


@functools.cache
def tasks(suite: Suite) -> tuple[Task, ...]:
    """Return the tasks of a list, in its order."""
    text = files("dcql.runtime.evaluate").joinpath(_LISTS[suite]).read_text(encoding="utf-8")
    return read(text)


def read(text: str) -> tuple[Task, ...]:
    """Read a list of tasks from TOML; raise ValueError where a row is not one, or a key comes twice."""
    known = {field.name for field in fields(Task)}
    found = []
    for row in tomllib.loads(text)["task"]:
        if set(row) - known:
            raise ValueError(f"{row.get('key')}: there is no {min(set(row) - known)!r} of a task")
        if row.get("group") not in (None, *GROUPS):
            raise ValueError(f"{row['key']}: there is no group {row['group']!r}")
        found.append(Task(**row))
    if len({task.key for task in found}) != len(found):
        raise ValueError("two tasks share a key")
    return tuple(found)


def choose(suite: Suite, asked: Iterable[str] | None) -> tuple[Task, ...]:
    """Return the tasks of a list that were asked for by key or name, in the list's order; all without `asked`.

    Raises RunError for one that the list does not have.
    """
    listed = tasks(suite)
    if asked is None:
        return listed
    named = {word: task for task in listed for word in (task.name.lower(), task.key)}
    wanted = set()
    for word in asked:
        task = named.get(word.strip().lower())
        if task is None:
            begins = (task.key for task in listed if task.key.startswith(word.strip().lower() or " "))
            near = next(begins, None) or did_you_mean(word, named)
            helps = (f"a similar task exists: `{near}`",) if near else (f"its tasks are {_listing(listed)}",)
            raise RunError(
                Diagnostic("E1201", f"no task `{word}`", None, f"the list `{suite}` has no such task", helps)
            )
        wanted.add(task.key)
    return tuple(task for task in listed if task.key in wanted)


def _listing(listed: tuple[Task, ...]) -> str:
    return ", ".join(f"`{task.key}`" for task in listed)
