"""A pool, models of vectors and of what reads them, and what tests ask of both."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pools
import pytest
from conformance import ONE_THREAD
from features.own import own_model, recipe_file
from numpy.typing import NDArray

import dcql
from dcql.catalog.features import StoredFeature, stored_features
from dcql.catalog.pool import Pool
from dcql.cli import main
from dcql.engine.add import add
from dcql.engine.features.report import Computing, Use
from dcql.engine.features.vectors import vectors_file
from dcql.engine.run import Result

ROWS = 120
WIDTH = 4
CENTROIDS = np.random.default_rng(5).normal(size=(6, WIDTH)).astype(np.float32)

# A vector of a caption from the digest of the caption; NULL for captions in `none`, a failure for those in `fails`.
VECTORS = """
import hashlib
from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def load(weights, assets, options):
    salt, none, fails = options["salt"], options["none"], options["fails"]

    def one(text):
        number = int(text)
        if fails and number % fails == 1:
            raise ValueError("no vector")
        if none and number % none == 0:
            return None
        digest = hashlib.sha256(f"{salt}{text}".encode()).digest()
        return [(byte - 128) / 97 for byte in digest[:4]]

    def answer(uids, texts):
        with LOG.open("a") as log:
            log.write("".join(f"{uid}\\n" for uid in uids))
        return [one(text) for text in texts]

    return answer
"""
PARAMETERS = "uid TEXT, caption TEXT, salt INT DEFAULT 0, none INT DEFAULT 0, fails INT DEFAULT 0"
# What reads a vector, by a file of the tests' own.
SUMS = """
from pathlib import Path

LOG = Path(__file__).with_suffix(".log")


def load(weights, assets, options):
    def answer(uids, vectors):
        assert vectors.dtype == "float16"
        with LOG.open("a") as log:
            log.write("".join(f"{uid}\\n" for uid in uids))
        return [float(row.astype("f8").sum()) for row in vectors]

    return answer
"""
FEATURES = """
FEATURE mine EMBEDDING USING vector_of(uid, text{options});
FEATURE other EMBEDDING USING vector_of(uid, text, salt = 1);
ASSET places FROM 'places.npy' SHA256 '{places}';
FEATURE cluster INT USING nearest(mine, places);
FEATURE pair FIXED(10) USING similarity(mine, other);
FEATURE total FIXED(10) USING sum_of(uid, mine);
"""


def half(number: int, salt: int = 0) -> NDArray[np.float16]:
    """Return the vector of a caption as it is stored, made here anew."""
    digest = hashlib.sha256(f"{salt}{number}".encode()).digest()
    return np.array([(byte - 128) / 97 for byte in digest[:4]], np.float64).astype(np.float16)


def cluster(number: int) -> int:
    return int((CENTROIDS.astype("f8") @ half(number).astype("f8")).argmax())


class World:
    """A pool of captions "0", "1", .. in a folder, beside two models and an asset."""

    def __init__(self, folder: Path, rows: int = ROWS, file_count: int = 3) -> None:
        self.folder = folder
        made = pools.base(rows, 5)
        self.uids = list(made.columns["uid"])
        made = made.with_columns(text=[str(number) for number in range(rows)])
        pools.write(made, folder / "pool", layout=pools.Layout(files=file_count, renamed=True, empty_file=True))
        np.save(folder / "places.npy", CENTROIDS)
        self.places = hashlib.sha256((folder / "places.npy").read_bytes()).hexdigest()
        self.vector = own_model(folder, "vector_of", VECTORS, PARAMETERS, "EMBEDDING")
        self.sums = own_model(folder, "sum_of", SUMS, "uid TEXT, vectors EMBEDDING", "FLOAT")
        self.pool = add("small", folder / "pool")

    def recipe(self, query: str, options: str = "") -> Path:
        declared = FEATURES.format(options=f", {options}" if options else "", places=self.places)
        return recipe_file(self.folder, f"{self.vector.statement}{self.sums.statement}{declared}{query};")

    def run(self, query: str, options: str = "", pool: Pool | Path | None = None, **computing: Any) -> Result:
        settings = Computing(own_code=True, workers=1, **computing)
        path = self.recipe(query, options)
        return dcql.run(path, pool or self.pool, resources=ONE_THREAD, computing=settings).result

    def where(self, condition: str, options: str = "", **computing: Any) -> set[int]:
        """Return the numbers of the samples that a condition keeps."""
        kept = set(self.run(f"SELECT uid FROM pool WHERE {condition}", options, **computing).subset.hex())
        return {number for number, uid in enumerate(self.uids) if uid in kept}


def use(result: Result, name: str) -> Use:
    assert result.features is not None
    return next(one for one in result.features.uses if one.spec.name == name)


def stored(name: str) -> StoredFeature:
    return next(one for one in stored_features() if one.described()["name"] == name)


def store_content(home: Path) -> dict[str, bytes]:
    """Return every file of vectors in the store by its path."""
    features = home / "features"
    return {path.relative_to(features).as_posix(): path.read_bytes() for path in sorted(features.rglob("*.npy"))}


def damaged(world: World, change: str) -> Path:
    world.where("cluster = 1")
    path = next(p for p in stored("mine").newest_versions() if vectors_file(p).exists())
    file = vectors_file(path)
    match change:
        case "cut off":
            file.write_bytes(file.read_bytes()[:-10])
        case "gone":
            file.unlink()
        case "shorter":
            np.save(file, np.zeros((3, WIDTH), np.float16))
        case _:
            np.save(file, np.array([{}], object), allow_pickle=True)
    return file


def cli(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    capsys.readouterr()
    assert status(*arguments) == 0
    return capsys.readouterr().out


def status(*arguments: str | Path) -> int:
    """Return the status that a command ends with."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code
