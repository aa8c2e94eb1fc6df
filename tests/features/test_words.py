"""The text-based rule and lists of words."""

import hashlib
import random
from pathlib import Path
from typing import Any

import dcql.demo
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from wordnet30 import first_synset, reader, unpack

from dcql.engine.udfs import words
from dcql.engine.udfs.answers import Model

SETS = Path(__file__).parents[2] / "stdlib" / "sets"
DEMO = Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet"
DOG, GOOSE = 2084071, 1855672


@pytest.fixture(scope="module")
def nltk_reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return reader(unpack(tmp_path_factory.mktemp("wordnet")))


def said(model: Model, captions: list[str | None]) -> list[bool | None]:
    """Return what a model says of captions; it must fail on none."""
    answers = model(pa.array(captions, pa.string()))
    assert answers.values.type == pa.bool_()
    assert not answers.failures
    values: list[bool | None] = answers.values.to_pylist()
    return values


def any_synset(offsets: list[int]) -> words.AnySynset:
    return words.load_any_synset(weights=None, assets={"synsets": np.array(offsets, np.int64)}, options={})


def word_list(*entries: str) -> words.WordList:
    return words.load_word_list(weights=None, assets={"words": entries}, options={})


def imagenet21k() -> list[int]:
    return [int(line) for line in (SETS / "imagenet21k.txt").read_text(encoding="ascii").splitlines()]


@pytest.mark.parametrize(
    ("caption", "held"),
    [
        ("a dog", True),
        ("A DOG", True),
        ("two Dogs", True),
        ("dog, cat", False),
        ("(dog)", False),
        ("dog\u3000cat", True),
        ("dog\u00a0cat", True),
        ("dog\ncat", True),
        ("dog\x1ccat", True),
        ("dog\u200bcat", False),
        ("hotdog", False),
        ("dog's", False),
        ("geese", True),
        ("", False),
        (" \n", False),
    ],
)
def test_captions(caption: str, held: bool) -> None:
    assert said(any_synset([DOG, GOOSE]), [caption]) == [held]


def test_null_is_null() -> None:
    assert said(any_synset([DOG]), [None, "dog", None, ""]) == [None, True, None, False]
    assert said(any_synset([DOG]), []) == []


def test_only_the_first_synset_counts(nltk_reader: Any) -> None:
    first, second = (synset.offset() for synset in nltk_reader.synsets("bank")[:2])
    assert said(any_synset([first]), ["a bank"]) == [True]
    assert said(any_synset([second]), ["a bank"]) == [False]


def test_a_verb_counts_by_the_number_of_a_noun(nltk_reader: Any) -> None:
    wanted = set(imagenet21k())
    nouns = {offset for by_part in nltk_reader._lemma_pos_offset_map.values() for offset in by_part.get("n", [])}
    assert wanted <= nouns
    others = [lemma for lemma, by_part in nltk_reader._lemma_pos_offset_map.items() if "n" not in by_part]
    hits = [lemma for lemma in others if first_synset(nltk_reader, lemma) in wanted]
    assert len(hits) > 10
    assert said(any_synset(imagenet21k()), [*hits]) == [True] * len(hits)


def test_captions_of_the_demo_pool_as_datacomp_does_it(nltk_reader: Any) -> None:
    wanted = imagenet21k()
    captions = random.Random(0).sample(pq.read_table(DEMO)["text"].to_pylist(), 1_500)
    expected = [any(first_synset(nltk_reader, word) in wanted for word in caption.split()) for caption in captions]
    assert said(any_synset(wanted), [*captions]) == expected
    assert 100 < sum(expected) < 1_400


def test_a_word_is_looked_up_once() -> None:
    asked: list[str] = []

    def look_up(word: str) -> int:
        asked.append(word)
        return DOG if word == "dog" else 0

    model = words.AnySynset([DOG], look_up)
    vocabulary = [f"word{number}" for number in range(50)]
    captions = [" ".join(random.Random(row).choices(vocabulary, k=12)) for row in range(400)]
    for start in range(0, 400, 100):
        assert said(model, [*captions[start : start + 100]]) == [False] * 100
    assert sorted(asked) == sorted({word for caption in captions for word in caption.split()})
    # A hit ends a caption: the words behind it are not asked for.
    assert said(model, ["dog new", "dog newer"]) == [True, True]
    assert asked[len(set(asked)) - 1 :] == ["dog"]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "REMEMBERED", 10)
    asked: list[str] = []
    remembered = words.Remembered(lambda word: not asked.append(word))
    texts = [f"word{number}" for number in range(30)]
    assert all(remembered[word] for word in texts * 2)
    assert len(remembered) == 10
    assert asked == texts + texts[10:]
    assert words.Remembered(len)["x" * 65] == 65  # type: ignore[arg-type]
    long = words.Remembered(bool)
    assert long["x" * 65]
    assert not long


def test_imagenet21k_is_the_published_list() -> None:
    offsets = imagenet21k()
    assert len(offsets) == 21_843
    assert offsets == sorted(set(offsets))
    published = "".join(f"n{offset:08d}\n" for offset in offsets).encode("ascii")
    digest = hashlib.sha256(published).hexdigest()
    assert digest == "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2"


@pytest.mark.parametrize(
    ("entry", "caption", "held"),
    [
        ("ass", "an ass", True),
        ("ass", "An ASS!", True),
        ("Ass", "an ass", True),
        ("ass", "glass", False),
        ("ass", "assess", False),
        ("ass", "ass2", False),
        ("ass", "ass_x", False),
        ("ass", "ass-kicking", True),
        ("ass", "(ass)", True),
        ("ass", "a\u00a0ass\u3000b", True),
        ("ass", "ass\u0301", False),
        ("hot dog", "a hot dog", True),
        ("hot dog", "a HOT \n dog.", True),
        ("hot   dog", "a hot dog", True),
        ("hot dog", "a hot dogs", False),
        ("hot dog", "shot dog", False),
        ("hot dog", "hot, dog", False),
        ("hot dog", "hot dogs, hot dog", True),
        ("s&m", "a S&M b", True),
        ("s&m", "sizes s m l", False),
        ("s&m", "gas&m", False),
        ("g-spot", "the G-Spot", True),
        ("g-spot", "the g-spots", False),
        ("@home", "me@home", True),
        ("@home", "me@homes", False),
        ("c++", "C++11", True),
        ("c++", "ac++", False),
        ("🖕", "a🖕🏽b", True),
        ("🖕", "a b", False),
        ("naïve", "NAÏVE art", True),
        ("हिन्दी", "यह हिन्दी है", True),
        ("हिन्द", "यह हिन्दी है", False),
        ("straße", "STRASSE", False),
        ("a.b", "axb", False),
        ("", "anything", False),
        ("  ", "any thing", False),
        ("x", "", False),
    ],
)
def test_entries(entry: str, caption: str, held: bool) -> None:
    assert said(word_list(entry), [caption]) == [held]
    assert said(word_list("zzz", entry, "yyy yyy"), [caption]) == [held]


def test_any_entry_will_do() -> None:
    model = word_list("red", "hot dog", "hot potato", "🖕")
    captions: list[str | None] = ["red", "a hot potato", "a hot dog", "hot", "🖕", "redder", None]
    assert said(model, captions) == [True, True, True, False, True, False, None]


def test_a_list_of_numbers() -> None:
    model = words.load_word_list(weights=None, assets={"words": np.array([18, 21])}, options={})
    assert said(model, ["over 18", "18+", "2118"]) == [True, True, False]


def test_an_empty_list_holds_nothing() -> None:
    assert said(word_list(), ["", "a", None]) == [False, False, None]


def test_the_list_that_is_shipped() -> None:
    entries = (SETS / "ldnoobw_en.txt").read_text(encoding="utf-8").splitlines()
    assert len(entries) == len(set(entries)) == 403
    model = word_list(*entries)
    assert said(model, [*entries]) == [True] * 403
    assert said(model, ["a photo of a dog in the grass", "classic cocktail glasses"]) == [False, False]


def test_captions_against_a_slow_search() -> None:
    """An oracle that tries each place of each entry, on random captions of few characters."""
    rng = random.Random(0)

    def part_of_word(sign: str) -> bool:
        return sign.isalnum() or sign in "_\u0301"

    def held(caption: str, entry: str) -> bool:
        caption, entry = (" ".join(text.lower().split()) for text in (caption, entry))
        for at in range(len(caption) - len(entry) + 1 if entry else 0):
            end = at + len(entry)
            goes_on_before = at > 0 and part_of_word(caption[at - 1]) and part_of_word(entry[0])
            goes_on_after = end < len(caption) and part_of_word(caption[end]) and part_of_word(entry[-1])
            if caption[at:end] == entry and not goes_on_before and not goes_on_after:
                return True
        return False

    def text(longest: int) -> str:
        return "".join(rng.choices("abAB  -_\u0301é\n", k=rng.randint(0, longest)))

    outcomes = []
    for _ in range(400):
        entries = [text(4) for _ in range(rng.randint(0, 4))]
        captions = [text(12) for _ in range(10)]
        expected = [any(held(caption, entry) for entry in entries) for caption in captions]
        assert said(word_list(*entries), [*captions]) == expected, (entries, captions)
        outcomes += expected
    assert 0.05 < np.mean(outcomes) < 0.95


def test_a_caption_that_is_not_utf8() -> None:
    pieces = [b"dog", b"\xff dog"]
    offsets = pa.array([0, 3, 8], pa.int32())
    texts = pa.StringArray.from_buffers(2, offsets.buffers()[1], pa.py_buffer(b"".join(pieces)))
    models: list[Any] = [any_synset([DOG]), word_list("dog")]
    for model in models:
        answers = model(texts)
        assert answers.values.to_pylist() == [True, None]
        assert answers.failures == {1: "the caption is not UTF-8"}
