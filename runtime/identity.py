"""What names a training: the run hash of everything that decides it, and the digest of the weights that came out.

    subset hash -> shards digest -> run hash -> weights digest -> eval hash

Two trainings of one run hash saw the same samples in the same order through the same model. Bit-equal weights are
promised where their environments agree too: it is hashed apart, so that a better driver is no other benchmark.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dcql.runtime.scales import Precision, Sampling, Scale, plain
from dcql.runtime.shards import ShardSet

from dcql.digest import sha256_of

SCHEMA = 1
# A change to the runtime that gives other weights from the same settings raises this number.
RUNTIME = 1

_PACKAGES = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow", "safetensors")


@dataclass(frozen=True)
class RunRecord:
    """A training's identity, as run.json holds it. `key` is what the run hash is of."""

    run_hash: str
    key: dict[str, Any]
    environment: dict[str, Any]
    environment_hash: str

    def to_json(self) -> dict[str, Any]:
        """Return the content of run.json."""
        return {
            "schema": SCHEMA,
            "run_hash": self.run_hash,
            "key": self.key,
            "environment": self.environment,
            "environment_hash": self.environment_hash,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RunRecord":
        """Read the content of run.json. Raises ValueError where the hashes are not those of what they name."""
        try:
            read = cls(data["run_hash"], data["key"], data["environment"], data["environment_hash"])
            if data["schema"] != SCHEMA:
                raise ValueError(f"its schema is {data['schema']}, not {SCHEMA}")
            if read.run_hash != run_hash(read.key):
                raise ValueError("its run hash is not the hash of its key")
            if read.environment_hash != environment_hash(read.environment):
                raise ValueError("its environment_hash is not the hash of its environment")
        except KeyError as error:
            raise ValueError(f"it lacks {error}") from None
        except TypeError:
            raise ValueError("it is not what a training writes") from None
        return read


def run_key(shards: ShardSet, scale: Scale, seed: int, sampling: Sampling, precision: Precision) -> dict[str, Any]:
    """Return everything that decides a training, as plain data.

    Not in it: workers, processes, accumulation, devices and paths. They decide when a sum is rounded, and no more.
    """
    return {
        "schema": SCHEMA,
        "runtime": RUNTIME,
        "subset": shards.subset,
        "pool": shards.pool,
        "shards": shards.digest,
        "policy": dict(shards.policy),
        "scale": scale_key(scale),
        "sampling": sampling,
        "precision": precision,
        "seed": seed,
    }


def scale_key(scale: Scale) -> dict[str, Any]:
    """Return what a run key says of its scale: all that nobody may choose."""
    expanded = plain(scale)
    # What a command may choose stands beside the scale, so that a choice is seen at a glance.
    for chosen in ("kind", "sampling", "precision", "gradient_checkpointing"):
        del expanded[chosen]
    return {**expanded, "steps": scale.steps}


def run_hash(key: Mapping[str, Any]) -> str:
    """Return the hash of a run key: `dcrun1:` and 64 hex digits."""
    return "dcrun1:" + sha256_of({"dcql": "run", **key}).removeprefix("sha256:")


def record(key: dict[str, Any], device: str, threads: int) -> RunRecord:
    """Return the record of a training that is about to begin here."""
    found = environment(device, threads)
    return RunRecord(run_hash(key), key, found, environment_hash(found))


def environment(device: str, threads: int) -> dict[str, Any]:
    """Return what decides the last bits of a number here: packages, processor or GPU, threads."""
    packages: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = ""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "device": device,
        "threads": threads,
        "packages": packages,
        "images": _image_libraries(),
    }


def environment_hash(found: Mapping[str, Any]) -> str:
    """Return the digest of an environment."""
    return sha256_of(dict(found))


def weights_sha256(tensors: Iterable[tuple[str, str, tuple[int, ...], bytes | memoryview]]) -> str:
    """Return the digest of weights given as (name, dtype, shape, bytes in C order), in any order of names.

    It is of the tensors, not of a file: the SHA-256 over each tensor's line of canonical JSON and its bytes.
    """
    whole = hashlib.sha256(b"dcql.weights.v1\n")
    for name, dtype, shape, content in sorted(tensors, key=lambda tensor: tensor[0]):
        whole.update(json.dumps([name, dtype, list(shape)], separators=(",", ":")).encode() + b"\n")
        whole.update(content)
    return "sha256:" + whole.hexdigest()


def _processor() -> str:
    """Return the processor's model where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or os.uname().machine


def _image_libraries() -> dict[str, str]:
    """Return the versions of what decodes images: a pixel depends on them."""
    try:
        from PIL import features
    except ImportError:
        return {}
    return {name: str(features.version(name) or "") for name in ("jpg", "webp", "zlib")}
