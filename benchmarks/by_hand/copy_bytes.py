"""Read all bytes of a pool's tars once and write a share of them: the yardstick of a reshard.

    copy_bytes.py TARS OUT --bytes N

Nothing is parsed: of each tar the first bytes are written, in proportion, N of them in all, into one file a tar.
"""

import argparse
import os
from pathlib import Path

BLOCK = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tars", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--bytes", type=int, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir()
    tars = sorted(arguments.tars.glob("*.tar"))
    total = sum(tar.stat().st_size for tar in tars)
    buffer = memoryview(bytearray(BLOCK))
    for tar in tars:
        left = arguments.bytes * tar.stat().st_size // total
        with tar.open("rb", buffering=0) as source, (arguments.out / tar.name).open("wb", buffering=0) as target:
            while size := source.readinto(buffer):
                left -= target.write(buffer[: min(size, left)]) if left else 0
            os.fsync(target.fileno())


if __name__ == "__main__":
    main()
