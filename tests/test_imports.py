"""IMPORT: where files are looked for, what WITH and --set reach, what a lock pins; values against the oracle."""

from collections.abc import Mapping
from pathlib import Path

import oracle
import pytest
from conformance import ONE_THREAD, Ready, adversarial, shared_sessions
from conformance import Answer as Answer

import dcql
from dcql.catalog.pool import Pool
from dcql.compiler import compile, run
from dcql.engine.run import run as run_program
from dcql.errors import DcqlError
from dcql.records.locking import lock_of
from dcql.syntax.canonical import recipe_digest
from dcql.syntax.parser import parse, read

SHARE = "PARAM keep DEFAULT 0.5; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep)"


@pytest.fixture
def ready() -> Ready:
    return adversarial("tiny_files")


def written(folder: Path, files: Mapping[str, str]) -> Path:
    """Write recipes; return the one that is run, `root.dcql`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "root.dcql"


def kept(folder: Path, files: Mapping[str, str], pool: Pool, settings: Mapping[str, str] | None = None) -> str:
    """Return the hash of what a recipe keeps."""
    program = dcql.compile(written(folder, files), pool.schema, settings).program
    with shared_sessions():
        return run_program(program, pool, ONE_THREAD).subset.hash


def by_the_oracle(files: Mapping[str, str], ready: Ready, settings: Mapping[str, str] | None = None) -> str:
    data = {name: text.encode() for name, text in files.items() if name != "root.dcql"}
    return oracle.dcql1(oracle.select(files["root.dcql"], ready.rows, params=settings, files=data))


def refused(folder: Path, files: Mapping[str, str], ready: Ready, settings: Mapping[str, str] | None = None) -> str:
    """Return the code of the one thing that is wrong; the oracle refuses as well."""
    with pytest.raises(oracle.OracleError):
        by_the_oracle(files, ready, settings)
    with pytest.raises(DcqlError) as caught:
        kept(folder, files, ready.raw, settings)
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code


GOOD: dict[str, dict[str, str]] = {
    "paths are relative to the file that names them": {
        "root.dcql": "IMPORT 'a/one.dcql' AS one; SELECT uid FROM one",
        "a/one.dcql": "IMPORT './b/two.dcql' AS two; IMPORT '../c/three.dcql' AS three; "
        "SELECT uid FROM two WHERE uid NOT IN three",
        "a/b/two.dcql": "SELECT uid FROM pool WHERE rating > 0",
        "c/three.dcql": "SELECT uid FROM pool WHERE safe",
        "b/two.dcql": "SELECT uid FROM pool WHERE FALSE",  # not the one that is meant
        "a/c/three.dcql": "SELECT uid FROM pool",
    },
    "up and down again within the folder": {
        "root.dcql": "IMPORT './a/../share.dcql' AS share; SELECT uid FROM share",
        "share.dcql": SHARE,
    },
    "one file twice with other values": {
        "root.dcql": "IMPORT 'share.dcql' AS narrow WITH keep = 0.2; IMPORT 'share.dcql' AS wide WITH keep = 0.7; "
        "SELECT uid FROM wide EXCEPT SELECT uid FROM narrow",
        "share.dcql": SHARE,
    },
    "a diamond": {
        "root.dcql": "IMPORT 'left.dcql' AS a; IMPORT 'right.dcql' AS b; SELECT uid FROM a INTERSECT SELECT uid FROM b",
        "left.dcql": "IMPORT 'share.dcql' AS s WITH keep = 0.6; SELECT uid FROM s WHERE rating > 0",
        "right.dcql": "IMPORT 'share.dcql' AS s; SELECT uid FROM s WHERE clip_b32 > q(0.2 OF s)",
        "share.dcql": SHARE,
    },
    "names of one file are not those of another": {
        "root.dcql": "PARAM keep DEFAULT 0.9; DEFINE good AS safe; IMPORT 'one.dcql' AS one WITH keep = keep - 0.5; "
        "WITH top AS (SELECT uid FROM one WHERE good) SELECT uid FROM top WHERE clip_b32 >= q(1 - keep OF top)",
        "one.dcql": "PARAM keep DEFAULT 0.1; DEFINE good AS rating > 1; "
        "WITH top AS (SELECT uid FROM pool WHERE good) SELECT uid FROM top WHERE clip_l14 >= q(1 - keep OF top)",
    },
    "text, TRUE, and values computed of PARAMs": {
        "root.dcql": "PARAM word DEFAULT 'a'; PARAM share DEFAULT 1 / 3; IMPORT 'one.dcql' AS one "
        "WITH part = word, strict = TRUE, keep = share * 2 - 0.1; SELECT uid FROM one",
        "one.dcql": "PARAM part DEFAULT 'zz'; PARAM strict DEFAULT FALSE; "
        "PARAM keep DEFAULT 0; PARAM half DEFAULT keep / 2; "
        "SELECT uid FROM pool WHERE contains(caption, part) AND (safe OR NOT strict) OR clip_l14 > q(1 - half)",
    },
    "an EXPECT binds the recipe that is run alone": {
        "root.dcql": "IMPORT 'one.dcql' AS one; SELECT uid FROM one EXPECT kept BETWEEN 0 AND 100 PERCENT",
        "one.dcql": "SELECT uid FROM pool EXPECT kept BETWEEN 0 AND 0",
    },
    "each file says its version": {
        "root.dcql": "DCQL 1; IMPORT 'one.dcql' AS one; SELECT uid FROM one",
        "one.dcql": "dcql 1; SELECT uid FROM pool WHERE rating > 1",
    },
}
BAD: dict[str, tuple[str, dict[str, str]]] = {
    "a path that leaves the folder": ("E0209", {"root.dcql": "IMPORT '../one.dcql' AS one; SELECT uid FROM one"}),
    "a path that leaves it from further down": (
        "E0209",
        {
            "root.dcql": "IMPORT 'a/one.dcql' AS one; SELECT uid FROM one",
            "a/one.dcql": "IMPORT '../../two.dcql' AS two; SELECT uid FROM two",
        },
    ),
    "an absolute path": ("E0209", {"root.dcql": "IMPORT '/one.dcql' AS one; SELECT uid FROM one"}),
    "no file": ("E0208", {"root.dcql": "IMPORT 'one.dcql' AS one; SELECT uid FROM one"}),
    "itself": ("E0207", {"root.dcql": "IMPORT 'root.dcql' AS one; SELECT uid FROM one"}),
    "a circle below": (
        "E0207",
        {
            "root.dcql": "IMPORT 'a.dcql' AS a; SELECT uid FROM a",
            "a.dcql": "IMPORT 'b.dcql' AS b; SELECT uid FROM b",
            "b.dcql": "IMPORT './a.dcql' AS a; SELECT uid FROM a",
        },
    ),
    "a value of another type": (
        "E0327",
        {"root.dcql": "IMPORT 'share.dcql' AS s WITH keep = 'much'; SELECT uid FROM s", "share.dcql": SHARE},
    ),
    "a value that differs between samples": (
        "E0305",
        {"root.dcql": "IMPORT 'share.dcql' AS s WITH keep = clip_l14; SELECT uid FROM s", "share.dcql": SHARE},
    ),
    "a PARAM that is not there": (
        "E0212",
        {"root.dcql": "IMPORT 'share.dcql' AS s WITH kep = 0.1; SELECT uid FROM s", "share.dcql": SHARE},
    ),
    "a PARAM twice": (
        "E0212",
        {"root.dcql": "IMPORT 'share.dcql' AS s WITH keep = 0.1, keep = 0.2; SELECT uid FROM s", "share.dcql": SHARE},
    ),
    "a file of definitions": (
        "E0140",
        {"root.dcql": "IMPORT 'one.dcql' AS one; SELECT uid FROM one", "one.dcql": "DEFINE good AS safe;"},
    ),
    "a file of another version": (
        "E0144",
        {"root.dcql": "DCQL 1; IMPORT 'one.dcql' AS s; SELECT uid FROM s", "one.dcql": "DCQL 2; SELECT uid FROM pool"},
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_an_import_keeps_what_the_oracle_keeps(name: str, ready: Ready, tmp_path: Path) -> None:
    files = GOOD[name]
    assert kept(tmp_path, files, ready.raw) == by_the_oracle(files, ready)


@pytest.mark.parametrize("name", BAD)
def test_an_import_that_is_refused(name: str, ready: Ready, tmp_path: Path) -> None:
    code, files = BAD[name]
    assert refused(tmp_path / "here", files, ready) == code


def test_a_setting_reaches_the_recipe_that_is_run_alone(ready: Ready, tmp_path: Path) -> None:
    files = GOOD["names of one file are not those of another"]
    given = {"keep": "0.6"}
    assert kept(tmp_path, files, ready.raw, given) == by_the_oracle(files, ready, given)
    changed = files | {"one.dcql": files["one.dcql"].replace("DEFAULT 0.1", "DEFAULT 0.6")}
    # WITH gives the imported PARAM its value, so that of the default does not matter.
    assert kept(tmp_path, changed, ready.raw, given) == kept(tmp_path, files, ready.raw, given)
    only_below = {"root.dcql": "IMPORT 'share.dcql' AS s; SELECT uid FROM s", "share.dcql": SHARE}
    assert refused(tmp_path, only_below, ready, given) == "E0212"


def test_a_lock_pins_every_file_by_its_way(ready: Ready, tmp_path: Path) -> None:
    files = GOOD["a diamond"]
    root = written(tmp_path, files)
    assert ready.added is not None
    lock = lock_of(run(root, ready.added))
    digests = {name: recipe_digest(parse(read(tmp_path / name))) for name in files}
    assert lock.key.imports == {
        "a": digests["left.dcql"],
        "a.s": digests["share.dcql"],
        "b": digests["right.dcql"],
        "b.s": digests["share.dcql"],
    }
    assert lock.key.recipe == digests["root.dcql"]
    written(tmp_path, files | {"share.dcql": SHARE.replace("0.5", "0.51")})
    again = lock_of(run(root, ready.added))
    changed = {name for name in lock.key.imports if lock.key.imports[name] != again.key.imports[name]}
    assert changed == {"a.s", "b.s"}
    # Comments, layout and the version are no part of it.
    written(tmp_path, files | {"share.dcql": f"DCQL 1; -- a share\n{SHARE};"})
    assert lock_of(run(root, ready.added)) == lock


def test_a_link_out_of_the_folder_is_not_followed(ready: Ready, tmp_path: Path) -> None:
    outside = written(tmp_path / "outside", {"root.dcql": SHARE})
    root = written(tmp_path / "here", {"root.dcql": "IMPORT 'one.dcql' AS one; SELECT uid FROM one"})
    (tmp_path / "here/one.dcql").symlink_to(outside)
    with pytest.raises(DcqlError, match="E0209"):
        compile(root, ready.raw.schema)
