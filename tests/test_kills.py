"""SIGKILL at random moments of `pool add`, `feature compute`, `run` and `lock`: what is there is whole, and the next
run gives what an undisturbed one does and leaves nothing of the killed one.

What is compared with comes from the oracle and from commands that nothing disturbed. 200 kills are marked slow; every
tenth of them is not.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oracle
import pools
import pytest
from kills import Commands, Ended, Scene, copied, moments

from dcql import run_folder
from dcql.catalog import store
from dcql.catalog.features import stored_features
from dcql.catalog.pool import open_pool
from dcql.cli import main
from dcql.engine.features import files
from dcql.locks.lock_file import read_lock
from dcql.subset import Subset

ROWS = 400
KEEP = "0.6"
QUERY = "SELECT uid FROM pool WHERE clip_l14 >= q({keep}) AND python_words(text) > 2"
RECIPE = f"PARAM keep DEFAULT {KEEP};\n{QUERY.format(keep='keep')} AND lang != 'xx';\n"
SEED = 20_261_128

COMMANDS = {
    "pool add": ("pool", "add", "small", "POOLS/whole"),
    "feature compute": ("feature", "compute", "lang", "--pool", "small"),
    "run": ("run", "recipe.dcql", "--pool", "small", "--out", "out"),
    "lock": ("lock", "recipe.dcql", "--pool", "small", "--set", "keep=0.6"),
}
# What was done before in the scene of a command, half of the times: then there is something to lose.
BEFORE = {
    "pool add": [("pool", "add", "small", "POOLS/half")],
    "feature compute": [COMMANDS["run"]],
    "run": [(*COMMANDS["run"], "--set", "keep=0.8")],
    "lock": [("lock", "recipe.dcql", "--pool", "small", "--set", "keep=0.8")],
}


@dataclass(frozen=True)
class Begun:
    """Where a command starts, and how it goes there when nothing disturbs it."""

    scene: Scene
    usual: Ended


@dataclass(frozen=True)
class Right:
    """What has to be there in the end: by the oracle, and from commands that nothing disturbed."""

    subset: str
    fingerprint: str
    values: dict[str, Any]
    lock: bytes


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    forked = Commands({"OMP_NUM_THREADS": "1"})
    yield forked
    forked.stop()


def called(commands: Commands, scene: Scene, *arguments: str) -> Ended:
    ended = commands.run(*there(scene, arguments), cwd=scene.folder)
    assert ended.code == 0, arguments
    return ended


def there(scene: Scene, arguments: tuple[str, ...]) -> list[str]:
    """Name the pools' folders, which lie beside the scenes."""
    return [one.replace("POOLS", str(scene.folder.parent)) for one in arguments]


@pytest.fixture(scope="module")
def world(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[tuple[str, bool], Begun], Right]:
    """Return for each command where it starts, from nothing and with something before; and what is right."""
    pool, folder = pools.base(ROWS, 5), tmp_path_factory.mktemp("kills")
    pools.write(pool, folder / "whole", layout=pools.Layout(files=4, renamed=True))
    pools.write(pool.head(ROWS // 2), folder / "half", layout=pools.Layout(files=2, renamed=True))
    places: dict[tuple[str, bool], Begun] = {}
    for name, command in COMMANDS.items():
        for busy in (False, True):
            begun = Scene(folder / f"{name} {busy}")
            (begun.folder / "tmp").mkdir(parents=True)
            (begun.folder / "recipe.dcql").write_text(RECIPE)
            before = [COMMANDS["pool add"]] if name != "pool add" else []
            for earlier in [*before, *(BEFORE[name] if busy else ())]:
                called(commands, begun, *earlier)
            with copied(begun, folder / "scene") as tried:
                places[name, busy] = Begun(begun, called(commands, tried, *command))
    with copied(places["lock", False].scene, folder / "scene") as tried, pytest.MonkeyPatch.context() as patch:
        called(commands, tried, *COMMANDS["lock"])
        called(commands, tried, *COMMANDS["feature compute"])
        patch.setenv("DCQL_HOME", str(tried.home))
        subset = oracle.dcql1(oracle.select(QUERY.format(keep=KEEP), pool))
        lock = (tried.folder / "recipe.lock").read_bytes()
        return places, Right(subset, str(open_pool("small").fingerprint), values(), lock)


def values() -> dict[str, Any]:
    """Return what is stored of features by key of the pool's file: of what is known, the values by row."""
    found = {}
    for stored in stored_features():
        stored.described()
        for key in stored.keys():  # noqa: SIM118
            newest = stored.newest(key)
            if newest is not None:
                read = files.read_values(newest, files.read_footer(newest).rows)
                known = zip(read.known.tolist(), read.value.to_pylist(), strict=True)
                found[f"{stored.id} {key}"] = {row: value for row, (is_known, value) in enumerate(known) if is_known}
    return found


def killed(commands: Commands, begun: Begun, name: str, right: Right, scene: Path, **moment: Any) -> Ended:
    """Kill a command in a copy of where it starts, look at what is there, and call it again."""
    with copied(begun.scene, scene) as here, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCQL_HOME", str(here.home))
        patch.setattr(tempfile, "tempdir", str(here.folder / "tmp"))
        patch.chdir(here.folder)
        ended = commands.run(*there(here, COMMANDS[name]), cwd=here.folder, **moment)
        assert ended.killed or ended.code == 0
        is_whole(here, right)
        assert finished(*there(here, COMMANDS[name])) == 0
        is_right(here, name, right)
        assert here.unfinished() == []
    return ended


def finished(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def is_whole(here: Scene, right: Right) -> None:
    """Look at everything that the killed command may have been writing: it is what was before, or what comes after."""
    assert finished("pool", "ls") == 0
    if store.record_file("small").exists():
        pool = open_pool("small")
        assert finished("pool", "show", "small") == 0
        assert pool.uids is not None
        assert pool.rows in (ROWS, ROWS // 2)
        assert (pool.fingerprint == right.fingerprint) == (pool.rows == ROWS)
        assert len(Subset.load(pool.uids)) == pool.rows
    assert finished("feature", "ls") == 0
    for place, known in values().items():
        assert known.items() <= right.values[place].items()
    if (here.folder / "out").exists():
        found = run_folder.read(here.folder / "out")
        manifest = json.loads((here.folder / "out" / "manifest.json").read_text())
        assert found.subset.hash == manifest["hash"] == found.hash
        assert (manifest["hash"] == right.subset) == (manifest["parameters"]["keep"] == "3/5")
    if (here.folder / "recipe.lock").exists():
        read_lock(here.folder / "recipe.lock")


def is_right(here: Scene, name: str, right: Right) -> None:
    """See that a command that was called again did what it does when nothing disturbs it."""
    assert open_pool("small").fingerprint == right.fingerprint
    if name == "feature compute":
        assert values() == right.values
        assert finished("feature", "verify", "lang", "--pool", "small", "--sample", "100") == 0
    elif name == "run":
        assert run_folder.read(here.folder / "out").subset.hash == right.subset
    elif name == "lock":
        assert (here.folder / "recipe.lock").read_bytes() == right.lock


def each_kill(commands: Commands, world: Any, count: int, every: int) -> Iterator[tuple[str, Ended]]:
    """Kill each command as often as another one, `count` times in all, or every n-th of these times."""
    begun, right = world
    scene = begun["run", False].scene.folder.parent / "scene"
    places = list(begun.items())
    share = -(-count // len(places))
    each = [
        (name, start, moment)
        for number, ((name, _), start) in enumerate(places)
        for moment in moments(share, SEED + number, start.usual)
    ]
    for name, start, moment in each[::every]:
        yield name, killed(commands, start, name, right, scene, **moment)


def test_ten_kills(commands: Commands, world: Any) -> None:
    ended = list(each_kill(commands, world, 200, 19))
    assert len(ended) > 10
    assert sum(one.killed for _, one in ended) > len(ended) // 2


@pytest.mark.slow
def test_two_hundred_kills(commands: Commands, world: Any) -> None:
    phases: Counter[str] = Counter()
    for name, ended in each_kill(commands, world, 200, 1):
        phases[f"{name}, {ended.phase}" if ended.killed else f"{name}: had ended"] += 1
    print(*(f"{count:4} {phase}" for phase, count in sorted(phases.items())), sep="\n")
    assert sum(phases.values()) == 200
    assert sum(count for phase, count in phases.items() if "had ended" not in phase) > 150
