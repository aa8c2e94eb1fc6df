"""Pools and shards that were damaged, changed or mixed up, by seed."""

import hashlib
import json
import random
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pools
from features.tars import write_tar

# What may be wrong with a sample of a tar, and with a tar.
FAULTS = ("none",) * 12 + (
    "changed",
    "no hash",
    "hash of md5",
    "upper case",
    "no image",
    "no caption",
    "no json",
    "broken json",
    "json is a list",
    "no uid",
    "upper uid",
    "short uid",
    "two images",
    "other files",
)
CUTS = ("whole",) * 6 + ("inside of a header", "inside of a file", "no end", "a byte of a header", "empty")


@dataclass(frozen=True)
class Made:
    """A pool in `folder`, its shards beside it, and its columns that count here."""

    folder: Path
    uids: list[str]
    recorded: list[str | None] | None

    @property
    def shards(self) -> Path:
        return self.folder / "shards"


def made(folder: Path, seed: int) -> Made:
    """Write a pool of up to 60 samples and its shards."""
    r = random.Random(seed)
    rows = r.choice([1, 2, 3, r.randrange(1, 60), r.randrange(1, 60)])
    uids = [_uid(r, number) for number in range(rows)]
    hashes = [_hash(f"{seed} {number}") for number in range(rows)]
    recorded: list[str | None] = [r.choice([None, "", "0" * 63, "x" * 64]) if r.random() < 0.1 else h for h in hashes]
    recorded = [text.upper() if text and r.random() < 0.1 else text for text in recorded]
    has_hashes = r.random() > 0.1
    columns: dict[str, list[Any]] = {"uid": uids, "text": ["a"] * rows, "score": [r.random() for _ in range(rows)]}
    types = {"uid": "string", "text": "string", "score": "float64"}
    if has_hashes:
        columns["sha256"], types["sha256"] = recorded, "string"
    layout = pools.Layout(files=r.randrange(1, 5), permutation=seed, row_group=r.choice([1, 7, 100]))
    pools.write(pools.Pool(columns, types), folder / "metadata", layout=layout)
    write_shards(r, folder / "shards", uids, hashes)
    return Made(folder, uids, recorded if has_hashes else None)


def _uid(r: random.Random, number: int) -> str:
    text = hashlib.md5(f"{r.random()} {number}".encode()).hexdigest()
    # Some share their first half, and some are short: DataComp pads them with 0.
    return r.choice([text, text, text, "ab" * 8 + text[16:], text[20:].lstrip("0") or "7"])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_shards(r: random.Random, folder: Path, uids: list[str], hashes: list[str]) -> None:
    """Write the shards of a pool, of which some samples are missing, and some tars are damaged."""
    rows = [row for row in range(len(uids)) if r.random() < 0.8]
    rows += [r.randrange(len(uids)) for _ in range(r.choice([0, 0, 1, 5]))]
    strangers = r.choice([0, 0, 1, 3])
    r.shuffle(rows)
    tars = r.randrange(1, 5)
    for tar in range(tars):
        files: list[tuple[str, bytes]] = []
        for place, row in enumerate(rows[tar::tars]):
            files += _sample(r, f"{tar:05d}{place:04d}", uids[row], hashes[row])
        for place in range(strangers):
            files += _sample(r, f"{tar:05d}9{place:03d}", _hash(f"stranger {r.random()}")[:32], "")
        # A sample of the pool at least, so that the shards are the pool's.
        if tar == 0:
            files += _whole("000009999", uids[0], hashes[0])
        path = folder / f"{tar:08d}.tar"
        write_tar(path, files, r.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
        if tar:
            _cut(r, path)


def _whole(key: str, uid: str, sha256: str) -> list[tuple[str, bytes]]:
    about = {"uid": uid, "key": key, "sha256": sha256}
    return [(f"{key}.jpg", key.encode()), (f"{key}.txt", b"a"), (f"{key}.json", json.dumps(about).encode())]


def _sample(r: random.Random, key: str, uid: str, sha256: str) -> list[tuple[str, bytes]]:
    fault = r.choice(FAULTS)
    about: dict[str, Any] = {"key": key, "uid": uid, "sha256": sha256, "caption": "ä", "nan": 1}
    if fault == "changed":
        about["sha256"] = _hash(key)
    if fault == "no hash":
        del about["sha256"]
    if fault == "hash of md5":
        about["sha256"] = sha256[:32]
    if fault == "upper case":
        about["sha256"] = sha256.upper()
    if fault == "no uid":
        del about["uid"]
    if fault == "upper uid":
        about["uid"] = uid.upper() + "G"
    if fault == "short uid":
        about["uid"] = uid.lstrip("0") or "0"
    text = json.dumps([about] if fault == "json is a list" else about)
    files = {"jpg": r.randbytes(r.randrange(2000)), "txt": b"a", "json": text.encode()}
    for without, extension in (("no image", "jpg"), ("no caption", "txt"), ("no json", "json")):
        if fault == without:
            del files[extension]
    if fault == "broken json":
        files["json"] = files["json"][:-3]
    if fault == "two images":
        files["webp"] = b"b"
    if fault == "other files":
        files["npy"] = b"1234"
    names = list(files)
    r.shuffle(names)
    return [(f"{key}.{name}", files[name]) for name in names]


def _cut(r: random.Random, path: Path) -> None:
    content = path.read_bytes()
    cut = r.choice(CUTS)
    ends = len(content.rstrip(b"\0"))
    if cut == "inside of a header":
        content = content[: (ends // 512) * 512 + 100] if ends > 512 else content[:100]
    if cut == "inside of a file":
        content = content[: max(1, ends - 300)]
    if cut == "no end":
        content = content[: -(-ends // 512) * 512]
    if cut == "a byte of a header" and ends:
        content = content[:20] + bytes([content[20] ^ 1]) + content[21:]
    if cut == "empty":
        content = b""
    path.write_bytes(content)
