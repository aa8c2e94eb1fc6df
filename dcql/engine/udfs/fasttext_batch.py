"""fastText's best label for many captions at once, in numpy, wherever that is certainly what fastText itself says.

A caption is the mean of the rows of its words and of their subwords, and of the end of the line (`FastText::predict`,
`Dictionary::getLine`, `Model::computeHidden`). A label's score is the sum of log(p + 1e-5) over the nodes on its path
through the tree, with p = sigmoid(w . mean) to the right and 1 - p to the left (`HierarchicalSoftmaxLoss::dfs`). The
sum over a word does not depend on the caption, so it is kept from one call to the next.

fastText and this module both round, in another order. What they round is bounded here, so a label counts only where
no other one comes near it; the rest is for whoever has the library.

**The bound.** u = 2^-24 is half a unit of float32. A sum whose terms pass through at most k roundings each is off by
less than k u (1 + k u) times the sum of their absolute values, in any order, with or without fused multiplication. A
caption has N rows and W words. On its way to the argument w . mean of a node, a term passes through at most N + 21
roundings in fastText and W + 20 here, where a word is summed in float64. Along the path of a label the absolute terms
sum to less than E, the mean of `weight` over the caption's rows, where weight(r) is the sum over d of |r_d| times the
largest sum of |w_d| over any path. log(sigmoid(x) + 1e-5) moves no more than x does. So if functions were exact, a
score would be off by (N + 21) u E in fastText and by (W + 20) u E here, and the difference of two scores by twice as
much.

The functions, exp and log within 4 units, add less than 16 u to each p, so 20 u / p + 100 u to each log. Over a path
of score s and depth D the sum of 1 / p is at most exp(-s) + D, so a score is off by 20 u (exp(-s) + D) + 100 u D
more: for s >= -6.5 and D <= 32 less than 0.0011, twice here and twice in fastText. Its search leaves out a branch
whose score is behind already, though a step may add up to 1e-5: D times that, and all of it is less than `_SLACK`.

A label whose score here is behind the best one's by more than the sum of these, `margin`, is behind in fastText too.
If it were not, its score there and here would be near the best one, so above -6.5, where the bound holds, and not so
far behind. Where the best score less the margin is below -6.5, nothing is certain.
"""

from collections.abc import Iterator
from itertools import pairwise, repeat
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dcql.arrays import indices, numbers, present, texts_of
from dcql.engine.udfs.fasttext_model import EOS, LABEL, FastTextModel

_ROUNDING = 1.02 * 2.0**-24  # u, and what (1 + k u) and rounding the bound itself add, up to k = 160,000
_MORE_ROUNDINGS = 50
_SLACK = 0.01
_LOWEST = -6.5
_DEEPEST = 32

_CAPTIONS, _CAPTION_BYTES, _BLOCK_BYTES = 4096, 16_384, 1 << 19  # at once; the last holds for all but the first caption
_SEARCHED = 512  # captions through the tree at once: their scores fit the second cache
_WORDS, _WORD_BYTES, _NEW_WORDS = 1 << 16, 256, 1024  # remembered; longest; summed at once

# What ends a word in `Dictionary::readWord`. A line break, which ends the line, is a blank for whoever asks.
_BLANKS = bytes(ord(" ") if byte in b" \n\r\t\v\f\0" else byte for byte in range(256))
_FNV_BASIS, _FNV_PRIME = 2166136261, 16777619


class FastTextBatch:
    """The best labels of captions by a model of fastText, where they are certain."""

    def __init__(self, model: FastTextModel) -> None:
        if len(model.tree.levels) > _DEEPEST:
            raise ValueError("not a model as lid.176.ftz is: a tree too deep")
        self._tree, self._nodes = model.tree, model.nodes
        self._labels = texts_of([*(label.encode() for label in model.labels), None])
        self._words = _Words(model, _path_weights(model))

    def __call__(self, texts: Any) -> Any:
        """Return the labels of n captions, a pyarrow array of text, as another one: NULL for NULL and where uncertain.

        A line break is a blank.
        """
        unknown = pa.nulls(len(texts), pa.string())
        if not isinstance(texts, pa.StringArray) or not len(texts):
            return unknown
        try:
            texts.validate(full=True)
        except pa.ArrowInvalid:
            return unknown
        usable = np.flatnonzero(present(texts) & (np.diff(_offsets(texts)) <= _CAPTION_BYTES))
        best = np.full(len(texts), len(self._labels) - 1)
        first = 0
        for block in _blocks(texts if len(usable) == len(texts) else texts.take(indices(usable))):
            best[usable[first : first + len(block)]] = self._block(block)
            first += len(block)
        return self._labels.take(indices(best))

    def _block(self, texts: Any) -> NDArray[np.int64]:
        """Return where in `_labels` the best label of each of n captions is, the NULL where it is not certain."""
        means, margin = self._words.means(texts)
        best = np.empty(len(texts), np.int64)
        for start in range(0, len(texts), _SEARCHED):
            part = slice(start, start + _SEARCHED)
            best[part] = self._search(means[part], margin[part])
        return best

    def _search(self, means: NDArray[np.float32], margin: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the same for (n, d) means and (n,) margins."""
        scores = self._scores(means)
        lowest = scores.max(axis=0) - margin
        labels, places = np.nonzero(scores >= lowest)
        best = np.empty(len(means), np.int64)
        best[places] = labels
        best[(np.bincount(places, minlength=len(means)) > 1) | (lowest < _LOWEST)] = len(self._labels) - 1
        return best

    def _scores(self, means: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (l, n), the score of every label for (n, d) means."""
        tree, inner = self._tree, len(self._nodes)
        steps = np.empty((2 * inner, len(means)), np.float32)
        left, right = steps[:inner], steps[inner:]
        with np.errstate(over="ignore"):  # exp(-x) is infinite where p is 0
            np.exp(-(self._nodes @ means.T), out=right)
        right += 1
        np.reciprocal(right, out=right)
        np.subtract(1, right, out=left)
        steps += 1e-5
        np.log(steps, out=steps)
        scores = np.zeros((len(tree.parents), len(means)), np.float32)
        for first, end in pairwise(tree.levels):
            np.add(scores[tree.parents[first:end]], steps[tree.steps[first:end]], out=scores[first:end])
        return scores[tree.leaves]


class _Words:
    """The sums over the rows of words, those of recent ones at hand."""

    def __init__(self, model: FastTextModel, path_weights: NDArray[np.float64]) -> None:
        self._model = model
        weight = np.abs(model.rows.astype(np.float64)) @ path_weights
        # (d + 1, r): the input matrix and the weight of each row, which the bound is made of.
        self._columns = np.vstack([model.rows.T, weight.astype(np.float32)])
        self._end = self._columns[:, model.words[EOS]]
        self._known: dict[str, int] = {}
        # (words, d + 2) float32: the sums of `_columns` over the rows of a word, and how many these are. A block has no
        # more words than that: after each there is a blank, but for the last one of a caption.
        self._sums = np.empty(
            (_WORDS + _CAPTIONS + (_BLOCK_BYTES + _CAPTION_BYTES) // 2, len(self._columns) + 1), np.float32
        )

    def means(self, texts: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the mean row of each of n captions as (n, d), and the margin that makes a label certain."""
        pieces = pc.split_pattern(_with_blanks(texts), " ")
        words = pieces.flatten().dictionary_encode()
        offsets = numbers(pieces.offsets)
        word_counts = np.diff(offsets)
        assert word_counts.min() > 0  # an empty caption is one empty word
        places = self._places(words.dictionary.to_pylist())
        sums = np.add.reduceat(self._sums.take(places[numbers(words.indices)], axis=0), offsets[:-1], axis=0)
        rows = sums[:, -1] + 1
        means = (sums[:, :-1] + self._end) / rows[:, None]
        margin = _SLACK + 2 * _ROUNDING * (rows + (word_counts + _MORE_ROUNDINGS)) * means[:, -1]
        return means[:, :-1], margin.astype(np.float32)

    def _places(self, words: list[str]) -> NDArray[np.int64]:
        """Return where in `_sums` each of these distinct words is."""
        if not 0 < len(self._known) <= _WORDS:
            self._known = {"": 0}
            self._sums[0] = 0
        places = np.fromiter(map(self._known.get, words, repeat(-1)), np.int64, len(words))
        missing = np.flatnonzero(places < 0)
        for start in range(0, len(missing), _NEW_WORDS):
            these = missing[start : start + _NEW_WORDS]
            new = [words[this] for this in these]
            given = range(len(self._known), len(self._known) + len(new))
            places[these] = given
            self._sums[given.start : given.stop] = self._sums_of(new)
            self._known.update(zip(new, given, strict=True))
        return places

    def _sums_of(self, words: list[str]) -> NDArray[np.float32]:
        """Return what `_sums` holds of some words: those that are no words to fastText, or long, weigh infinitely."""
        encoded = [b"<%b>" % word.encode() for word in words]
        odd = np.array([word == EOS or word.startswith(LABEL) for word in words])
        odd |= np.array([len(word) > _WORD_BYTES for word in encoded])
        encoded = [b"<>" if strange else word for word, strange in zip(encoded, odd.tolist(), strict=True)]
        owners, rows = self._subwords(encoded)
        whole = np.fromiter(map(self._model.words.get, words, repeat(-1)), np.int64, len(words))
        known = np.flatnonzero(whole >= 0)
        owners, rows = np.concatenate([owners, known]), np.concatenate([rows, whole[known]])
        sums = np.empty((len(words), len(self._columns) + 1), np.float32)
        for number, column in enumerate(self._columns):
            sums[:, number] = np.bincount(owners, column[rows], len(words))
        sums[:, -1] = np.bincount(owners, minlength=len(words))
        sums[odd] = 0
        sums[odd, -2] = np.inf
        return sums

    def _subwords(self, words: list[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the n-grams of characters of '<word>', and which word each belongs to.

        As `Dictionary::computeSubwords`, all start characters at once, hashed by FNV-1a with signed bytes.
        """
        text = np.frombuffer(b"".join(words), np.uint8)
        starts = np.flatnonzero((text & 0xC0) != 0x80)
        widths = np.diff(starts, append=len(text))
        owners = np.repeat(np.arange(len(words)), [len(word) for word in words])[starts]
        ends = np.cumsum(np.bincount(owners, minlength=len(words)))
        room = ends[owners] - np.arange(len(starts))  # characters from here to the end of the word
        signed = text.view(np.int8).astype(np.int32).view(np.uint32)
        here, hashes = np.arange(len(starts)), np.full(len(starts), _FNV_BASIS, np.uint32)
        found_owners, found_rows = [], []
        for length in range(1, self._model.max_n + 1):
            fits = room[here] >= length
            here, hashes = here[fits], hashes[fits]
            last = here + (length - 1)
            for byte in range(int(widths[last].max(initial=0))):
                wide = slice(None) if byte == 0 else np.flatnonzero(widths[last] > byte)
                hashes[wide] = (hashes[wide] ^ signed[starts[last[wide]] + byte]) * np.uint32(_FNV_PRIME)
            if length >= self._model.min_n:
                rows = self._model.ngrams[hashes % np.uint32(len(self._model.ngrams))]
                kept = np.flatnonzero(rows >= 0)
                found_owners.append(owners[here[kept]])
                found_rows.append(rows[kept])
        return np.concatenate(found_owners), np.concatenate(found_rows)


def _path_weights(model: FastTextModel) -> NDArray[np.float64]:
    """Return (d,): the largest sum of a column of |nodes| over the path of any label."""
    sums = np.zeros((len(model.tree.parents), model.nodes.shape[1]))
    steps = np.abs(model.nodes.astype(np.float64))[model.tree.steps % len(model.nodes)]
    for first, end in pairwise(model.tree.levels):
        sums[first:end] = sums[model.tree.parents[first:end]] + steps[first:end]
    weights: NDArray[np.float64] = sums[model.tree.leaves].max(axis=0)
    return weights


def _blocks(texts: Any) -> Iterator[Any]:
    """Cut captions into blocks of a limited number and size."""
    ends = _offsets(texts)[1:].astype(np.int64)
    start = 0
    while start < len(texts):
        end = int(np.searchsorted(ends, ends[start] + _BLOCK_BYTES, side="right"))
        end = min(end, start + _CAPTIONS)
        yield texts.slice(start, end - start)
        start = end


def _offsets(texts: Any) -> NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _with_blanks(texts: Any) -> Any:
    """Return captions with a blank for each byte that ends a word."""
    offsets = _offsets(texts)
    data = texts.buffers()[2]
    text = b"" if data is None else data.slice(offsets[0], offsets[-1] - offsets[0]).to_pybytes()
    moved = pa.py_buffer(offsets - offsets[0])
    return pa.StringArray.from_buffers(len(texts), moved, pa.py_buffer(text.translate(_BLANKS)))
