"""Turn the shipped bytes into a DataComp pool on disk: metadata/*.parquet, metadata/*.npz, shards/*.tar, assets.

The assets are what DataComp publishes beside a pool for its image-based filter: the centroids of the pool's clusters
of images, and embeddings of images of the classes that are wanted. `assets.toml` names the files and their digests.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
ASSETS = ("centroids_l14", "imagenet_l14")
SHIPPED = (
    "pool.parquet",
    "captions.parquet",
    "images.parquet",
    "embeddings.npz",
    *(f"{asset}.npy" for asset in ASSETS),
)
FEATURES = ("b32_img", "b32_txt", "l14_img", "l14_txt")
SCORES = ("clip_b32_similarity_score", "clip_l14_similarity_score")
ROWS_PER_TAR = 2000
SCHEMA = pa.schema(
    [
        ("uid", pa.string()),
        ("url", pa.string()),
        ("text", pa.string()),
        ("original_width", pa.int64()),
        ("original_height", pa.int64()),
        ("clip_b32_similarity_score", pa.float32()),
        ("clip_l14_similarity_score", pa.float32()),
        ("face_bboxes", pa.list_(pa.list_(pa.float64()))),
        ("sha256", pa.string()),
    ]
)


class DemoPoolError(Exception):
    """The shipped bytes are damaged or the folder can not take the pool; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Shard:
    """The rows of one parquet file, in its order; arrays have one entry a row."""

    stem: str
    table: pa.Table
    images: npt.NDArray[np.int32]  # positions in the shipped images
    captions: npt.NDArray[np.int32]  # positions in the shipped captions


def url_of(number: int) -> str:
    """Spell the url of a row; nothing is served there."""
    return f"https://images.example.org/{number:08d}.webp"


def uid_of(url: str, text: str) -> str:
    """Derive the uid of a row from its url and caption, 32 lower-case hexadecimal digits."""
    return hashlib.md5(f"{url}\n{text}".encode(), usedforsecurity=False).hexdigest()


def check(data: Path = DATA, names: tuple[str, ...] | None = None) -> None:
    """Compare shipped files, all when `names` is None, with MANIFEST.json; raises DemoPoolError."""
    try:
        manifest = json.loads((data / "MANIFEST.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DemoPoolError(f"{data / 'MANIFEST.json'} can not be read: install dcql again") from error
    for file in manifest["files"]:
        if names is not None and file["name"] not in names:
            continue
        path = data / file["name"]
        if not path.is_file():
            raise DemoPoolError(f"{path} is missing: install dcql again")
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != file["sha256"]:
            raise DemoPoolError(
                f"{path} is damaged: its sha256 is {actual}, MANIFEST.json says {file['sha256']}; install dcql again"
            )


def expand(
    folder: Path,
    *,
    tars: bool = True,
    progress: Callable[[int, int], None] | None = None,
    data: Path = DATA,
) -> Path:
    """Write the demo pool to `folder`, which must not exist or be empty, and return it.

    The bytes are the same on every run under one pyarrow version. `progress` is told how many files of how
    many are written. The folder appears whole or not at all. Raises DemoPoolError.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise DemoPoolError(f"{folder} exists and is not an empty folder: name a new one")
    check(data, SHIPPED)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
        partial.mkdir()
    except OSError as error:
        raise DemoPoolError(f"can not write beside {folder}: {error.strerror}") from error
    try:
        _write_pool(partial, data, tars, progress)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise DemoPoolError(f"can not write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def complete(folder: Path, *, data: Path = DATA) -> None:
    """Write the assets to an expansion that was made before there were any; nothing else in `folder` changes.

    A process that is stopped half-way leaves no `assets.toml`, so it can be done again. Raises DemoPoolError where
    `folder` holds no expansion of the demo pool, or can not be written.
    """
    folder = Path(folder)
    check(data, SHIPPED)
    images = pq.read_table(data / "images.parquet")
    stems = {shard.stem for shard in _read_shards(data, images, images["webp"].to_pylist())}
    if {path.stem for path in (folder / "metadata").glob("*.parquet")} != stems:
        raise DemoPoolError(f"{folder} is no demo pool of this version: expand it anew, to a new folder")
    try:
        _write_assets(folder, data)
    except OSError as error:
        raise DemoPoolError(f"can not write {folder}: {error.strerror}") from error


def add_images(folder: Path, *, data: Path = DATA) -> None:
    """Write shards/*.tar to an expansion that was made without them; they appear whole or not at all.

    Raises DemoPoolError where the shipped bytes are damaged or `folder` can not be written.
    """
    folder = Path(folder)
    if (folder / "shards").is_dir():
        return
    check(data, SHIPPED)
    images = pq.read_table(data / "images.parquet")
    files: list[bytes] = images["webp"].to_pylist()
    partial = folder / f".shards.partial-{os.getpid()}"
    try:
        partial.mkdir()
        for write, arguments in _tar_steps(partial, _read_shards(data, images, files), files):
            write(*arguments)
        if not (folder / "shards").is_dir():  # another process may have been first
            partial.rename(folder / "shards")
    except OSError as error:
        raise DemoPoolError(f"can not write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _tar_steps(folder: Path, shards: list[_Shard], files: list[bytes]) -> list[tuple[Callable[..., None], Any]]:
    starts = [(shard, start) for shard in shards for start in range(0, shard.table.num_rows, ROWS_PER_TAR)]
    return [(_write_tar, (folder, number, shard, start, files)) for number, (shard, start) in enumerate(starts)]


def _write_pool(folder: Path, data: Path, tars: bool, progress: Callable[[int, int], None] | None) -> None:
    images = pq.read_table(data / "images.parquet")
    files: list[bytes] = images["webp"].to_pylist()
    shards = _read_shards(data, images, files)
    features = np.load(data / "embeddings.npz", allow_pickle=False)
    vectors = {name: features[name] for name in FEATURES}

    steps: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
    (folder / "metadata").mkdir()
    for shard in shards:
        steps.append((_write_parquet, (folder / "metadata" / f"{shard.stem}.parquet", shard)))
        steps.append((_write_npz, (folder / "metadata" / f"{shard.stem}.npz", shard, vectors)))
    if tars:
        (folder / "shards").mkdir()
        steps += _tar_steps(folder / "shards", shards, files)
    steps.append((_write_assets, (folder, data)))
    for done, (write, arguments) in enumerate(steps, 1):
        write(*arguments)
        if progress is not None:
            progress(done, len(steps))


def _write_assets(folder: Path, data: Path) -> None:
    (folder / "assets").mkdir(exist_ok=True)
    lines = []
    for asset in ASSETS:
        content = (data / f"{asset}.npy").read_bytes()
        _replace(folder / "assets" / f"{asset}.npy", content)
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f'[{asset}]\nfile = "assets/{asset}.npy"\nsha256 = "{digest}"\n')
    # Last, so that what it names is there.
    _replace(folder / "assets.toml", "\n".join(lines).encode())


def _replace(path: Path, content: bytes) -> None:
    # Another process may read the file, or write the same one, at this moment.
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_shards(data: Path, images: pa.Table, files: list[bytes]) -> list[_Shard]:
    pool = pq.read_table(data / "pool.parquet")
    captions: list[str] = pq.read_table(data / "captions.parquet")["text"].to_pylist()
    digests = [hashlib.sha256(file).hexdigest() for file in files]
    widths, heights = images["width"].to_numpy(), images["height"].to_numpy()
    of_shard = pool["shard"].to_numpy()
    shards = []
    for number in np.unique(of_shard):
        rows = pool.filter(pa.array(of_shard == number))
        shown, read = rows["image"].to_numpy(), rows["caption"].to_numpy()
        urls = [url_of(url) for url in rows["url"].to_pylist()]
        texts = [captions[caption] for caption in read]
        uids = [uid_of(url, text) for url, text in zip(urls, texts, strict=True)]
        columns = {
            "uid": uids,
            "url": urls,
            "text": texts,
            "original_width": widths[shown],
            "original_height": heights[shown],
            # float16 widened, as DataComp stores them: many rows share a score.
            **{name: rows[name].to_numpy().astype(np.float32) for name in SCORES},
            "face_bboxes": [[]] * len(uids),
            "sha256": [digests[image] for image in shown],
        }
        table = pa.table([pa.array(columns[f.name], f.type) for f in SCHEMA], schema=SCHEMA)
        stem = hashlib.md5("".join(uids).encode(), usedforsecurity=False).hexdigest()
        shards.append(_Shard(stem, table, shown, read))
    return shards


def _write_parquet(path: Path, shard: _Shard) -> None:
    pq.write_table(shard.table, path, compression="snappy")


def _write_npz(path: Path, shard: _Shard, vectors: dict[str, npt.NDArray[np.float16]]) -> None:
    # Stored, not compressed, and without the time of writing, so that equal arrays give equal bytes.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in FEATURES:
            buffer = io.BytesIO()
            rows = shard.images if name.endswith("_img") else shard.captions
            np.lib.format.write_array(buffer, vectors[name][rows], version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on every platform
            archive.writestr(entry, buffer.getvalue())


def _write_tar(folder: Path, number: int, shard: _Shard, start: int, files: list[bytes]) -> None:
    """Write one tar as img2dataset does, KEY.webp + KEY.txt + KEY.json a sample, and its statistics."""
    rows = shard.table.slice(start, ROWS_PER_TAR).to_pylist()
    # TarInfo starts with no owner, no group and time 0.
    with (folder / f"{number:08d}.tar").open("wb") as stream:
        for position, row in enumerate(rows):
            key = f"{number:08d}{position:04d}"
            width, height = row["original_width"], row["original_height"]
            description = {
                "uid": row["uid"],
                "url": row["url"],
                "caption": row["text"],
                "key": key,
                "status": "success",
                "error_message": None,
                "width": width,
                "height": height,
                "original_width": width,
                "original_height": height,
                "exif": "{}",
                "sha256": row["sha256"],
            }
            for extension, content in (
                ("webp", files[shard.images[start + position]]),
                ("txt", row["text"].encode()),
                ("json", json.dumps(description).encode()),
            ):
                entry = tarfile.TarInfo(f"{key}.{extension}")
                entry.size = len(content)
                stream.write(entry.tobuf(tarfile.USTAR_FORMAT))
                stream.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        end = 2 * tarfile.BLOCKSIZE
        stream.write(bytes(end + (-(stream.tell() + end)) % tarfile.RECORDSIZE))
    counts = {"count": len(rows), "successes": len(rows)}
    (folder / f"{number:08d}_stats.json").write_text(json.dumps(counts) + "\n", encoding="utf-8")
