"""What is written once all shards are: the index, what open_clip and DataComp's train.py read, and the manifest."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from dcql.runtime.reshard.scan import FORMATS
from dcql.runtime.reshard.settings import Settings
from dcql.runtime.reshard.work import Work, output, writable
from dcql.runtime.run_folder import RunFolder
from dcql.runtime.shards import (
    INDEX,
    INDEX_COLUMNS,
    MANIFEST,
    META,
    MISSING,
    SHARD_FORMAT,
    SIZES,
    SUBSET,
    ShardSet,
    Tar,
    digest_of,
    place_of,
    to_json,
)
from numpy.typing import NDArray

from dcql.subset import Subset

if TYPE_CHECKING:
    from dcql.runtime.reshard.run import Counts


def finish(work: Work, run: RunFolder, missing: NDArray[np.int64], counts: "Counts", settings: Settings) -> ShardSet:
    """Write what stands beside the shards, the manifest last, and return what it states."""
    place = work.task["out"]
    starts = work.array("starts")
    records = [work.record(f"shards/{number:06d}") or {} for number in range(len(starts) - 1)]
    sizes = tuple(np.diff(starts).tolist())
    names = tuple(SHARD_FORMAT.format(number) for number in range(len(sizes)))
    if settings.copy:
        tars = tuple(Tar(name, told["size"], size) for name, told, size in zip(names, records, sizes, strict=True))
    else:
        held = np.bincount(work.array("taken")["tar"][work.array("copies")["sample"]], minlength=len(work.tars))
        tars = tuple(Tar(tar.path, tar.size, int(count)) for tar, count in zip(work.tars, held, strict=True))
    index = work.folder / INDEX
    with writable(str(index)):
        _write_index(work, index, settings)
    sha256 = tuple(str(told["sha256"]) for told in records)
    policy = settings.policy
    found = ShardSet(
        folder=place,
        subset=run.hash,
        pool=run.pool,
        digest=digest_of(run.hash, policy, sha256),
        samples=int(starts[-1]),
        distinct=len(work.array("taken")),
        missing=len(missing),
        duplicates=counts.duplicates,
        unnamed=counts.unnamed,
        policy=policy,
        copied=settings.copy,
        sizes=sizes,
        sha256=sha256,
        tars=tars,
        index_sha256=_copy(index, place_of(place, INDEX)),
    )
    _save_subset(work, run.subset, place_of(place, SUBSET))
    if len(missing):
        _save_subset(work, Subset(run.subset.uids[missing]), place_of(place, MISSING))
    if settings.copy:
        _save_json(dict(zip(names, sizes, strict=True)), place_of(place, SIZES))
        meta = {"output_shard_count": len(names), "output_shard_format": SHARD_FORMAT, "output_count": found.samples}
        _save_json(meta, place_of(place, META))
    _save_json(to_json(found), place_of(place, MANIFEST))
    return found


def _write_index(work: Work, path: Path, settings: Settings) -> None:
    """Write the index, a row group a shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in INDEX_COLUMNS.items()])
    starts, copies, taken = work.array("starts"), work.array("copies"), work.array("taken")
    # Offsets and keys hardly repeat: dictionaries of them would be written for nothing.
    with pq.ParquetWriter(path, schema, use_dictionary=["image_format", "shard", "tar"], compression="zstd") as writer:
        for shard in range(len(starts) - 1):
            some = copies[starts[shard] : starts[shard + 1]]
            samples = taken[some["sample"]]
            placed = work.array(f"shards/{shard:06d}")
            keys = [
                f"{high:016x}{low:016x}-{copy}"
                for high, low, copy in zip(
                    samples["uid_high"].tolist(), samples["uid_low"].tolist(), some["copy"].tolist(), strict=True
                )
            ]
            columns: dict[str, Any] = {
                "key": keys,
                "shard": np.full(len(some), shard, np.int32),
                "image_size": placed["image_size"],
                "image_format": np.array(FORMATS)[placed["format"]],
                "caption_size": placed["caption_size"],
                "crc32": placed["crc32"],
            }
            if settings.copy:
                columns |= {"tar": columns["shard"]}
                columns |= {name: placed[name] for name in ("image_offset", "caption_offset")}
            else:
                columns |= {"tar": samples["tar"].astype(np.int32)}
                columns |= {name: samples[name].astype(np.int64) for name in ("image_offset", "caption_offset")}
            arrays = [pa.array(columns[field.name], field.type) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema))


def _copy(path: Path, place: str) -> str:
    """Copy a file to a path or URL; return its hex SHA-256."""
    digest = hashlib.sha256()
    with output(place) as write, path.open("rb") as file:
        while content := file.read(1 << 20):
            digest.update(content)
            write(content)
    return digest.hexdigest()


def _save_subset(work: Work, subset: Subset, place: str) -> None:
    path = work.folder / "subset.npy"
    subset.save(path)
    _copy(path, place)


def _save_json(value: Any, place: str) -> None:
    with output(place) as write:
        write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
