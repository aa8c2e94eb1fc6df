"""Make the lists of sets/ from the packages that ship them; neither is installed.

    pip download --no-deps timm==1.0.31
    npm pack naughty-words@1.2.0
    python stdlib/build/lists.py timm-1.0.31-py3-none-any.whl naughty-words-1.2.0.tgz

imagenet21k.txt: the synsets of ImageNet-21k as offsets of WordNet 3.0, one whole number a line, sorted. timm's
imagenet21k_goog_synsets.txt is, byte for byte, the imagenet21k_wordnet_ids.txt that DataComp downloads. DataComp reads
a line `n00004475` as the number 4475, and so is it written here.

ldnoobw_en.txt: the English List of Dirty, Naughty, Obscene, and Otherwise Bad Words, one entry a line, in its order.
"""

import hashlib
import json
import sys
import tarfile
import zipfile
from pathlib import Path

SETS = Path(__file__).parent.parent / "sets"
SYNSETS = "timm/data/_info/imagenet21k_goog_synsets.txt"
PUBLISHED_SHA256 = "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2"
WORDS = "package/en.json"
WORDS_SHA256 = "93318918595948065b83050eb31910d369466401e215e44af6d2c7a71fae56f2"


def checked(content: bytes, sha256: str, name: str) -> bytes:
    """Return the content; raise ValueError where it is not the one that was promised."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ValueError(f"{name}: sha256 {actual}, expected {sha256}")
    return content


def imagenet21k(wheel: Path) -> list[str]:
    """Return the offsets, in ascending order."""
    with zipfile.ZipFile(wheel) as archive:
        lines = checked(archive.read(SYNSETS), PUBLISHED_SHA256, SYNSETS).decode("ascii").split()
    return [str(offset) for offset in sorted(int(line[1:]) for line in lines)]


def bad_words(package: Path) -> list[str]:
    """Return the entries, in the order of the package."""
    with tarfile.open(package) as archive:
        stream = archive.extractfile(WORDS)
        assert stream is not None
        entries: list[str] = json.loads(checked(stream.read(), WORDS_SHA256, WORDS))
    return entries


def main() -> None:
    timm, naughty_words = map(Path, sys.argv[1:])
    for name, lines in (("imagenet21k.txt", imagenet21k(timm)), ("ldnoobw_en.txt", bad_words(naughty_words))):
        content = "".join(f"{line}\n" for line in lines).encode("utf-8")
        (SETS / name).write_bytes(content)
        print(f"{name}: {len(lines):,} lines, {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
