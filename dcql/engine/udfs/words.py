"""Models that look captions up word by word: DataComp's text-based rule, and lists of words."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dcql.engine.udfs import wordnet
from dcql.engine.udfs.answers import Answers
from dcql.engine.udfs.captions import captions
from dcql.errors import Diagnostic, RunError

# A model remembers what it found for this many words, about 80 MB, if they are this short. The words that come up often
# come up early; one beyond is looked up each time, in microseconds.
REMEMBERED = 1 << 19
LONGEST_REMEMBERED = 64


class Remembered(dict[str, bool]):
    """word -> answer, asked of `answer` the first time that a word comes up."""

    def __init__(self, answer: Callable[[str], bool]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, word: str) -> bool:
        found = self._answer(word)
        if len(self) < REMEMBERED and len(word) <= LONGEST_REMEMBERED:
            self[word] = found
        return found


class AnySynset:
    """Whether some word of a caption has one of the synsets as its first.

    Words are what Python's `split` gives: "dog," is another word than "dog". `synsets` are offsets; the part of speech
    is not compared, so that a verb counts whose offset is that of a noun, as in DataComp.
    """

    def __init__(self, synsets: Iterable[int], first_synset: Callable[[str], int | None]) -> None:
        wanted = frozenset(synsets)
        self._wanted = Remembered(lambda word: first_synset(word) in wanted)

    def __call__(self, texts: Any) -> Answers:
        """Answer for n captions, text as a pyarrow array; NULL for NULL."""
        import pyarrow as pa

        read, failures = captions(texts)
        wanted = self._wanted.__getitem__
        found = [None if text is None else any(map(wanted, text.split())) for text in read]
        return Answers(pa.array(found, pa.bool_()), failures)


class WordList:
    """Whether a caption holds an entry of a list.

    Caption and entries are compared in lower case (`str.lower`), each run of white space as one blank. An entry is one
    word, several, or signs. It is held where the caption has the same characters and no word goes on beyond: a letter,
    digit, mark or underscore at an end of the entry has none of these beside it. So "ass" is not held by "glass" or
    "ass2", but by "ass-kicking". Scripts that do not part words, such as Chinese, have few such places.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._words: set[str] = set()
        self._signs: set[str] = set()
        self._phrases: dict[str, list[re.Pattern[str]]] = {}  # by the first word
        for entry in dict.fromkeys(map(_plain, entries)):
            words = _word().findall(entry)
            if words == [entry]:
                self._words.add(entry)
            elif words:
                self._phrases.setdefault(words[0], []).append(_bounded(entry))
            elif entry:
                self._signs.add(entry)

    def __call__(self, texts: Any) -> Answers:
        """Answer for n captions, text as a pyarrow array; NULL for NULL."""
        import pyarrow as pa

        read, failures = captions(texts)
        found = [None if text is None else self._holds(_plain(text)) for text in read]
        return Answers(pa.array(found, pa.bool_()), failures)

    def _holds(self, text: str) -> bool:
        words = set(_word().findall(text))
        if not words.isdisjoint(self._words):
            return True
        # An entry of several words can only be held where its first word is.
        begun = (self._phrases[word] for word in words & self._phrases.keys())
        if any(phrase.search(text) for phrases in begun for phrase in phrases):
            return True
        return any(sign in text for sign in self._signs)


def load_any_synset(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> AnySynset:
    """Return TEXT -> BOOL: some word's first synset in WordNet 3.0 is one of the asset's.

    The one asset is (n,) offsets, integers. `weights` is the table of WordNet 3.0, by default the one that comes with
    dcql; options are not used. Raises RunError for another asset or a damaged table.
    """
    offsets = _only("any_synset", assets)
    if not isinstance(offsets, np.ndarray) or offsets.ndim != 1 or offsets.dtype.kind not in "iu":
        raise _asset("any_synset", "give it offsets of synsets: one whole number a line", offsets)
    path = weights or wordnet.packaged_weights(wordnet.TABLE)
    assert path is not None
    return AnySynset(offsets.tolist(), wordnet.load(path).first_synset)


def load_word_list(*, weights: Path | None, assets: Mapping[str, Any], options: Mapping[str, Any]) -> WordList:
    """Return TEXT -> BOOL: the caption holds an entry of the asset, a file of text with one entry a line.

    `weights` and `options` are not used. Raises RunError for another asset.
    """
    entries = _only("word_list", assets)
    # A file of nothing but numbers comes as an array.
    if isinstance(entries, np.ndarray) and entries.ndim == 1 and entries.dtype.kind in "iu":
        entries = tuple(map(str, entries.tolist()))
    if not isinstance(entries, tuple):
        raise _asset("word_list", "give it a file of text, one entry a line", entries)
    return WordList(entries)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _bounded(entry: str) -> re.Pattern[str]:
    """Return what finds an entry where no word goes on beyond its ends."""
    one = _word().pattern.removesuffix("+")
    before = f"(?<!{one})" if _word().match(entry[0]) else ""
    after = f"(?!{one})" if _word().match(entry[-1]) else ""
    return re.compile(before + re.escape(entry) + after)


@cache
def _word() -> re.Pattern[str]:
    """Return what finds the words of a text: letters, digits and underscores, which re calls \\w, and marks.

    Marks are the vowel signs of Hindi, for instance, and accents that are characters of their own.
    """
    marks: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith("M"):
            if marks and marks[-1][1] == code - 1:
                marks[-1][1] = code
            else:
                marks.append([code, code])
    # As ranges: re tries single characters of a class one by one.
    ranges = "".join(f"{chr(first)}-{chr(last)}" for first, last in marks)
    return re.compile(f"[\\w{ranges}]+")


def _only(model: str, assets: Mapping[str, Any]) -> Any:
    if len(assets) != 1:
        raise RunError(Diagnostic("E0650", f"`{model}` takes one asset, not {len(assets)}"))
    return next(iter(assets.values()))


def _asset(model: str, wanted: str, given: Any) -> RunError:
    form = f"{given.dtype} in {given.ndim} dimensions" if isinstance(given, np.ndarray) else "text"
    return RunError(Diagnostic("E0650", f"`{model}` takes another asset", None, f"this one is {form}", (wanted,)))
