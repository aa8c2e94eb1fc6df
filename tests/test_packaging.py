"""The wheel: only dcql and its own metadata, every package, the library and the recipes."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel from a copy of the tree and return the names of the files in it."""
    work = tmp_path_factory.mktemp("wheel")
    tree = work / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build.log")
    for folder in FOLDERS.values():
        shutil.copytree(folder, tree / folder.name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tree)
    options = ["--no-isolation"] if int(version("setuptools").split(".")[0]) >= 77 else []
    command = [sys.executable, "-m", "build", "--wheel", *options, "--outdir", str(work), str(tree)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (wheel,) = work.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def packages_on_disk() -> set[str]:
    """Return the dotted name of every folder that holds Python files."""
    found: set[str] = set()
    for name, folder in FOLDERS.items():
        parents = {
            path.parent
            for path in folder.rglob("*.py")
            if not {"build", "__pycache__"} & set(path.parts[len(ROOT.parts) :])
        }
        found |= {".".join([name, *parent.relative_to(folder).parts]) for parent in parents}
    return found


def test_the_list_of_packages_is_what_is_on_disk() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages_on_disk())


def test_nothing_but_dcql_is_installed(names: list[str]) -> None:
    allowed = ("dcql/", f"dcql-{PROJECT['project']['version']}.dist-info/")
    assert [name for name in names if not name.startswith(allowed)] == []


def test_every_module_is_in_the_wheel(names: list[str]) -> None:
    missing = []
    for name, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            below = path.relative_to(folder)
            if below.parts[0] == "build" or "__pycache__" in below.parts:
                continue
            installed = "/".join([*name.split("."), *below.parts])
            if installed not in names:
                missing.append(installed)
    assert missing == []


def test_library_recipes_and_the_marker_of_types_are_in_the_wheel(names: list[str]) -> None:
    for folder in ("stdlib", "recipes"):
        wanted = {
            f"dcql/{folder}/{path.relative_to(ROOT / folder).as_posix()}" for path in (ROOT / folder).rglob("*.dcql")
        }
        assert wanted
        assert wanted <= set(names)
    sets = {f"dcql/stdlib/sets/{path.name}" for path in (ROOT / "stdlib" / "sets").iterdir()}
    assert sets
    assert sets <= set(names)
    assert {"dcql/py.typed", "dcql/syntax/grammar.lark", "dcql/syntax/_standalone.py"} <= set(names)


def test_tests_and_builders_stay_out(names: list[str]) -> None:
    assert [name for name in names if "test" in name.split("/")[-1] or "/build/" in name] == []
