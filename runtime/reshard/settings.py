"""What a reshard is told, and what of it changes bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dcql.runtime.shards import Tell, silent

SHARD_SIZE = 10_000  # samples, as DataComp's
SHARD_BYTES = 3_000_000_000  # at most, as DataComp's
VERSION = 1  # of the order and the form of shards; a digest holds it


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is resharded.

    `boxes` is a folder, file or URL of the pool's parquet files, of which the column `face_bboxes` is read where a
    sample's .json has none; without `blur` no boxes are looked for.
    """

    shard_size: int = SHARD_SIZE
    shard_bytes: int = SHARD_BYTES
    blur: bool = False
    boxes: str | Path | None = None
    allow_missing: bool = False
    copy: bool = True
    workers: int = 1
    tell: Tell = silent

    def __post_init__(self) -> None:
        if self.shard_size < 1 or self.shard_bytes < 1 or self.workers < 1:
            raise ValueError("shard size, shard bytes and workers are 1 or more")

    @property
    def policy(self) -> Mapping[str, str | int]:
        """Everything here that changes the bytes of shards."""
        policy: dict[str, str | int] = {
            "version": VERSION,
            "order": "tars",
            "shard_size": self.shard_size,
            "shard_bytes": self.shard_bytes,
            "blur": "apply" if self.blur else "none",
        }
        if self.blur:
            from dcql.runtime.reshard.blur import identity

            policy |= identity()
        return policy
