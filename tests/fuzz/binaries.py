"""Readers of binary files: subsets, tars, sets of evaluations, parquet, .npz, assets, weights, images."""

import io
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from dcql.runtime.evaluate import layout
from dcql.runtime.evaluate.layout import SPLIT, Reader
from dcql.runtime.evaluate.tasks import Suite, Task, tasks
from dcql.runtime.reshard.scan import scan
from features.tars import uid, uids

from dcql.catalog.pool import open_pool
from dcql.compiler import run
from dcql.engine.add import add
from dcql.engine.coverage.scan import scan as coverage_scan
from dcql.engine.distribution import Distribution
from dcql.engine.duck import Resources
from dcql.engine.embeddings import Embeddings
from dcql.engine.features import assets, files, vectors
from dcql.engine.udfs.fasttext_model import read_model
from dcql.errors import Diagnostic, RunError
from dcql.images import open_rgb
from dcql.source import Source
from dcql.subset import Subset
from dcql.tars.members import DamagedTarError, members
from dcql.tars.plain import plain_members
from fuzz.judging import promise
from fuzz.places import chosen, folder

ROWS = 4


def subset(data: bytes) -> bool:
    """A subset file: one that is read is written and read again as the same, and numpy reads the same uids."""
    path = folder("subset") / "subset.npy"
    path.write_bytes(data)
    found = Subset.load(path)
    if data.startswith(b"\x93NUMPY"):
        promise(np.array_equal(np.unique(np.load(path, allow_pickle=False)), found.uids), "numpy reads other uids")
    found.save(path)
    promise(Subset.load(path) == found, "a subset is read back as another one")
    promise(Subset.load(path).hash == found.hash, "a subset is read back with another hash")
    return True


# --- tars -------------------------------------------------------------------------------------------------------------

_WANTED = uids(*sorted(uid(number) for number in range(3)))


def tar(data: bytes) -> bool:
    """A tar of samples; the fast way through plain headers finds what the general one does."""
    stream = io.BytesIO(data)

    def read(offset: int, length: int) -> bytes:
        stream.seek(offset)
        return stream.read(length)

    plain = plain_members(read, len(data))
    try:
        listed = list(members(read, len(data)))
    except DamagedTarError:
        promise(plain is None, "a damaged tar passes for a plain one")
        covered = coverage_scan(read, len(data), check_bytes=True)
        promise(covered.damage is not None and not len(covered.samples), "a damaged tar gives samples")
        scan(read, len(data), _WANTED)
        return False
    if plain is not None:
        promise(list(plain.offsets) == [member.offset for member in listed], "plain headers give other offsets")
        promise(list(plain.sizes) == [member.size for member in listed], "plain headers give other sizes")
        names = [bytes(name).rstrip(b"\0").decode() for name in plain.names]
        promise(names == [member.name for member in listed], "plain headers give other names")
    covered = coverage_scan(read, len(data), check_bytes=True)
    promise(covered.damage is None, "a tar is damaged to one reader alone")
    found = scan(read, len(data), _WANTED)
    promise(len(found.found) <= len(covered.samples), "a sample is there to one reader alone")
    ends = found.found["image_offset"] + found.found["image_size"]
    promise(not len(ends) or int(ends.max()) <= len(data), "an image lies beyond the tar")
    return True


_SET_FILES = ("0.tar", layout.SHARDS, layout.CLASSNAMES, layout.TEMPLATES, layout.TYPE, layout.INSTANCES)


def eval_set(data: bytes) -> bool:
    """One file of an evaluation's set, read as classes, as captions and as associations."""
    name, content = chosen(data, _SET_FILES)
    place = folder("sets")
    for task in _tasks():
        inside = place / task.folder
        (inside / SPLIT).mkdir(parents=True, exist_ok=True)
        for file, held in {**_whole_set(task), name: content}.items():
            (inside / SPLIT / file if file in ("0.tar", layout.SHARDS) else inside / file).write_bytes(held)
    refused = [error for task in _tasks() for error in _refused(place, task)]
    if refused:
        raise refused[0]
    return True


def _refused(place: Path, task: Task) -> Iterator[RunError]:
    """Yield what is wrong with a set, and with its samples."""
    try:
        found = layout.find(str(place), task)
        assert found is not None
        reader = Reader(found)
        samples = list(reader)
    except RunError as error:
        yield error
        return
    promise(reader.digest.startswith("sha256:"), "a set that was read has a digest")
    for sample in samples:
        for read in (lambda one: one.label(3), lambda one: one.numbers(("a", "b"), ("b",)), _captions, _image):
            try:
                read(sample)
            except RunError as error:
                yield error


def _captions(sample: layout.Sample) -> None:
    promise(bool(sample.captions()), "a sample that was taken has a caption")


def _image(sample: layout.Sample) -> None:
    promise(isinstance(sample.image, bytes), "a sample that was taken has an image")


@cache
def _tasks() -> tuple[Task, ...]:
    every = tasks(Suite.DATACOMP)
    kinds = {task.kind: task for task in every if task.classes is None or task.kind != "classification"}
    own = Task("own", "own", "classification", 1, "", classes=3)
    return (own, *(kinds[kind] for kind in ("retrieval", "winogavil") if kind in kinds))


def _whole_set(task: Task) -> dict[str, bytes]:
    from fuzz.seeds import small_tar

    return {
        "0.tar": small_tar("eval"),
        layout.SHARDS: b"1\n",
        layout.CLASSNAMES: b"a\nb\nc\n",
        layout.TEMPLATES: b"a photo of a {c}\n",
        layout.TYPE: b"retrieval" if task.kind == "retrieval" else b"",
        layout.INSTANCES: b'{"cue": "a", "candidates": ["b", "c"], "associations": ["c"]}\n',
    }


# --- pools ------------------------------------------------------------------------------------------------------------

RECIPE = Source(
    "pool", "SELECT uid FROM pool WHERE clip_l14 >= q(0.5) AND original_width > 100 AND text IS NOT NULL;\n"
)


def pool(data: bytes) -> bool:
    """A parquet file of a raw pool, from its footer to the subset of a recipe."""
    place = folder("pool")
    (place / "0.parquet").write_bytes(data)
    opened = open_pool(place)
    found = run(RECIPE, opened, resources=Resources(threads=1))
    promise(found.subset.distinct <= opened.rows, "a subset is a part of its pool")
    return True


def pool_added(data: bytes) -> bool:
    """The same file of a pool that is added: it gives the subset that the raw pool does."""
    place, home = folder("pool"), folder("pool-home")
    (place / "0.parquet").write_bytes(data)
    with patch.dict(os.environ, DCQL_HOME=str(home)):
        shutil.rmtree(home / "pools", ignore_errors=True)
        found = run(RECIPE, add("pool", place), resources=Resources(threads=1))
        raw = run(RECIPE, open_pool(place), resources=Resources(threads=1))
    promise(found.hash == raw.hash, "an added pool gives another subset than a raw one")
    return True


def embeddings(data: bytes) -> bool:
    """The embeddings beside a file of a pool."""
    path = folder("embeddings") / "0.npz"
    path.write_bytes(data)
    found = Embeddings.open(str(path), "l14_img", ROWS)
    promise(found.read().shape == found.shape, "embeddings have the shape that they say")
    return True


def asset(data: bytes) -> bool:
    """An asset of a recipe, as .npy or as text."""
    name, content = chosen(data, ("asset.npy", "asset.txt"))
    path = folder("asset") / name
    path.write_bytes(content)
    found = assets.read_asset(path, "asset")
    if isinstance(found, np.ndarray):
        promise(found.ndim == 1 or found.dtype.kind == "f", "an asset is ids or a matrix of floats")
    if isinstance(found, tuple) or found.ndim == 1:
        assets.set_values(found, "asset")
    return True


# --- the store --------------------------------------------------------------------------------------------------------


def stored_values(data: bytes) -> bool:
    """A feature's stored values, a parquet file, or its vectors, a .npy."""
    name, content = chosen(data, ("1.parquet", "1.npy"))
    path = folder("feature") / "1.parquet"
    path.with_name(name).write_bytes(content)
    if name == "1.npy":
        return len(vectors.open_vectors(path, ROWS)) == ROWS
    footer = files.read_footer(path)
    known = files.read_known(path, ROWS)
    values = files.read_values(path, ROWS)
    promise(len(known) == values.rows == ROWS, "there is a value a row")
    counts = (footer.rows, footer.known, footer.failed)
    promise(all(type(count) is int for count in counts), "counts are whole numbers")
    promise(all(type(text) is str for text in footer.texts or ()), "texts are texts")
    return True


def distribution(data: bytes) -> bool:
    """The distribution of a column of a pool that was added."""
    path = folder("distribution") / "column.npz"
    path.write_bytes(data)
    Distribution.load(path)
    return True


# --- models -----------------------------------------------------------------------------------------------------------


def fasttext(data: bytes) -> bool:
    """A model of fastText."""
    found = read_model(data)
    promise(len(found.tree.leaves) == len(found.labels), "each label is a leaf")
    return True


def image(data: bytes) -> bool:
    """An image of a tar. What cannot be decoded is told as a text."""
    opened = open_rgb(data)
    if isinstance(opened, str):
        raise RunError(Diagnostic("E0641", "no image", None, opened))
    return bool(opened.mode == "RGB")
