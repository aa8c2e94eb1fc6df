"""Training shards as reshard writes them and training reads them: where each sample is, and one digest of them all.

DIR/
  shards.json      what this module reads and writes: subset, policy, digests, counts, tars
  index.parquet    one row a sample copy, in the order of the shards: where its image and caption lie
  00000000.tar ..  the shards, unless the plan points into the pool's own (`copied` is false)
  sizes.json meta.json    for open_clip and DataComp's train.py, where there are shards
  sample_ids.npy   the subset; missing.npy its uids that no tar holds, where there are any

shards.json is written last: a folder without it is unfinished.
"""

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from dcql.digest import sha256_of
from dcql.errors import Diagnostic, RunError
from dcql.files import locate
from dcql.json_text import parse_json

MANIFEST = "shards.json"
INDEX = "index.parquet"
SUBSET = "sample_ids.npy"
MISSING = "missing.npy"
SIZES = "sizes.json"
META = "meta.json"
SHARD_FORMAT = "{:08d}.tar"
SCHEMA = 1

# Columns of the index. `shard` numbers the training shard, which decides the order of training; `tar` says where the
# bytes lie, as a position in ShardSet.tars. Without copying the two differ.
INDEX_COLUMNS = {
    "key": "string",  # `{uid}-{j}`, j from 0: the j-th copy of a sample, as DataComp names them
    "shard": "int32",
    "tar": "int32",
    "image_offset": "int64",  # bytes from the beginning of the tar
    "image_size": "int64",
    "image_format": "string",  # webp, jpg or png
    "caption_offset": "int64",
    "caption_size": "int64",
    "crc32": "uint32",  # of the image's bytes and then the caption's, by which a reader notices damage
}

Tell = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Tell nothing of progress."""


@dataclass(frozen=True, slots=True)
class Tar:
    """A tar that holds samples: `path` is relative to the folder of the manifest, absolute, or a URL of fsspec."""

    path: str
    size: int
    samples: int


@dataclass(frozen=True, slots=True)
class ShardSet:
    """What `shards.json` states. Equal `digest` means equal training data in equal order, copied or not.

    `digest` is `dcshards1:` and the hex SHA-256 of what decides training: the subset, the policy, and the SHA-256 of
    each shard's bytes, in their order. Where nothing is copied, those are the bytes that copying would have written.
    """

    folder: str  # a path or a URL of fsspec
    subset: str  # its hash, dcql1:..
    pool: str  # the pool's fingerprint, dcpool1:..; empty where the recipe ran on a pool that was not added
    digest: str
    samples: int  # copies counted
    distinct: int
    missing: int  # uids of the subset that no tar holds whole, with an image, a caption and a .json
    duplicates: int  # samples of the tars that were left out because their uid came before
    unnamed: int  # images of the tars without a .json that gives a uid, which could not be matched
    blurred: int  # copies whose image has blurred faces
    policy: Mapping[str, str | int]  # everything about reshard that changes bytes: blur, shard size, scatter, ..
    copied: bool
    sizes: tuple[int, ...]  # samples of each training shard
    sha256: tuple[str, ...]  # hex, of each training shard's bytes
    tars: tuple[Tar, ...]
    index_sha256: str  # hex, of index.parquet

    def place(self, tar: int) -> str:
        """Return the path or URL of a tar of `tars`."""
        return place_of(self.folder, self.tars[tar].path)


def place_of(folder: str, path: str) -> str:
    """Return the path or URL of what a manifest in `folder` calls `path`."""
    if "://" in path or posixpath.isabs(path):
        return path
    return f"{folder.rstrip('/')}/{path}" if "://" in folder else os.path.join(folder, path)


def digest_of(subset: str, policy: Mapping[str, str | int], sha256: tuple[str, ...]) -> str:
    """Return the digest of shards: `dcshards1:` and hex digits."""
    value = {"form": "dcql.shards.v1", "subset": subset, "policy": dict(policy), "shards": list(sha256)}
    return "dcshards1:" + sha256_of(value).removeprefix("sha256:")


def to_json(shards: ShardSet) -> dict[str, Any]:
    """Return what shards.json holds."""
    return {
        "schema": SCHEMA,
        "digest": shards.digest,
        "subset": shards.subset,
        "pool": shards.pool,
        "policy": dict(shards.policy),
        "copied": shards.copied,
        "samples": shards.samples,
        "distinct": shards.distinct,
        "missing": shards.missing,
        "duplicates": shards.duplicates,
        "unnamed": shards.unnamed,
        "blurred": shards.blurred,
        "index_sha256": shards.index_sha256,
        "shards": [
            {"name": SHARD_FORMAT.format(number), "samples": size, "sha256": sha256}
            for number, (size, sha256) in enumerate(zip(shards.sizes, shards.sha256, strict=True))
        ],
        "tars": [{"path": tar.path, "size": tar.size, "samples": tar.samples} for tar in shards.tars],
    }


def from_json(stated: Any, folder: str) -> ShardSet:
    """Return what the content of a shards.json states. Raises RunError where it is no such content, or contradicts
    itself: counts that do not add up, or a digest that is not that of its parts.
    """
    place = place_of(folder, MANIFEST)
    if isinstance(stated, dict) and stated.get("schema", SCHEMA) != SCHEMA:
        _refuse_manifest(place, f"its schema is {stated['schema']!r}, this dcql knows {SCHEMA}")
    try:
        found = ShardSet(
            folder=folder,
            subset=_text(stated["subset"]),
            pool=_text(stated["pool"]),
            digest=_text(stated["digest"]),
            samples=_count(stated["samples"]),
            distinct=_count(stated["distinct"]),
            missing=_count(stated["missing"]),
            duplicates=_count(stated["duplicates"]),
            unnamed=_count(stated["unnamed"]),
            blurred=_count(stated["blurred"]),
            policy={_text(key): _plain(value) for key, value in stated["policy"].items()},
            copied=_truth(stated["copied"]),
            sizes=tuple(_count(shard["samples"]) for shard in stated["shards"]),
            sha256=tuple(_text(shard["sha256"]) for shard in stated["shards"]),
            tars=tuple(Tar(_text(tar["path"]), _count(tar["size"]), _count(tar["samples"])) for tar in stated["tars"]),
            index_sha256=_text(stated["index_sha256"]),
        )
    except (KeyError, TypeError, AttributeError):
        _refuse_manifest(place, "it is not what `dcql reshard` writes")
    if sum(found.sizes) != found.samples or sum(tar.samples for tar in found.tars) != found.samples:
        _refuse_manifest(place, f"its shards do not hold {found.samples} samples together")
    computed = digest_of(found.subset, found.policy, found.sha256)
    if computed != found.digest:
        _refuse_digest(place, f"its parts have the digest {computed}, it states {found.digest}")
    return found


def read(folder: str | Path, *, sizes: bool = True) -> ShardSet:
    """Read the manifest of training shards in a folder or at a URL of fsspec.

    What it states is held against itself and the index, and with `sizes` against the size of every tar; `verify` reads
    their bytes. Raises RunError where there are no shards, or what lies there is not what is stated.
    """
    folder = os.fspath(folder)
    place = place_of(folder, MANIFEST)
    try:
        filesystem, path = locate(place)
        content = _whole(filesystem, path)
    except FileNotFoundError:
        _refuse_folder(folder)
    except (OSError, ImportError, ValueError) as error:
        _refuse_reading(place, error)
    try:
        stated = parse_json(content)
    except ValueError:
        _refuse_manifest(place, "it is no JSON")
    found = from_json(stated, folder)
    _check_index(found)
    if sizes:
        _check_sizes(found)
    return found


def verify(shards: ShardSet, tell: Tell = silent) -> None:
    """Read all bytes of copied shards and hold them against their SHA-256. Raises RunError where they differ.

    Where nothing was copied there are no such bytes, and each sample is checked as it is read.
    """
    if not shards.copied:
        return
    for number, sha256 in enumerate(shards.sha256):
        tell("checking shards", number, len(shards.tars))
        place = shards.place(number)
        try:
            filesystem, path = locate(place)
            with filesystem.open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ImportError, ValueError) as error:
            _refuse_reading(place, error)
        if found != sha256:
            _refuse_digest(place, f"its SHA-256 is {found}, {MANIFEST} states {sha256}")
    tell("checking shards", len(shards.tars), len(shards.tars))


def open_index(shards: ShardSet) -> Any:
    """Return index.parquet as a pyarrow.Table of INDEX_COLUMNS. Raises RunError where it is something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = place_of(shards.folder, INDEX)
    try:
        filesystem, path = locate(place)
        with filesystem.open(path, "rb") as file:
            table = pq.ParquetFile(pa.PythonFile(file, mode="r")).read(columns=list(INDEX_COLUMNS), use_threads=False)
        table.validate(full=True)  # or a key that is not UTF-8 would be found when it is read
    except (OSError, ValueError, pa.ArrowException) as error:
        _refuse_reading(place, error)
    right = {field.name: str(field.type) for field in table.schema} == INDEX_COLUMNS
    if not right or len(table) != shards.samples or any(column.null_count for column in table.columns):
        _refuse_manifest(place, f"it has not the columns of an index of {shards.samples} samples")
    return table


def _check_index(shards: ShardSet) -> None:
    place = place_of(shards.folder, INDEX)
    try:
        filesystem, path = locate(place)
        with filesystem.open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        _refuse_reading(place, error)
    if found != shards.index_sha256:
        _refuse_digest(place, f"its SHA-256 is {found}, {MANIFEST} states {shards.index_sha256}")


def _check_sizes(shards: ShardSet) -> None:
    for number, size in _sizes(shards):
        stated = shards.tars[number].size
        if size is None:
            _refuse_tar(shards.place(number), "it is not there")
        if size != stated:
            _refuse_tar(shards.place(number), f"it has {size:,} bytes, {MANIFEST} states {stated:,}")


def _sizes(shards: ShardSet) -> Iterator[tuple[int, int | None]]:
    for number in range(len(shards.tars)):
        place = shards.place(number)
        try:
            filesystem, path = locate(place)
            yield number, int(filesystem.size(path))
        except FileNotFoundError:
            yield number, None
        except (OSError, ImportError, ValueError) as error:
            _refuse_reading(place, error)


def _whole(filesystem: Any, path: str) -> bytes:
    with filesystem.open(path, "rb") as file:
        return bytes(file.read())


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _plain(value: Any) -> str | int:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError
    return value


def _refuse_folder(folder: str) -> NoReturn:
    advice = ("make them: `dcql reshard RUN --shards TARS`", "a reshard that was stopped goes on when it is run again")
    raise RunError(Diagnostic("E1001", f"no training shards in `{folder}`", None, f"it holds no {MANIFEST}", advice))


def _refuse_manifest(place: str, label: str) -> NoReturn:
    raise RunError(Diagnostic("E1002", f"`{place}` cannot be used", None, label, ("reshard the run again",)))


def _refuse_digest(place: str, label: str) -> NoReturn:
    advice = "something changed it after it was written: reshard the run again into a new folder"
    raise RunError(Diagnostic("E1003", f"`{place}` has another digest", None, label, (advice,)))


def _refuse_tar(place: str, label: str) -> NoReturn:
    advice = "put the tar back, or reshard the run again into a new folder"
    raise RunError(Diagnostic("E1004", f"`{place}` is not the tar that was written", None, label, (advice,)))


def _refuse_reading(place: str, error: Exception) -> NoReturn:
    from dcql.files import unreadable

    raise RunError(unreadable(place, error)) from error
