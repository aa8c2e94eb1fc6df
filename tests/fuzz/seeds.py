"""Make the seeds: small inputs that readers accept, and some that they refuse late.

    cd tests && python -m fuzz.seeds     writes seeds/NAME/ and base/, which hold what the seeds stand beside

What `python -m fuzz` found stays: nobody else writes found-*. Formats that change are written anew by this.
"""

import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from features.tars import sample, uid, uids

from fuzz import tables

FOLDER = Path(__file__).parent / "seeds"
BASE = Path(__file__).parent / "base"
TESTS = Path(__file__).parent.parent


def write() -> None:
    """Write everything anew but what was found."""
    shutil.rmtree(BASE, ignore_errors=True)
    for path in FOLDER.glob("*/*"):
        if not path.name.startswith("found-"):
            path.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DCQL_HOME"] = f"{scratch}/home"
        _base(Path(scratch))
        for name, files in _seeds(Path(scratch)).items():
            for title, content in files.items():
                path = FOLDER / name / title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def _base(scratch: Path) -> None:
    import submissions
    from dcql.runtime.reshard import Settings, reshard
    from small_pools import make_run, make_tars

    from dcql.submission.pack import pack

    run = submissions.ran("clip30", scratch / "clip30", scratch / "home")
    submissions.complete(run)
    pack(run, scratch / "submission", submissions.AUTHOR)
    (scratch / "submission" / "subset.npy").unlink()
    shutil.copytree(scratch / "submission", BASE / "submission")
    make_tars(scratch / "tars", 1, 3)
    made = make_run(scratch / "small", [0, 2])
    reshard(made, scratch / "tars", BASE / "shards", Settings(shard_size=1))
    for name in ("sizes.json", "meta.json", "sample_ids.npy"):
        (BASE / "shards" / name).unlink(missing_ok=True)
    (BASE / "run").mkdir()
    shutil.copy(made / "subset.npy", BASE / "run")
    (BASE / "recipe").mkdir()
    (BASE / "recipe" / "part.dcql").write_text(
        "PARAM keep DEFAULT 0.3;\nDEFINE good AS clip_l14 >= q(1 - keep);\nSELECT uid FROM pool WHERE good;\n"
    )
    (BASE / "recipe" / "words.txt").write_text("cat\ndog\n")
    shutil.copy(made / "subset.npy", BASE / "recipe" / "uids.npy")


def _seeds(scratch: Path) -> dict[str, dict[str, bytes]]:
    return {
        "recipe": _recipes(),
        "set_file": {
            "uids": b"0" + "\n".join(uid(number) for number in range(3)).encode(),
            "short_uids": b"0a1\nb2\n",
            "words": "1cat\ndog\r\n\n 日本 \n".encode(),
            "ints": b"21\n-2\n3.0\n1e3\n",
            "doubles": b"30.1\n.5e-3\n",
            "floats": b"40.28\n1e-45\n-0.0\n",
            "npy": b"0" + _npy(uids(*sorted(uid(number) for number in range(3)))),
        },
        "table": tables.seeds(),
        "lock": {path.stem: path.read_bytes() for path in _locks()},
        "program": _programs(),
        "manifest": _small_manifests(),
        "trained": {
            "run": b"0" + (BASE / "submission" / "run.json").read_bytes(),
            "weights": b"1" + (BASE / "submission" / "weights.json").read_bytes(),
        },
        "evaluated": {
            "results": b"0" + (BASE / "submission" / "eval_results.jsonl").read_bytes(),
            "sets": b'1{"demo/held_out": {"stamp": "a", "dataset_sha256": "sha256:0"}}',
            "environments": b'2{"dcenv1:0": {"python": "3.11"}}',
        },
        "shard_set": {"two": (BASE / "shards" / "shards.json").read_bytes()},
        "shard_index": {"two": _smaller(BASE / "shards" / "index.parquet")},
        "submission": _submissions(),
        "pool_record": {"one": _POOL_RECORD},
        "subset": {
            "three": _npy(uids(*sorted(uid(number) for number in range(3)))),
            "copies": _npy(uids(*sorted([uid(0), uid(0), uid(1)]))),
            "none": _npy(uids()),
            "raw": uids(*sorted(uid(number) for number in range(3))).tobytes(),
            "version2": _npy(uids(uid(0)), (2, 0)),
        },
        "tar": {name: small_tar(kind) for name, kind in (("ustar", "ustar"), ("gnu", "gnu"), ("pax", "pax"))},
        "eval_set": {
            "tar": b"0" + small_tar("eval"),
            "nshards": b"11\n",
            "classnames": b"2a\nb\nc\n",
            "templates": b"3a photo of a {c}\nno {c}\n",
            "type": b"4retrieval\n",
            "instances": b'5{"cue": "a", "candidates": ["b", "c"], "associations": ["c"]}\n',
        },
        "pool": {"plain": _pool(False), "dictionary": _pool(True)},
        "pool_added": {"plain": _pool(False)},
        "embeddings": {"l14_img": _npz(l14_img=np.ones((4, 2), np.float16))},
        "asset": {
            "matrix": b"0" + _npy(np.ones((2, 2), np.float32)),
            "ids": b"0" + _npy(np.arange(3)),
            "numbers": b"11\n-2\n30\n",
            "words": b"1cat\ndog\n",
        },
        "stored_values": {"text": b"0" + _values(scratch), "vectors": b"1" + _npy(np.ones((4, 2), np.float16))},
        "distribution": _distributions(scratch),
        "fasttext": {"small": small_model()},
        "image": _images(),
    }


def _recipes() -> dict[str, bytes]:
    found = {
        "example": b"SELECT uid FROM pool WHERE clip_l14 > q(0.7) AND lang='en' AND image_cluster IN imagenet_centroids"
    }
    for path in sorted((TESTS / "golden").glob("*.dcql")):
        found[path.stem] = path.read_bytes()
    digest = hashlib.sha256(b"cat\ndog\n").hexdigest()
    found["files"] = (
        f"IMPORT './part.dcql' AS part WITH keep = 0.2;\nSET words FROM 'words.txt' SHA256 '{digest}';\n"
        "SELECT uid FROM part WHERE text IN words OR uid IN part;\n"
    ).encode()
    return found


def _locks() -> list[Path]:
    return [path for path in sorted((TESTS / "lock" / "golden").glob("*.lock")) if path.stat().st_size < 10_000]


def _programs() -> dict[str, bytes]:
    from dcql.compiler import compile
    from dcql.lower import stored
    from dcql.source import Source
    from fuzz.texts import PROGRAM, SCHEMA

    return {"one": stored.encode(compile(Source("program", PROGRAM), SCHEMA).program).partition("\n")[2].encode()}


def _small_manifests() -> dict[str, bytes]:
    from dcql.subset import Subset

    stated: dict[str, Any] = {
        "hash": Subset.load(BASE / "run" / "subset.npy").hash,
        "distinct": 2,
        "total": 2,
        "pool": {"name": "p", "fingerprint": "dcpool1:0"},
        "recipe": {"name": "r", "text": "PARAM keep DEFAULT 0.3; SELECT uid FROM pool WHERE clip_l14 >= q(1 - keep)"},
        "parameters": {"keep": "3/10", "third": "1/3"},
        "thresholds": [
            {"name": "q1", "group": [], "value": 0.5, "hex": "0x1p-1", "n": 1, "nulls": 0, "k": 1, "ties": 1}
        ],
        "versions": {"dcql": "0.1.0", "semantics": 1, "duckdb": "2.0.0"},
        "effect": "exact",
    }
    return {"small": json.dumps(stated).encode()}


def _submissions() -> dict[str, bytes]:
    from dcql.submission import layout

    return {
        name: bytes([ord("0") + place]) + (BASE / "submission" / name).read_bytes()
        for place, name in enumerate(layout.REQUIRED)
    }


_POOL_RECORD = b"""\
version = 1
name = "pool"
source = "/nowhere"
fingerprint = "dcpool1:0"
physical = "dcphys1:0"
data = "v"
columns = [{ name = "uid", type = "TEXT" }, { name = "clip_l14_similarity_score", type = "FLOAT" }]

[[files]]
name = "0.parquet"
path = "/nowhere/0.parquet"
rows = 2
size = 100
footer = "00"
work = "k"
"""


# --- binary files -----------------------------------------------------------------------------------------------------


def small_tar(kind: str = "ustar") -> bytes:
    """Return a tar of two samples, of an evaluation's set for `eval`."""
    files: list[tuple[str, bytes]] = []
    for number in range(2):
        key = f"{number:05d}"
        if kind == "eval":
            numbers = _npy(np.array([number, 1]))
            files += [
                (f"{key}.webp", b"image"),
                (f"{key}.cls", b"1"),
                (f"{key}.npy", numbers),
                (f"{key}.txt", b"a\nb\n"),
            ]
        else:
            long = "x" * 120 if kind != "ustar" else ""
            files += [
                (f"{long}{name}", content[:40] if name.endswith("jpg") else content)
                for name, content in sample(key, number)
            ]
    written = io.BytesIO()
    formats = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    with tarfile.open(fileobj=written, mode="w", format=formats.get(kind, tarfile.USTAR_FORMAT)) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        end = tar.offset
    # Without the padding to a whole record.
    return written.getvalue()[: end + 1024]


@cache
def small_model() -> bytes:
    """Return a model of fastText's format 12: two words, two labels, vectors of two numbers, one bucket."""
    head = struct.pack("<ii", 793712314, 12) + struct.pack("<12id", 2, 5, 5, 1, 5, 1, 1, 3, 4, 2, 4, 100, 1e-4)
    entries = [("</s>", 9, 0), ("a", 5, 0), ("__label__en", 7, 1), ("__label__de", 3, 1)]
    dictionary = struct.pack("<3i2q", 4, 2, 2, 24, 1)
    dictionary += b"".join(word.encode() + b"\0" + struct.pack("<qb", count, kind) for word, count, kind in entries)
    dictionary += struct.pack("<2i", 3, 0)

    def quantiser(width: int, parts: int) -> bytes:
        return struct.pack("<4i", width, parts, width // parts, width // parts) + bytes(4 * width * 256)

    rows = struct.pack("<?", True) + struct.pack("<?qqi", True, 3, 2, 3) + bytes(3) + quantiser(2, 1)
    rows += bytes(3) + quantiser(1, 1)
    output = struct.pack("<?qq", False, 2, 2) + struct.pack("<4f", 1, 2, 3, 4)
    return head + dictionary + rows + output


def _npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, np.asarray(array), version)
    return written.getvalue()


def _npz(**arrays: Any) -> bytes:
    written = io.BytesIO()
    np.savez(written, **arrays)
    return written.getvalue()


def _parquet(table: Any, **options: Any) -> bytes:
    written = io.BytesIO()
    pq.write_table(table, written, **options)
    return written.getvalue()


def _smaller(path: Path) -> bytes:
    return _parquet(pq.read_table(path), compression="none")


def _pool(dictionary: bool) -> bytes:
    table = pa.table(
        {
            "uid": [uid(number) for number in range(4)],
            "text": ["a", None, "b", "c"],
            "clip_l14_similarity_score": pa.array([0.1, None, 0.3, 0.4], pa.float32()),
            "original_width": pa.array([1, 200, None, 400], pa.int64()),
        }
    )
    return _parquet(table, use_dictionary=dictionary, compression="none")


def _values(scratch: Path) -> bytes:
    counts = json.dumps({"rows": 4, "known": 3, "failed": 1})
    columns = {
        "value": pa.array(["en", None, "de", None]),
        "known": [True, True, True, False],
        "failure": pa.array([None, "no", None, None]),
        "margin": pa.array([0.5, None, 0.1, None], pa.float32()),
    }
    return _parquet(pa.table(columns).replace_schema_metadata({"dcql": counts}), compression="none")


def _distributions(scratch: Path) -> dict[str, bytes]:
    from dcql.engine.distribution import Distribution

    made = Distribution(np.float32)
    made.add(np.array([0.1, 0.2, np.nan], np.float32), 3)
    made.save(scratch / "one.npz")
    return {"values": (scratch / "one.npz").read_bytes()}


def _images() -> dict[str, bytes]:
    from PIL import Image

    found = {}
    for kind in ("png", "jpeg", "webp"):
        written = io.BytesIO()
        Image.new("RGB", (3, 2), (200, 10, 10)).save(written, kind)
        found[kind] = written.getvalue()
    return found


if __name__ == "__main__":
    write()
