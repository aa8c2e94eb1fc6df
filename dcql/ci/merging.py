"""git's merge driver for locks, and how a clone of a repository comes to know it."""

import subprocess
from pathlib import Path

from dcql.ci.changed import Repository
from dcql.engine.folder import replaced
from dcql.errors import Diagnostic, LockError, RunError
from dcql.git import git
from dcql.locks.lock import Lock
from dcql.locks.lock_file import read_any_lock, write_lock
from dcql.locks.merging import merged

NAME = "dcql-lock"
DRIVER = "dcql ci merge-lock %O %A %B %P"
ATTRIBUTES = {
    "*.lock": f"*.lock merge={NAME}",
    # What fmt writes ends its lines so, whatever git is told about line ends.
    "*.dcql": "*.dcql text eol=lf",
}


def merge_files(base: Path, ours: Path, theirs: Path) -> Lock | None:
    """Merge three files as git gives them to a driver, into `ours`; return the lock that it is now.

    None where one of the two is no lock of dcql: then they are merged line by line, and a conflict is marked in the
    file. Raises LockError for such a conflict, or where the lock cannot be written.
    """
    try:
        sides = read_any_lock(ours), read_any_lock(theirs)
    except LockError:
        _merge_text(base, ours, theirs)
        return None
    try:
        origin = read_any_lock(base)
    except LockError:
        origin = None  # both sides added it
    lock = merged(origin, *sides)
    write_lock(lock, ours)
    return lock


def _merge_text(base: Path, ours: Path, theirs: Path) -> None:
    words = ("-L", "ours", "-L", "base", "-L", "theirs", str(ours), str(base), str(theirs))
    if subprocess.run(["git", "merge-file", "--quiet", *words], stdin=subprocess.DEVNULL, check=False).returncode:
        label = "it is no lock that this version of dcql can read, and its lines conflict"
        helps = ("solve it as any other conflict", "a recipe's lock is then written anew: `dcql lock recipe.dcql`")
        raise LockError(Diagnostic("E0802", "no lock to merge", None, label, helps))


def set_up(repository: Repository) -> list[str]:
    """Make a clone merge locks: its settings name the driver, .gitattributes the files. Return what was changed.

    Raises RunError (E1586) where one of them cannot be written.
    """
    changed: list[str] = []
    for name, value in ((f"merge.{NAME}.name", "locks of dcql"), (f"merge.{NAME}.driver", DRIVER)):
        known = git("config", "--local", "--get", name, folder=str(repository.top))
        if known is not None and known.stdout.decode("utf-8", "replace").strip() == value:
            continue
        asked = git("config", "--local", name, value, folder=str(repository.top))
        if asked is None or asked.returncode:
            _refuse("git's settings", asked.stderr.decode("utf-8", "replace") if asked is not None else "no git")
        changed.append(f"git config {name}")
    path = repository.top / ".gitattributes"
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        known_patterns = {line.split()[0] for line in before.splitlines() if line.strip()}
        lines = [line for pattern, line in ATTRIBUTES.items() if pattern not in known_patterns]
        if lines:
            apart = "\n" if before and not before.endswith("\n") else ""
            with replaced(path) as unfinished:
                unfinished.write_text(before + apart + "\n".join(lines) + "\n", encoding="utf-8", newline="\n")
            changed += [f".gitattributes: {line}" for line in lines]
    except (OSError, UnicodeDecodeError) as error:
        _refuse(".gitattributes", str(error))
    return changed


def _refuse(what: str, reason: str) -> None:
    helps = (f"by hand: `git config merge.{NAME}.driver '{DRIVER}'`, and `*.lock merge={NAME}` in .gitattributes",)
    raise RunError(Diagnostic("E1586", f"cannot write {what}", None, reason.strip(), helps))
