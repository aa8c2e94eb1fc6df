"""Content digests that are made in the scan of the last query are those of values that are read for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pools
import pyarrow.parquet as pq
import pytest
from conformance import ONE_THREAD
from features.counting import newest
from features.dcfeat import dcfeat2
from features.own import own_model, recipe_file

import dcql
from dcql.catalog.features import stored_features
from dcql.catalog.pool import Pool
from dcql.engine.add import add
from dcql.engine.features import digest, files
from dcql.engine.features.report import Computing
from dcql.errors import RunError

ROWS = 600
# What a model gives, the type, and whether the scan tells the digest: one value after the other, as often as it takes.
VALUES: dict[str, tuple[str, list[Any], bool]] = {
    "TEXT": ("TEXT", ["en", "", None, "日本", "en", "'|\"\\"], True),
    "TEXT without NULL": ("TEXT", ["b", "a", "c"], True),
    "TEXT, one": ("TEXT", ["en"], True),
    "TEXT, many": ("TEXT", [f"text {number}" for number in range(ROWS)], False),
    "TEXT, long": ("TEXT", ["x" * 9_000, "y" * 9_000], False),
    "TEXT, all NULL": ("TEXT", [None], True),
    "INT": ("INT", [3, 0, None, 254, 7], True),
    "INT without NULL": ("INT", [1, 2, 3], True),
    "INT to 4 bytes": ("INT", [2**32 - 1, None, 0], True),
    "INT beyond 4 bytes": ("INT", [2**32, None, 0], False),
    "INT below 0": ("INT", [-1, None, 0], False),
    "INT, all NULL": ("INT", [None], False),
    "BOOL": ("BOOL", [True, False, None], True),
    "FIXED(0)": ("FIXED(0)", [5, None, -3], False),
}


def made(folder: Path, output: str, values: list[Any]) -> tuple[Path, Pool, dict[str, int | str | None]]:
    """Return a recipe with a feature, a pool of three files, and the values by uid of the samples that it asks."""
    pool = pools.base(ROWS, 5)
    pools.write(pool, folder / "pool", layout=pools.Layout(files=3, renamed=True))
    uids = pool.columns["uid"]
    given = {uid: values[place % len(values)] for place, uid in enumerate(uids)}
    code = (
        f"VALUES = {given!r}\ndef load(weights, assets, options):\n    return lambda uids: [VALUES[u] for u in uids]\n"
    )
    returns = "FLOAT" if output.startswith("FIXED") else output
    model = own_model(folder, "given", code, "uid TEXT", returns)
    text = f"{model.statement}FEATURE made {output} USING given(uid); SELECT uid FROM pool WHERE safe AND made IS NULL;"
    asked = {uid: given[uid] for uid, safe in zip(uids, pool.columns["safe"], strict=True) if safe}
    assert 0 < len(asked) < ROWS
    return recipe_file(folder, text), add("small", folder / "pool"), asked


def digests(recipe: Path, pool: Pool) -> Mapping[str, str]:
    """Run a recipe; return the digests of its features."""
    found = dcql.run(recipe, pool, resources=ONE_THREAD, computing=Computing(own_code=True)).result.features
    assert found is not None
    return found.digests


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the features whose values are read for their digests, as they are."""
    names: list[str] = []
    before = digest._read

    def reading(features: Any, spec: Any, pool: Any) -> str:
        names.append(spec.name)
        return before(features, spec, pool)

    monkeypatch.setattr(digest, "_read", reading)
    return names


@pytest.mark.parametrize("kind", VALUES)
def test_the_scan_gives_the_digest_that_the_rules_give(kind: str, read: list[str], tmp_path: Path, here: None) -> None:
    output, values, scanned = VALUES[kind]
    recipe, pool, asked = made(tmp_path, output, values)
    right = {"made": dcfeat2(pools.base(ROWS, 5).columns["uid"], asked)}
    assert digests(recipe, pool) == right  # computed in this run, and then read
    read.clear()
    assert digests(recipe, pool) == right
    assert read == ([] if scanned else ["made"])


def test_of_many_samples_values_are_read(
    read: list[str], tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digests of all features at once would take memory that grows with the pool."""
    recipe, pool, _ = made(tmp_path, "INT", [1, 2])
    first = digests(recipe, pool)
    monkeypatch.setattr("dcql.engine.features.asking.ROWS_IN_BYTES", ROWS - 1)
    read.clear()
    assert digests(recipe, pool) == first
    assert read == ["made"]


@pytest.mark.parametrize(("values", "looked_up"), [([1, 2, 3], False), ([1, None, 3], True)])
def test_a_sample_with_a_value_is_known(
    values: list[Any], looked_up: bool, tmp_path: Path, here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which rows are known is read where one that was asked is NULL: the model may have been asked of it or not."""
    recipe, pool, asked = made(tmp_path, "INT", values)
    first = digests(recipe, pool)
    (stored,) = stored_features()
    assert sum(files.read_footer(path).known for path in stored.newest_versions()) == len(asked)
    looked = []

    def looking(path: Path, rows: int) -> Any:
        looked.append(path)
        return files.read_known(path, rows)

    monkeypatch.setattr("dcql.engine.features.columns._read_known", looking)
    assert digests(recipe, pool) == first
    assert bool(looked) == looked_up


def rewritten(path: Path, footer: str, rows: int | None = None) -> None:
    """Write a file of values again with another footer, and its first rows alone."""
    table = pq.read_table(path)
    table = table.slice(0, rows if rows is not None else len(table))
    path.unlink()
    pq.write_table(table.replace_schema_metadata({"dcql": footer}), path)


def test_a_store_from_before_footers_told_of_values(read: list[str], tmp_path: Path, here: None) -> None:
    recipe, pool, _ = made(tmp_path, "TEXT", ["a", "b"])
    first = digests(recipe, pool)
    (stored,) = stored_features()
    for path in stored.newest_versions():
        footer = files.read_footer(path)
        assert footer.texts == ("a", "b")
        rewritten(path, f'{{"rows": {footer.rows}, "known": {footer.known}, "failed": {footer.failed}}}')
    read.clear()
    assert digests(recipe, pool) == first
    assert read == ["made"]


def test_a_file_that_lost_rows_is_refused(tmp_path: Path, here: None) -> None:
    """In step with the pool's file, its rows would stand beside others."""
    recipe, pool, _ = made(tmp_path, "INT", [1, 2])
    everything = recipe.with_name("all.dcql")
    everything.write_text(recipe.read_text().replace("safe AND ", ""))
    digests(everything, pool)
    (stored,) = stored_features()
    path = newest(stored)
    footer = files.read_footer(path)
    rewritten(path, f'{{"rows": {footer.rows}, "known": {footer.rows}, "failed": 0, "least": 1, "most": 2}}', rows=9)
    with pytest.raises(RunError, match="it has 9 rows") as refused:
        digests(everything, pool)
    assert refused.value.diagnostics[0].code == "E0605"
