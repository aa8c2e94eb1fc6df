"""Captions that are hard to count, in pools with their lengths and without, and recipes that ask for lengths."""

import json
import tomllib
from pathlib import Path

import pyarrow as pa
import tomli_w
from pool.samples import overwrite, samples, write

from dcql.catalog import store
from dcql.catalog.pool import Pool, open_pool
from dcql.engine.add import add

SPACES = " \t\n\v\f\r\x00\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"
# Neighbours of white space in UTF-8, and what is no white space although it looks so.
OTHERS = "ab\x7f\x84\x86\u00c2\u00e3\u180e\u167f\u1fff\u200b\u2020\u2030\u2060\u2fff\u3001\ufeff日é😀👩‍👩‍👧"
NASTY: list[str | None] = [
    None, "", "\0", " ", "\n", "a", "a b", " a  b ", "a\nb", "a\n\nb", "a\0b", "a\xa0b", "日本\u3000語", "a\u2028b",
    "é" * 300, "👩‍👩‍👧 e\u0301", "a " * 70_000, "\n" * 70_000, " " * 300_000, "\u3000a" * 70_000, "x" * 200_000,
]  # fmt: skip
NASTY += [f"a{space}b" for space in SPACES] + [f"{space}{other}" for space in SPACES for other in OTHERS]
RECIPES = (
    "SELECT uid FROM pool WHERE python_words(text) > 1 AND code_points(text) > 2",
    "SELECT uid FROM pool WHERE fasttext_words(text) >= q(0.5)",
    "SELECT uid FROM pool WHERE fasttext_words(text) <> python_words(text) OR text IS NULL",
    "SELECT uid FROM pool WHERE code_points(text) * 2 > 5 AND text LIKE '%a%' ORDER BY code_points(text) LIMIT 40",
    "SELECT uid FROM pool WHERE code_points(url) > 20 AND python_words(text) IS NOT NULL",
    "WITH s AS (SELECT uid FROM pool WHERE python_words(text) = 2) "
    "SELECT uid FROM s WHERE code_points(text) >= q(0.3 OF s BY fasttext_words(text))",
    "SELECT uid, code_points(text) % 3 AS copies FROM pool WHERE code_points(text) IS NOT NULL",
)


def nasty_pool(folder: Path, files: int = 2) -> Path:
    rows = len(NASTY)
    table = samples(rows).set_column(samples(rows).schema.get_field_index("text"), "text", pa.array(NASTY, pa.string()))
    for number in range(files):
        start, stop = rows * number // files, rows * (number + 1) // files
        write(table.slice(start, stop - start), folder / "metadata" / f"{number}.parquet")
    return folder


def older(name: str, folder: Path) -> Pool:
    """Return a pool as a dcql added it that kept no lengths."""
    add(name, folder)
    place = store.pool_folder(name)
    record = tomllib.loads((place / "pool.toml").read_text())
    del record["lengths"]
    for file in record["files"]:
        del file["lengths"]
    (place / "pool.toml").write_text(tomli_w.dumps(record))
    for file in record["files"]:
        work = place / "work" / file["work"]
        done = json.loads((work / "done.json").read_text())
        del done["lengths"], done["files"]["lengths.parquet"]
        (work / "done.json").write_text(json.dumps(done))
        (work / "lengths.parquet").unlink()
    found = open_pool(name)
    assert found.lengths == ()
    return found


def without_content(pool: Pool) -> None:
    """Write zeros over all but the footers of a pool's own files: whoever reads them fails."""
    for file in pool.files:
        overwrite(Path(file.path))
