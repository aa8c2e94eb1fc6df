"""Write the tars of a synthetic pool, as img2dataset leaves them, and a run folder that keeps a share of it.

    python benchmarks/tars.py FOLDER [--tars 3] [--samples 10000] [--keep 0.3]

FOLDER/shards/*.tar have DataComp's shape: 10,000 samples each, members KEY.jpg, KEY.json, KEY.txt with the fields that
img2dataset writes, images of 35 KB on average (450 GB of 12.8M), here random bytes. FOLDER/run is a run folder. The
same arguments give the same bytes.
"""

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path

import numpy as np

from dcql.engine import folder
from dcql.subset import UID, Subset

MEAN_BYTES, SPREAD = 35_000, 0.6  # of images: lognormal


def write_tar(path: Path, number: int, samples: int) -> np.ndarray:
    """Write one tar; return its uids, (samples,) of dtype u8,u8."""
    random = np.random.default_rng([7, number])
    sizes = (random.lognormal(0, SPREAD, samples) / np.exp(SPREAD**2 / 2) * MEAN_BYTES).astype(int) + 200
    uids = np.frombuffer(random.bytes(16 * samples), UID)
    noise = random.bytes(int(sizes.max()) + samples)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for index, (size, (high, low)) in enumerate(zip(sizes.tolist(), uids.tolist(), strict=True)):
            key = f"{number:05d}{index:04d}"
            caption = f"a photo of thing {number} {index}, " + "with some words of alt text " * (index % 4)
            described = {
                "uid": f"{high:016x}{low:016x}",
                "caption": caption,
                "url": f"https://images.example.org/{high:x}/{index}.jpg",
                "key": key,
                "status": "success",
                "error_message": None,
                "width": 512,
                "height": 384,
                "original_width": 1024,
                "original_height": 768,
                "exif": "{}",
                "sha256": f"{low:016x}" * 4,
            }
            image, text = noise[index : index + size], json.dumps(described, indent=4).encode()
            for extension, content in (("jpg", image), ("json", text), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mtime, member.mode = len(content), 1_680_000_000, 0o444
                member.uname = member.gname = "bigdata"
                tar.addfile(member, io.BytesIO(content))
    return uids


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--tars", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000, help="of each tar")
    parser.add_argument("--keep", type=float, default=0.3, help="share of the samples that the subset keeps")
    arguments = parser.parse_args()
    shards = arguments.folder / "shards"
    shards.mkdir(parents=True)
    uids = np.concatenate(
        [write_tar(shards / f"{number:08d}.tar", number, arguments.samples) for number in range(arguments.tars)]
    )
    kept = np.random.default_rng(7).random(len(uids)) < arguments.keep
    subset = Subset.from_uids(uids[kept])
    manifest = {
        "hash": subset.hash,
        "pool": {"name": "synthetic", "fingerprint": "dcpool1:synthetic", "samples": len(uids)},
        "recipe": {"name": "synthetic"},
    }
    folder.write(arguments.folder / "run", subset, lambda: manifest)
    print(f"{len(uids):,} samples in {arguments.tars} tars, {subset.total:,} kept", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
