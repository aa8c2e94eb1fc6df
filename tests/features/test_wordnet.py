"""first_synset against nltk's own reader of WordNet, and the table against the files that it was made from."""

import importlib.util
import random
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wordnet30 import PARTS, first_synset, irregular, lemmas, reader, unpack

from dcql.engine.udfs import wordnet

ROOT = Path(__file__).parents[2]
ENDINGS = ("s", "es", "ses", "sses", "ss", "ves", "xes", "zes", "ches", "shes", "men", "ies", "ed", "ing", "er", "est")
ODD = """\
dog dogs dog, dog. "dog DOG Dog dOgS dogss dogses geese axes better best oxen aboideaux feet women firemen walking
walked walks sharper sharpest happier quickly x-ray X-Ray New_York new_york n't 's 'hood .22 2 1000 2d 3-d 24/7 - -- _ s
es ed ing er est men ies a I the is was were been has had does went ate saw saws left lay lying axis matrices data media
naïve café cafes ﬁsh Ｄog İstanbul ß STRASSE ſ K Å ΣΑΣ ὈΔΥΣΣΕΎΣ 犬 собака 🐕 dog🐕
dog\u200b \u00addog dog\u0301 physics glasses
scissors news gas gases gasses bus buses busses abysses basis bases menses amen omen women's dogs' jack-o'-lantern
bring sing ring singing ringing king ed's red redder reddest ered ester bester inging eded eses sesesses
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("wordnet"))


@pytest.fixture(scope="module")
def nltk_reader(files: Path) -> Any:
    return reader(files)


def disagreements(nltk_reader: Any, words: list[str]) -> dict[str, tuple[int | None, int | None]]:
    """Return word -> what dcql and what nltk says, where they differ."""
    both = {word: (wordnet.first_synset(word), first_synset(nltk_reader, word)) for word in words}
    return {word: (ours, theirs) for word, (ours, theirs) in both.items() if ours != theirs}


def build() -> ModuleType:
    """Import the script that makes the table."""
    spec = importlib.util.spec_from_file_location("wordnet_build", ROOT / "stdlib" / "build" / "wordnet.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_words_of_which_the_offset_is_known() -> None:
    # ImageNet's classes n02084071 dog, n01855672 goose, n02958343 car; 2084071 has no part of speech in it.
    assert [wordnet.first_synset(word) for word in ("dog", "Geese", "cars")] == [2084071, 1855672, 2958343]
    assert [wordnet.first_synset(word) for word in ("dog,", "", "the", "犬")] == [None, None, None, None]


def test_odd_words(nltk_reader: Any) -> None:
    words = ["", " ", "\0", "dog\n", "ice cream", "ice_cream", "\u3000", *re.split(r"[ \n]", ODD)]
    assert disagreements(nltk_reader, words) == {}
    assert sum(wordnet.first_synset(word) is not None for word in words) > 80


@pytest.mark.parametrize("part", PARTS)
def test_every_irregular_form(files: Path, nltk_reader: Any, part: str) -> None:
    assert disagreements(nltk_reader, irregular(files, part)) == {}


@pytest.mark.parametrize("part", PARTS)
def test_lemmas_and_their_forms(files: Path, nltk_reader: Any, part: str) -> None:
    chosen = random.Random(part).sample(lemmas(files, part), 250)
    forms = [lemma + ending for lemma in chosen for ending in ENDINGS]
    shorter = [lemma[:-1] + ending for lemma in chosen for ending in ENDINGS]
    written = [change(lemma) for lemma in chosen for change in (str.upper, str.title, lambda word: word + ",")]
    assert disagreements(nltk_reader, [*chosen, *forms, *shorter, *written]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_lemma(files: Path, nltk_reader: Any, part: str) -> None:
    assert disagreements(nltk_reader, lemmas(files, part)) == {}


@given(
    st.sampled_from(["", "dog", "walk", "small", "gas", "box", "wolf", "woman", "fly", "church", "fine", "sing"]),
    st.lists(st.sampled_from(ENDINGS), max_size=6),
    st.integers(0, 3),
)
def test_words_with_many_endings(nltk_reader: Any, stem: str, endings: list[str], cut: int) -> None:
    word = stem[: len(stem) - cut] + "".join(endings)
    assert disagreements(nltk_reader, [word]) == {}


def test_words_longer_than_any_lemma(files: Path, nltk_reader: Any) -> None:
    longest = {part: max(map(len, lemmas(files, part))) for part in PARTS}
    assert longest["noun"] == 71
    stems = ("dog", "walk", "small", "gas", "box", "gases", "firemen", "zq", "")
    words = [
        stem + between + ending * ((length - len(stem)) // len(ending))
        for stem in stems
        for between in ("", "e", "men", "ie", "x")
        for ending in ("s", "es", "ses", "ed", "ing", "er", "est")
        for length in (20, *range(66, 82), 150)
    ]
    # Forms of the longest lemmas are the longest words with a synset that repeats nothing.
    for part in PARTS:
        ends = sorted(lemmas(files, part), key=len)[-5:]
        words += [
            lemma + ending + more for lemma in ends for ending in ("", *ENDINGS) for more in ("", "s", "ed", "est")
        ]
    assert disagreements(nltk_reader, words) == {}
    assert wordnet.first_synset("dog" + "s" * 10_000) == 2084071
    assert wordnet.first_synset("x" * 10_000) is None


def test_the_table_is_what_its_script_makes() -> None:
    path = wordnet.packaged_weights(wordnet.TABLE)
    assert path is not None
    assert path.stat().st_size < 3_000_000
    assert pq.read_table(path).equals(build().table())


def test_other_names_are_not_the_table() -> None:
    assert wordnet.packaged_weights("wordnet31.parquet") is None
