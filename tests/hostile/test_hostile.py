"""Recipes and files of strangers: what each makes `dcql` say, and that it does nothing else.

A case is a recipe of recipes/ or a function of made.py. The .txt of its name is what the command prints, with <tmp> for
the folder of it all, and its exit code. Lines at the top of a recipe say what lies beside it and, where it is another
one, the command:

    -- $ dcql count RECIPE --pool POOL --set keep=0.2
    -- beside: s.txt is a link to SECRET/secret.txt
"""

import os
import re
import shlex
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from .conftest import CANARY, SECRET_SHA256, Machine, Told
from .made import CASES

HERE = Path(__file__).parent
RECIPES = {path.stem: path for path in sorted((HERE / "recipes").glob("*.dcql"))}
NAMES = sorted([*RECIPES, *CASES])
COMMAND = "dcql count RECIPE --pool POOL"
SECONDS = 60
MEGABYTES = 1500
CODE = "open('ran', 'w')\n"
# Where a process may read besides: Python and its packages, this repository, the system's libraries and state.
SYSTEM = ("/usr/", "/lib", "/proc/", "/sys/", "/dev/null", "/dev/urandom", "/etc/ld.so", "/etc/localtime", "/etc/mime")


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str, machine: Machine, update: bool) -> None:
    folder = machine.work / name
    folder.mkdir()
    arguments = make(name, folder, machine)
    before = snapshot(machine, folder)
    told = machine.dcql(folder, arguments)
    printed = cleaned(told, machine)
    expected = (RECIPES[name] if name in RECIPES else HERE / "messages" / name).with_suffix(".txt")
    if update:
        expected.write_text(printed, encoding="utf-8", newline="\n")
    assert all(one == "\n" or one.isprintable() for one in told.out + told.err)
    assert CANARY not in told.out + told.err
    assert "E0901" not in told.out + told.err
    # Which of two limits is met first may depend on the machine.
    assert printed in expected.read_text(encoding="utf-8").split("-- or --\n")
    assert snapshot(machine, folder) == before
    assert list(unwanted(told, machine, folder)) == []
    assert told.seconds < SECONDS
    assert told.megabytes < MEGABYTES


def test_every_message_has_its_case() -> None:
    assert {path.stem for path in (HERE / "recipes").glob("*.txt")} == set(RECIPES)
    assert {path.stem for path in (HERE / "messages").glob("*.txt")} == set(CASES)
    assert len(NAMES) >= 50


def test_what_the_page_names_is_there() -> None:
    """docs/threat_model.md says for each attack which cases and tests are about it."""
    text = (HERE.parents[1] / "docs" / "threat_model.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text(encoding="utf-8") for path in HERE.parent.rglob("test_*.py"))
    rows = [line for line in text.split("## Who attacks")[1].splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[-1])]
    known = {*NAMES, *re.findall(r"^def (test_\w+)", tests, re.MULTILINE)}
    missing = [name for name in named if name not in known and not (HERE.parents[1] / name).is_file()]
    assert missing == []
    assert len(named) > 50


def test_what_a_pool_holds_is_drawn_as_text(machine: Machine) -> None:
    folder = machine.work / "drawn"
    folder.mkdir()
    CASES["pool_with_columns_that_inject"](folder)
    for command in ("pool add drawing own", "pool describe drawing", "pool show drawing", "pool ls"):
        told = machine.dcql(folder, command.split())
        assert told.code == 0
        assert all(one == "\n" or one.isprintable() for one in told.out + told.err)


@pytest.mark.slow
def test_the_system_saw_nothing_else(traced: Machine) -> None:
    """What the engine opens by itself, Python does not see: the system does."""
    assert traced.trace is not None
    for name in NAMES:
        folder = traced.work / name
        folder.mkdir()
        traced.dcql(folder, make(name, folder, traced))
    lines = traced.trace.read_text(encoding="utf-8", errors="replace").splitlines()
    opened = [line for line in lines if re.search(r"\b(open|openat|openat2|creat)\(", line) and "= -1 " not in line]
    assert any(f"{traced.pool}/0.parquet" in line for line in opened), "the pool's files are among what is seen"
    assert [line for line in opened if f"{traced.secret}/" in line or '"/etc/passwd"' in line] == []
    assert [line for line in lines if re.search(r"\bconnect\(.*AF_INET", line)] == []


def make(name: str, folder: Path, machine: Machine) -> list[str]:
    """Write the files of a case; return the arguments of `dcql`."""
    if name not in RECIPES:
        arguments = CASES[name](folder)
    else:
        text = RECIPES[name].read_bytes().decode()
        for line in re.findall(r"^-- beside: (.*)$", text, re.MULTILINE):
            beside(line.replace("SECRET", str(machine.secret)), folder)
        text = text.replace("SECRET_SHA256", SECRET_SHA256).replace("SECRET", str(machine.secret))
        text = text.replace("CODE_SHA256", sha256(CODE.encode()).hexdigest())
        (folder / "recipe.dcql").write_bytes(text.encode())
        given = re.search(r"^-- \$ (.*)$", text, re.MULTILINE)
        arguments = shlex.split(given[1] if given else COMMAND)[1:]
    placed = {"RECIPE": "recipe.dcql", "POOL": str(machine.pool)}
    return [placed.get(one, one) for one in arguments]


def beside(line: str, folder: Path) -> None:
    """Make what a line of a recipe says to lie beside it."""
    match = re.fullmatch(r"(\S+) (is a link to (?P<to>.+)|has (?P<size>[0-9]+) GB of nothing|(?P<kind>.+))", line)
    assert match is not None, line
    path = folder / match[1]
    if match["to"] is not None:
        path.symlink_to(match["to"])
    elif match["size"] is not None:
        path.touch()
        os.truncate(path, int(match["size"]) << 30)
    elif match["kind"] == "is a pipe":
        os.mkfifo(path)
    elif match["kind"] == "is a folder":
        path.mkdir()
    else:
        assert match["kind"] == "runs code", line
        path.write_text(CODE)


def cleaned(told: Told, machine: Machine) -> str:
    """Return what a command printed, the same on every machine."""
    text = told.out + told.err + (f"[exit {told.code}]\n" if told.code else "")
    text = text.replace(str(machine.root), "<tmp>").replace(SECRET_SHA256, "<digest of a secret>")
    text = re.sub(r"[0-9.]+ kB|[0-9.]+ [KMG]iB(?=[/ ]used)|[0-9.]+ KiB", "SIZE", text)
    text = re.sub(r'(?<="bytes": )[0-9]+', "SIZE", text)
    return re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", text)


def snapshot(machine: Machine, folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of everything outside of the store and of temporary files."""
    places = [*machine.secret.rglob("*"), *machine.pool.rglob("*"), *folder.rglob("*"), *machine.root.iterdir()]
    kept = (path for path in places if path.name not in ("home", "tmp", "work", "watch"))
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in kept}


def unwanted(told: Told, machine: Machine, folder: Path) -> list[str]:
    """Return what a command did that no recipe may make it do."""
    packages = {os.path.realpath(one) for one in (sys.prefix, sys.base_prefix, HERE.parents[1], *sys.path) if one}
    own = [str(one) for one in (folder, machine.pool, machine.home, machine.tmp)]
    may_read = (*SYSTEM, *packages, *own)
    may_write = (str(machine.home), str(machine.tmp), "/dev/null")
    found = []
    for event, *given in told.events:
        if event == "open":
            path, mode, flags = given
            if not isinstance(path, str):
                continue
            place = os.path.realpath(folder / path)
            writes = (isinstance(mode, str) and mode[:1] in "wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not place.startswith(may_write if writes else may_read):
                found.append(f"{'write' if writes else 'read'} {path}")
        elif event.startswith(("socket.", "urllib.", "os.system", "os.exec", "os.spawn", "pickle.")):
            found.append(f"{event} {given}")
        elif event.startswith("os.") and event not in ("os.listxattr", "os.fork", "os.posix_spawn"):
            # What is named within an open folder lies where that was opened: the tree is compared as well.
            place = os.path.realpath(folder / str(given[0]))
            if given[-1] == -1 and not place.startswith(may_write):
                found.append(f"{event} {given}")
    return found
