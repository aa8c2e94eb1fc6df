"""WordNet 3.0 as nltk 3.8.1 looks words up in it, from a table of first synsets; nltk itself is not needed.

nltk 3.8.1 is the version that DataComp pins. Later ones strip endings only once, and find nothing for "dogss".
"""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from dcql.errors import Diagnostic, RunError

WORDNET_SHA256 = "6d9dd5c868110603b997a09ce25689be1651b62d0527cc1487b3d051ba0ce4b6"
TABLE = "wordnet30.parquet"

# What morphy puts in the place of an ending, in the order in which it tries them.
_ENDINGS: tuple[tuple[tuple[str, str], ...], ...] = (
    (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    (),
)
# How much is cut off an ending such that another one can follow; a form on which no rule works any more counts for
# nothing here. At most one of a word's forms goes on, so a long word has one such chain.
_CHAINS: tuple[tuple[tuple[str, int], ...], ...] = (
    (("ses", 2), ("s", 1)),
    (("es", 2), ("s", 1), ("ed", 2), ("ing", 3)),
    (("er", 2), ("est", 3)),
    (),
)
_LONGEST_CUT = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of speech: the offset of each lemma's first synset, and the base forms of irregular forms."""

    offsets: dict[str, int]
    irregular: dict[str, tuple[str, ...]]
    endings: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...]  # the old of each ending
    chain: tuple[tuple[str, int], ...]
    longest: int  # of its lemmas, in characters

    def first_offset(self, word: str) -> int | None:
        """Return the offset that the first of morphy's forms of a lower-case word has, or None."""
        if word in self.offsets:
            return self.offsets[word]
        if word in self.irregular:
            return self._first(self.irregular[word])
        if len(word) > self.longest + _LONGEST_CUT:
            shorter = self._shortened(word)
            if shorter is None:
                return None
            word = shorter
        forms = [word]
        while forms:
            forms = [
                form[: -len(old)] + new
                for form in forms
                if form.endswith(self.replaced)
                for old, new in self.endings
                if form.endswith(old)
            ]
            found = self._first(forms)
            if found is not None:
                return found
        return None

    def _first(self, forms: tuple[str, ...] | list[str]) -> int | None:
        return next((self.offsets[form] for form in forms if form in self.offsets), None)

    def _shortened(self, word: str) -> str | None:
        """Strip endings off a word until its next form could be a lemma, or return None where none ever is.

        Strings are not copied on the way: a caption may be one word of megabytes.
        """
        end = len(word)
        while end > self.longest + _LONGEST_CUT:
            cut = next((cut for ending, cut in self.chain if word.endswith(ending, 0, end)), 0)
            if not cut:
                return None
            end -= cut
        return word[:end]


@dataclass(frozen=True, slots=True)
class WordNet:
    """The parts of speech in the order in which nltk looks: noun, verb, adjective, adverb."""

    parts: tuple[Part, ...]

    def first_synset(self, word: str) -> int | None:
        """Return the offset of `synsets(word)[0]`, or None where there is no synset.

        An offset tells a synset apart within its part of speech only; which part it was is not said, as in DataComp.
        """
        word = word.lower()
        for part in self.parts:
            offset = part.first_offset(word)
            if offset is not None:
                return offset
        return None


def first_synset(word: str) -> int | None:
    """Return the offset of the first synset of a word in WordNet 3.0, or None; the word's case does not matter.

    Raises RunError where the table of this installation is missing or damaged.
    """
    return _shipped().first_synset(word)


def packaged_weights(name: str) -> Path | None:
    """Return where dcql keeps the table, 'wordnet30.parquet'; None for any other name."""
    return Path(str(files("dcql.stdlib") / "sets" / TABLE)) if name == TABLE else None


def load(path: Path) -> WordNet:
    """Read the table that stdlib/build/wordnet.py makes. Raises RunError where it is missing or not that very file."""
    import pyarrow.parquet as pq

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != WORDNET_SHA256:
        raise _damaged(path, f"its SHA-256 is {digest}")
    columns = pq.read_table(io.BytesIO(content)).to_pydict()
    offsets: list[dict[str, int]] = [{} for _ in _ENDINGS]
    irregular: list[dict[str, tuple[str, ...]]] = [{} for _ in _ENDINGS]
    for pos, form, offset, words in zip(*(columns[name] for name in ("pos", "form", "offset", "bases")), strict=True):
        if offset is None:
            irregular[pos][form] = tuple(words.split())
        else:
            offsets[pos][form] = offset
    parts = [
        Part(of, bases, endings, tuple(old for old, _ in endings), chain, longest=max(map(len, of)))
        for of, bases, endings, chain in zip(offsets, irregular, _ENDINGS, _CHAINS, strict=True)
    ]
    return WordNet(tuple(parts))


@cache
def _shipped() -> WordNet:
    path = packaged_weights(TABLE)
    assert path is not None
    return load(path)


def _damaged(path: Path, reason: str) -> RunError:
    advice = f"use the {TABLE} that comes with dcql; if it is this one, install dcql again"
    return RunError(Diagnostic("E0643", f"`{path}` cannot be loaded as WordNet 3.0", None, reason, (advice,)))
