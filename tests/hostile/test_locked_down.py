"""What holds although no recipe gets that far: the engine's own lock, and files that change while they are read."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import fsspec
import numpy as np
import pytest
from pool.samples import samples, write

from dcql.catalog import inputs
from dcql.catalog.models import FileAsset
from dcql.catalog.plain_files import open_plain
from dcql.catalog.pool import open_pool
from dcql.compiler import check, run
from dcql.engine.duck import Resources, Session, session
from dcql.engine.features.assets import Assets, bound_assets
from dcql.errors import RecipeError, RunError
from dcql.files import is_below
from dcql.source import Source
from dcql.subset import UID, Subset

FORBIDDEN = [
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('http://127.0.0.1:9/a.parquet')",
    "COPY (SELECT 1) TO '{folder}/planted.csv'",
    "COPY (SELECT 1) TO '{pool}'",
    "ATTACH '{folder}/planted.db'",
    "EXPORT DATABASE '{folder}/planted'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET allowed_paths = ['{secret}']",
    "RESET lock_configuration",
]


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return the address of a pool's folder, on disk or behind fsspec, and of another file beside it."""
    write(samples(20), tmp_path / "pool" / "a.parquet")
    write(samples(20, first=100), tmp_path / "secret.parquet")
    if request.param == "local":
        yield str(tmp_path / "pool"), str(tmp_path / "secret.parquet")
        return
    memory = fsspec.filesystem("memory")
    for name in ("pool/a.parquet", "secret.parquet"):
        memory.pipe(f"/machine/{name}", (tmp_path / name).read_bytes())
    yield "memory://machine/pool", "memory://machine/secret.parquet"
    memory.rm("/machine", recursive=True)


def test_a_session_reads_the_pool(place: tuple[str, str]) -> None:
    ran = run(Source("recipe.dcql", "SELECT uid FROM pool WHERE original_height > 0;"), place[0])
    assert ran.subset.distinct == 20


@pytest.mark.parametrize(
    "name", ["a[1].parquet", "a*.parquet", "a?.parquet", "a #%20.parquet", "part_0/\u00fc.parquet"]
)
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    """Of which the engine would take some for patterns."""
    content = write(samples(20), tmp_path / "pool" / name).read_bytes()
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/names/{name}", content)
    recipe = Source("recipe.dcql", "SELECT uid FROM pool WHERE original_height > 0;")
    for place in (str(tmp_path / "pool"), f"file://{tmp_path / 'pool'}", "memory://names"):
        assert run(recipe, place).subset.distinct == 20
    memory.rm("/names", recursive=True)


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_a_session_does_nothing_else(sql: str, place: tuple[str, str], tmp_path: Path) -> None:
    pool = open_pool(place[0])
    other = write(samples(1), tmp_path / "other.parquet")
    before = sorted(tmp_path.rglob("*"))
    with session(tuple(file.path for file in pool.files), Resources()) as opened:
        assert rows(opened, f"SELECT count(*) FROM read_parquet('{pool.files[0].path}')") == [(20,)]
        for there in (place[1], str(other)):
            with pytest.raises(Exception, match=r"(?i)permission|disabled|locked|not exist|catalog|lock"):
                rows(opened, sql.format(secret=there, folder=tmp_path, pool=pool.files[0].path))
    assert sorted(tmp_path.rglob("*")) == before


def test_a_session_sees_no_variable(place: tuple[str, str]) -> None:
    secret = samples(1)
    with session(tuple(file.path for file in open_pool(place[0]).files), Resources()) as opened:
        with pytest.raises(Exception, match="secret does not exist"):
            opened._connection.execute("SELECT * FROM secret")
        assert secret.num_rows == 1


def rows(opened: Session, sql: str) -> list[tuple[object, ...]]:
    """Run SQL that dcql would never write."""
    return opened._connection.execute(sql).fetchall()  # type: ignore[no-any-return]


# --- files that change while they are read ----------------------------------------------------------------------------


def test_a_link_that_comes_in_between_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "recipe"
    (root / "inner").mkdir(parents=True)
    (root / "inner" / "s.txt").write_text("mine")
    with open_plain(root / "inner" / "s.txt", root) as file:
        assert file.read() == b"mine"
    (root / "inner" / "s.txt").unlink()
    (root / "inner" / "s.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(OSError, match="symbolic links"):
        open_plain(root / "inner" / "s.txt", root)
    (root / "inner" / "s.txt").unlink()
    (root / "inner").rmdir()
    (root / "inner").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        open_plain(root / "inner" / "secret.txt", root)


def test_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s.txt")
    with pytest.raises(OSError, match="no plain file"):
        open_plain(tmp_path / "s.txt", tmp_path)


def test_a_file_that_vanishes_is_an_error_of_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the opening."""
    (tmp_path / "s.txt").write_text("a\n")
    digest = sha256(b"a\n").hexdigest()
    text = f"SET s FROM 's.txt' SHA256 '{digest}';\nSELECT uid FROM pool WHERE caption IN s;"
    (tmp_path / "recipe.dcql").write_text(text)
    check(Source("recipe.dcql", text), path=tmp_path / "recipe.dcql")

    def gone(path: Path, root: Path) -> None:
        (tmp_path / "s.txt").unlink()
        open_plain(path, root)

    monkeypatch.setattr(inputs, "open_plain", gone)
    with pytest.raises(RecipeError, match="E0208"):
        check(Source("recipe.dcql", text), path=tmp_path / "recipe.dcql")


def test_all_sets_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.txt").write_text("a\n")
    digest = sha256(b"a\n").hexdigest()
    sets = "".join(f"SET s{number} FROM 's.txt' SHA256 '{digest}';\n" for number in range(4))
    names = " OR ".join(f"caption IN s{number}" for number in range(4))
    source = Source("recipe.dcql", f"{sets}SELECT uid FROM pool WHERE {names};")
    monkeypatch.setattr(inputs, "MAX_SETS_BYTES", 8)
    check(source, path=tmp_path / "recipe.dcql")
    monkeypatch.setattr(inputs, "MAX_SETS_BYTES", 7)
    with pytest.raises(RecipeError, match="E1465"):
        check(source, path=tmp_path / "recipe.dcql")


def test_an_asset_that_takes_another_ones_place_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was hashed, then replaced, then read."""
    monkeypatch.setenv("DCQL_HOME", str(tmp_path / "home"))
    pool = open_pool(write(samples(20), tmp_path / "pool" / "a.parquet").parent)
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((2, 2), np.float32))
    asset = FileAsset("a", str(path), sha256(path.read_bytes()).hexdigest())
    assets = Assets(pool, lambda fit: np.zeros((1, 1), np.float32), lambda fit: "")
    assert assets.digest(asset)
    np.save(tmp_path / "b.npy", np.ones((2, 2), np.float32))
    os.replace(tmp_path / "b.npy", path)
    with pytest.raises(RunError, match="E0609"):
        assets.array(asset)


def test_a_remote_pool_binds_nothing_of_this_machine(tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    (folder / "assets.toml").write_text(f'[a]\nfile = "a.txt"\nsha256 = "{"0" * 64}"\n')
    write(samples(20), folder / "a.parquet")
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{folder}/a.parquet", (folder / "a.parquet").read_bytes())
    assert list(bound_assets(open_pool(folder))[1]) == ["a"]
    assert bound_assets(open_pool(f"memory://{folder}"))[1] == {}
    memory.rm(str(tmp_path), recursive=True)


@pytest.mark.parametrize("path", ["a.npy", "inner/a.npy", "./a", "a..b", "...", "inner/...npy"])
def test_a_path_below(path: str) -> None:
    assert is_below(path)


@pytest.mark.parametrize("path", ["/a", "../a", "inner/../../a", "inner/..", "..", "file:///a", "a\0b", "s3://b/a"])
def test_a_path_that_leaves(path: str) -> None:
    assert not is_below(path)


def test_a_subset_is_parsed_from_what_was_hashed(tmp_path: Path) -> None:
    subset = Subset.from_uids(np.array([(0, 1), (0, 1), (2, 0)], UID))
    subset.save(tmp_path / "s.npy")
    assert Subset.parse((tmp_path / "s.npy").read_bytes(), "s.npy") == Subset.load(tmp_path / "s.npy") == subset
