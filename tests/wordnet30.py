"""WordNet 3.0 as files that nltk's own reader opens, for an oracle.

The index files and the lists of exceptions are Princeton's, byte for byte, out of stdlib/build/wordnet30.tar.xz. nltk
opens a synset's line in a data file as well. The data files here hold no more of it than nltk needs: its offset and
one of its lemmas.
"""

import tarfile
import warnings
from pathlib import Path
from typing import Any

ARCHIVE = Path(__file__).parents[1] / "stdlib" / "build" / "wordnet30.tar.xz"
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
COPYRIGHT = b"  1 WordNet 3.0 Copyright 2006 by Princeton University.\n"  # where nltk finds the version
# nltk reads the table of lexicographer files first; no test asks what is in it.
LEXNAMES = "00\tnoun.Tops\t1\n"


def unpack(folder: Path) -> Path:
    """Write WordNet's files into a folder and return it."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (folder / "lexnames").write_text(LEXNAMES, encoding="ascii")
    for part, letter in PARTS.items():
        (folder / f"data.{part}").write_bytes(_data(folder / f"index.{part}", letter))
    return folder


def lemmas(folder: Path, part: str) -> list[str]:
    """Return the lemmas of an index file, in its order."""
    return [line.split()[0] for line in (folder / f"index.{part}").read_text().splitlines() if line[0] != " "]


def irregular(folder: Path, part: str) -> list[str]:
    """Return the forms of a list of exceptions."""
    return [line.split()[0] for line in (folder / f"{part}.exc").read_text().splitlines()]


def reader(folder: Path) -> Any:
    """Return nltk's reader. It must be nltk 3.8.1, which DataComp pins: a later morphy strips endings only once."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    assert nltk.__version__ == "3.8.1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses the languages other than English
        opened = WordNetCorpusReader(str(folder), None)
    assert opened.get_version() == "3.0"
    return opened


def first_synset(opened: Any, word: str) -> int | None:
    """Return what DataComp compares: the offset of the first of a word's synsets."""
    synsets = opened.synsets(word)
    return int(synsets[0].offset()) if synsets else None


def _data(index: Path, letter: str) -> bytes:
    lemmas: dict[int, str] = {}
    for line in index.read_text(encoding="ascii").splitlines():
        if line[0] != " ":
            words = line.split()
            lemmas |= dict.fromkeys(map(int, words[-int(words[2]) :]), words[0])
    content = bytearray(b"\n" * (max(lemmas) + 128))
    content[: len(COPYRIGHT)] = COPYRIGHT
    end = len(COPYRIGHT)
    for offset in sorted(lemmas):
        line = f"{offset:08d} 00 {letter} 01 {lemmas[offset]} 0 000 | \n".encode()
        assert offset >= end, "lines overlap"
        content[offset : offset + len(line)] = line
        end = offset + len(line)
    return bytes(content)
