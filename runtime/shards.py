"""Training shards as reshard writes them and training reads them: where each sample is, and one digest of them all.

DIR/
  shards.json      what this module reads and writes: subset, policy, digests, tars
  index.parquet    one row a sample copy, in the order of the shards: where its image and caption lie
  00000000.tar ..  the shards, unless the plan points into the pool's own (`copied` is false)
  sizes.json meta.json sample_ids.npy     for open_clip and DataComp's train.py
"""

from dataclasses import dataclass
from pathlib import Path

MANIFEST = "shards.json"
INDEX = "index.parquet"

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
}


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

    folder: Path
    subset: str  # its hash, dcql1:..
    pool: str  # the pool's fingerprint, dcpool1:..
    digest: str
    samples: int  # copies counted
    distinct: int
    missing: int  # uids of the subset that no tar holds
    policy: dict[str, str | int]  # everything about reshard that changes bytes: blur, shard size, seed of the scatter
    copied: bool
    sizes: tuple[int, ...]  # samples of each training shard
    tars: tuple[Tar, ...]
