"""A recipe while it is being written: what it keeps after each save, and what the save changed.

Files are looked at again and again, by content: it does not matter whether an editor writes into a file or puts
another in its place, and a save that changes nothing is none.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from dcql.catalog.plain_files import open_plain
from dcql.errors import DcqlError
from dcql.inspect.funnel import Funnel
from dcql.syntax import ast
from dcql.syntax.parser import parse
from dcql.syntax.texts import MAX_BYTES, source_of

MAX_FILES = 200
# Larger files, sets and assets, are told by size and time: reading them at every look would take too long.
_READ_WHOLE = 1 << 20
# Looks for which files that keep changing are waited for.
_SETTLING = 20

Seen = Mapping[Path, str]


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of the recipe and the samples that it leaves; `section` is the SELECT that it stands in."""

    section: str
    text: str
    left: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a recipe keeps: counts of samples, the values of its PARAMs, and the subset's hash.

    `broken` is the error of a promise that does not hold.
    """

    samples: int
    kept: int
    hash: str
    clauses: tuple[Clause, ...]
    parameters: tuple[tuple[str, str], ...] = ()
    broken: DcqlError | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The errors of a recipe that has no count."""

    error: DcqlError


State = Counted | Failed


@dataclass(frozen=True, slots=True)
class Event:
    """A change of `files`: the state `before`, None at the start, the one now, and the last count that there was."""

    files: tuple[Path, ...]
    before: State | None
    after: State
    counted: Counted | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A clause now and before: `then` is None for one that is new, `now` for one that is gone."""

    section: str
    text: str
    then: int | None
    now: int | None


@dataclass
class _Watch:
    recipe: Path
    files: tuple[Path, ...] = ()
    seen: Seen = field(default_factory=dict)

    def look(self) -> None:
        """Find out which files there are to watch, and what is in them."""
        self.files = named_files(self.recipe, self.files)
        self.seen = {path: _content(path) for path in self.files}

    def changed(self, wait: Callable[[], None]) -> tuple[Path, ...]:
        """Return the files that have changed, once they have stopped changing."""
        now = {path: _content(path) for path in self.files}
        if now == self.seen:
            return ()
        for _ in range(_SETTLING):
            wait()
            again = {path: _content(path) for path in self.files}
            if again == now:
                break
            now = again
        return tuple(path for path in self.files if now[path] != self.seen[path])


def watch(recipe: Path, look: Callable[[], State], wait: Callable[[], None]) -> Iterator[Event]:
    """Yield an event at once, and another for each change of the recipe or of a file that it names.

    `look` says what the recipe keeps now; `wait` lets a moment pass between two looks at the files. A change counts
    once two looks in a row see the same. It goes on until one of these raises; neither is called while an event is
    looked at, so what changes meanwhile is the next event.
    """
    state = _Watch(recipe)
    state.look()
    after = look()
    counted = after if isinstance(after, Counted) else None
    yield Event((), None, after)
    while True:
        wait()
        if not (changed := state.changed(wait)):
            continue
        before = after
        # First what there is to see, then the count: what changes in between is seen the next time.
        state.look()
        after = look()
        yield Event(changed, before, after, counted)
        counted = after if isinstance(after, Counted) else counted


def named_files(recipe: Path, known: Sequence[Path]) -> tuple[Path, ...]:
    """Return a recipe's file and those that it names, and recipes that it imports, whether they are there or not.

    A recipe that cannot be read as it is, for it is half saved, may name any of the `known` ones.
    """
    root = Path(os.path.realpath(recipe)).parent
    found: dict[Path, None] = {recipe: None}
    whole = True
    waiting = [(recipe, root)]
    while waiting and len(found) < MAX_FILES:
        path, here = waiting.pop()
        try:
            statements = _definitions(path, root if path != recipe else None)
        except (DcqlError, OSError, ValueError):
            whole = False
            continue
        for statement in statements:
            for named in _paths(statement):
                target = Path(os.path.normpath(here / named))
                if "\0" in named or not target.is_relative_to(root) or target in found:
                    continue
                found[target] = None
                if isinstance(statement, ast.Import):
                    waiting.append((target, target.parent))
    return tuple(found) if whole else tuple(dict.fromkeys((*found, *known)))


def _definitions(path: Path, root: Path | None) -> tuple[ast.Definition, ...]:
    """Return the definitions of a recipe, of an imported one if it lies below `root`."""
    if root is not None:
        with open_plain(Path(os.path.realpath(path)), root) as file:
            data = file.read(MAX_BYTES + 1)
    else:
        data = path.read_bytes()
    return parse(source_of(data, path.name)).definitions


def _paths(statement: ast.Definition) -> Iterator[str]:
    match statement:
        case ast.Import() | ast.SetFile() | ast.AssetFile():
            yield statement.path.value
        case ast.Model(code=ast.Code() as code):
            yield code.path.value
        case _:
            pass


def _content(path: Path) -> str:
    """Tell a file's content from any other; "" where there is no plain file."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return ""
        if found.st_size > _READ_WHOLE:
            return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""


# --- what changed -----------------------------------------------------------------------------------------------------


def counted(told: Funnel, hash_: str, parameters: tuple[tuple[str, str], ...], broken: DcqlError | None) -> Counted:
    """Return what is told of a run."""
    clauses = tuple(
        Clause(section.name, " ".join(line.text.split()), line.left)
        for section in told.sections
        for line in section.lines
    )
    return Counted(told.samples, told.kept, hash_, clauses, parameters, broken)


def lines(before: Counted | None, after: Counted) -> tuple[Line, ...]:
    """Return the clauses of a recipe as they were and as they are, in text order; those that are gone where they were.

    A clause whose words have changed is one that is gone and one that is new.
    """
    now = after.clauses
    if before is None:
        return tuple(Line(one.section, one.text, None, one.left) for one in now)
    then = before.clauses
    matcher = SequenceMatcher(None, [_key(one) for one in then], [_key(one) for one in now], autojunk=False)
    result: list[Line] = []
    for _, i, upto_i, j, upto_j in matcher.get_opcodes():
        same = _key(then[i]) == _key(now[j]) if i < upto_i and j < upto_j else False
        if same:
            pairs = zip(then[i:upto_i], now[j:upto_j], strict=True)
            result += [Line(new.section, new.text, old.left, new.left) for old, new in pairs]
            continue
        result += [Line(one.section, one.text, one.left, None) for one in then[i:upto_i]]
        result += [Line(one.section, one.text, None, one.left) for one in now[j:upto_j]]
    return tuple(result)


def _key(one: Clause) -> tuple[str, str]:
    return one.section, one.text


def parameter_changes(before: Counted, after: Counted) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return the PARAMs with another value: name, value before, value now; None where there is no such PARAM."""
    then, now = dict(before.parameters), dict(after.parameters)
    names = dict.fromkeys((*then, *now))
    return tuple((name, then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name))
