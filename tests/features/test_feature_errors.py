"""The messages about features that a run can give: errors/E06..txt; <tmp> stands for the test's folder."""

import hashlib
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pools
import pytest
from conformance import ONE_THREAD
from features.own import own_model, recipe_file
from pools.featured import featured, write_featured

import dcql
from dcql.catalog.features import stored_features
from dcql.catalog.pool import open_pool
from dcql.compiler import run_compiled
from dcql.engine.features.report import Computing
from dcql.errors import RunError
from dcql.source import Source

ERRORS = Path(__file__).parent / "errors"
LENGTH = "def load(weights, assets, options):\n    return lambda captions: [len(text) for text in captions]\n"
OWN_CODE = Computing(own_code=True, workers=1)


def folder(tmp: Path) -> Path:
    """Return a pool of 20 samples with embeddings and assets; captions are "0" to "19"."""
    rows = pools.base(20, 8)
    made = featured(rows, 8)
    texts = [str(number) for number in range(20)]
    made = type(made)(made.rows.with_columns(text=texts), made.embeddings, made.assets)
    write_featured(made, tmp / "pool", layout=pools.Layout(files=1, renamed=True))
    return tmp / "pool"


def run(tmp: Path, code: str = LENGTH, *, returns: str = "INT", output: str = "INT", computing: Computing = OWN_CODE,
        extra: str = "") -> None:  # fmt: skip
    model = own_model(tmp, "length_of", code, "caption TEXT", returns, extra)
    text = f"{model.statement}FEATURE length {output} USING length_of(text);\nSELECT uid FROM pool WHERE length > 1;"
    pool = tmp / "pool" if (tmp / "pool").exists() else folder(tmp)
    dcql.run(recipe_file(tmp, text), pool, resources=ONE_THREAD, computing=computing)


def answering(what: str) -> str:
    return LENGTH.replace("len(text)", what)


def run_text(tmp: Path, text: str) -> None:
    dcql.run(Source("recipe.dcql", text), tmp / "pool", resources=ONE_THREAD)


# --- the store --------------------------------------------------------------------------------------------------------


def feature_json(tmp: Path) -> Path:
    run(tmp)
    (stored,) = stored_features()
    return stored.folder / "feature.json"


def garbled(tmp: Path) -> None:
    feature_json(tmp).write_text("{}")
    run(tmp)


def another_version(tmp: Path) -> None:
    path = feature_json(tmp)
    path.write_text(path.read_text().replace('"store_version": 1', '"store_version": 2'))
    run(tmp)


def cut_off(tmp: Path) -> None:
    run(tmp)
    (stored,) = stored_features()
    (path,) = stored.newest_versions()
    path.write_bytes(path.read_bytes()[:-20])
    run(tmp)


def not_stored(tmp: Path) -> None:
    run(tmp, computing=Computing(compute=False))


# --- assets -----------------------------------------------------------------------------------------------------------

CLUSTER = "SELECT uid FROM pool WHERE image_cluster = 1;"


def no_assets(tmp: Path) -> None:
    (folder(tmp) / "assets.toml").unlink()
    run_text(tmp, CLUSTER)


def misspelled_asset(tmp: Path) -> None:
    path = folder(tmp) / "assets.toml"
    path.write_text(path.read_text().replace("[centroids_l14]", "[centroids_l41]"))
    run_text(tmp, CLUSTER)


def garbled_assets(tmp: Path) -> None:
    path = folder(tmp) / "assets.toml"
    path.write_text(path.read_text().replace('sha256 = "', 'sha255 = "'))
    run_text(tmp, CLUSTER)


def no_asset_file(tmp: Path) -> None:
    (folder(tmp) / "assets" / "centroids_l14.npy").unlink()
    run_text(tmp, CLUSTER)


def bound(tmp: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    """Bind an array as the centroids."""
    path = folder(tmp) / "assets" / "centroids_l14.npy"
    before = _sha256(path)
    np.save(path, array)
    toml = tmp / "pool" / "assets.toml"
    toml.write_text(toml.read_text().replace(before, _sha256(path)))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def whole_numbers(tmp: Path) -> None:
    bound(tmp, np.ones((4, 16), np.int64))
    run_text(tmp, CLUSTER)


def no_matrix(tmp: Path) -> None:
    bound(tmp, np.arange(4))
    run_text(tmp, "SELECT uid FROM pool WHERE original_width IN imagenet_centroids;")


def matrix_as_set(tmp: Path) -> None:
    folder(tmp)
    run_text(tmp, "SELECT uid FROM pool WHERE original_width IN centroids_l14;")


def pickled(tmp: Path) -> None:
    bound(tmp, np.array([{}, {}], object))
    run_text(tmp, CLUSTER)


def changed_asset(tmp: Path) -> None:
    path = folder(tmp) / "assets" / "centroids_l14.npy"
    np.save(path, np.load(path) * 2)
    run_text(tmp, CLUSTER)


def changed_code(tmp: Path) -> None:
    model = own_model(tmp, "length_of", LENGTH, "caption TEXT", "INT")
    text = f"{model.statement}FEATURE length INT USING length_of(text);\nSELECT uid FROM pool WHERE length > 1;"
    pool = open_pool(folder(tmp))
    compiled = dcql.compile(recipe_file(tmp, text), pool.schema)
    model.path.write_text("")
    run_compiled(compiled, pool, ONE_THREAD, computing=OWN_CODE)


# --- models -----------------------------------------------------------------------------------------------------------


def half_downloaded(tmp: Path) -> None:
    (tmp / "home" / "weights").mkdir(parents=True)
    (tmp / "home" / "weights" / "lid.176.bin").write_bytes(b"fastText")
    folder(tmp)
    run_text(tmp, "SELECT uid FROM pool WHERE lang = 'en';")


def killed(tmp: Path) -> None:
    run(tmp, "import os, signal\n" + answering("os.kill(os.getpid(), signal.SIGKILL)"))


def ended(tmp: Path) -> None:
    run(tmp, "import os\n" + answering("os._exit(7)"))


def failing(tmp: Path) -> None:
    run(tmp, answering("len(text) // (int(text) % 3)"))


def failing_at_a_larger_limit(tmp: Path) -> None:
    run(tmp, answering("len(text) // (int(text) % 3)"), computing=Computing(own_code=True, max_failures=Fraction(1, 4)))


def weights_missing(tmp: Path) -> None:
    run(tmp, extra=f" WEIGHTS 'large.bin' SHA256 '{'0' * 64}' OR 'small.bin' SHA256 '{'1' * 64}'")


CASES: dict[str, Callable[[Path], None]] = {
    "E0604_not_allowed": lambda tmp: run(tmp, computing=Computing()),
    "E0605_garbled": garbled,
    "E0605_another_version": another_version,
    "E0605_cut_off": cut_off,
    "E0606_too_large": lambda tmp: run(tmp, answering("2 * len(text)"), returns="FLOAT", output="FIXED(14)"),
    "E0606_infinite": lambda tmp: run(tmp, answering("float('inf')"), returns="FLOAT", output="FIXED(0)"),
    "E0607_not_stored": not_stored,
    "E0608_no_assets": no_assets,
    "E0608_misspelled_asset": misspelled_asset,
    "E0608_garbled_assets": garbled_assets,
    "E0608_no_asset_file": no_asset_file,
    "E0608_whole_numbers": whole_numbers,
    "E0608_no_matrix": no_matrix,
    "E0608_matrix_as_set": matrix_as_set,
    "E0608_pickled": pickled,
    "E0609_changed_asset": changed_asset,
    "E0609_changed_code": changed_code,
    "E0609_half_downloaded": half_downloaded,
    "E0610_killed": killed,
    "E0610_ended": ended,
    "E0611_no_load": lambda tmp: run(tmp, "def length(text):\n    return len(text)\n"),
    "E0611_fails": lambda tmp: run(tmp, "import no_such_package\n" + LENGTH),
    "E0612_failing": failing,
    "E0612_failing_at_a_larger_limit": failing_at_a_larger_limit,
    "E0613_weights_missing": weights_missing,
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update: bool) -> None:
    with pytest.raises(RunError) as caught:
        CASES[name](tmp_path)
    assert caught.value.diagnostics[0].code == name[:5]
    said = str(caught.value).replace(str(tmp_path), "<tmp>") + "\n"
    said = re.sub(r"(?<=features/)[0-9a-f]{32}/\w+(?=/)", "<id>/<key>", said)
    said = re.sub(r"(?<=features/)[0-9a-f]{32}", "<id>", said)
    expected = ERRORS / f"{name}.txt"
    if update:
        expected.write_text(said, encoding="utf-8", newline="\n")
    assert said == expected.read_text(encoding="utf-8")


def test_every_expected_message_has_its_case() -> None:
    known = {path.stem for path in ERRORS.glob("*.txt") if "E0604" <= path.stem[:5] <= "E0613"}
    assert known == set(CASES)
