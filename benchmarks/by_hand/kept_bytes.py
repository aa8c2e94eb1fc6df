"""Read the kept samples alone from places known before, digest them, and write them: less than any resharder can do.

    kept_bytes.py SHARDS OUT

SHARDS is a folder of training shards. Each stretch of some 35 KB is read by one call into one buffer, as the scattered
samples of a pool have to be; what is written has the same bytes. A resharder must find the samples and name them too.
"""

import argparse
import hashlib
import os
from pathlib import Path

from isal.isal_zlib import crc32

STRETCH = 36 << 10  # bytes of a sample, headers included
BUFFER = 28  # samples that are digested and written at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir()
    view = memoryview(bytearray(BUFFER * STRETCH))
    for shard in sorted(arguments.shards.glob("*.tar")):
        digest = hashlib.sha256()
        size, at = shard.stat().st_size, 0
        with shard.open("rb", buffering=0) as source, (arguments.out / shard.name).open("wb", buffering=0) as target:
            while at < size:
                used = 0
                for _ in range(BUFFER):
                    here = view[used : used + STRETCH]
                    read = os.preadv(source.fileno(), [here], at)
                    crc32(here[:read])
                    used, at = used + read, at + read
                digest.update(view[:used])
                target.write(view[:used])
            os.fsync(target.fileno())
        digest.hexdigest()


if __name__ == "__main__":
    main()
