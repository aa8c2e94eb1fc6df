"""Read a quantised model of fastText, such as lid.176.ftz, into arrays.

The format and every constant are those of fastText's sources (version 12 of its files): `args.cc`, `dictionary.cc`,
`quantmatrix.cc`, `productquantizer.cc`, `densematrix.cc`, and `loss.cc` for the tree of the hierarchical softmax. The
ideas are in Joulin et al., "FastText.zip: Compressing text classification models" (2016).
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EOS = "</s>"  # a line break is this token
LABEL = "__label__"  # a token that begins so is a label, not a word

_MAGIC, _VERSION = 793712314, 12
_HIERARCHICAL_SOFTMAX, _SUPERVISED = 1, 3
_CENTROIDS = 256  # a code is a byte
_MOST = 1 << 28  # buckets, and numbers of a matrix: a hundred times those of lid.176.ftz
_INFINITE = 10**15  # the count of a node of the tree that is not there yet


@dataclass(frozen=True)
class Tree:
    """The Huffman tree of the labels, its nodes numbered level by level from the root, 2 l - 1 of them for l labels.

    `parents` is (2 l - 1,) int64; the root, node 0, is its own. `steps` is (2 l - 1,) int64: which step leads to the
    node, k for going left below inner node k, k + l - 1 for going right; 0 for the root. `levels` are the first node of
    each level below the root and, last, 2 l - 1. `leaves` is (l,) int64, the nodes of the labels.
    """

    parents: NDArray[np.int64]
    steps: NDArray[np.int64]
    levels: tuple[int, ...]
    leaves: NDArray[np.int64]


@dataclass(frozen=True)
class FastTextModel:
    """A supervised model with subwords, a quantised input matrix and hierarchical softmax.

    `words` gives the row of each word. `ngrams` is (buckets,) int32, the row of each hash, or -1 where it was pruned.
    `rows` is (r, d) float32, the input matrix. `labels` are l texts without prefix. `nodes` is (l - 1, d) float32, the
    output matrix: row k belongs to inner node k of `tree`.
    """

    words: dict[str, int]
    ngrams: NDArray[np.int32]
    min_n: int
    max_n: int
    rows: NDArray[np.float32]
    labels: tuple[str, ...]
    nodes: NDArray[np.float32]
    tree: Tree


class _Bytes:
    """A file's bytes from its beginning to its end. Raises ValueError for a piece that would go beyond."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def _take(self, size: int) -> int:
        start = self._place
        _require(0 <= size <= len(self._content) - start, "it is cut off")
        self._place += size
        return start

    def numbers(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack_from(f"<{layout}", self._content, self._take(struct.calcsize(f"<{layout}")))

    def array(self, kind: str, count: int) -> NDArray[Any]:
        start = self._take(count * np.dtype(kind).itemsize)
        return np.frombuffer(self._content, np.dtype(kind), count, start)

    def text(self) -> str:
        end = self._content.find(b"\0", self._place)
        _require(end >= 0, "it is cut off")
        found = self._content[self._place : end].decode()
        self._place = end + 1
        return found

    def at_end(self) -> bool:
        return self._place == len(self._content)


def read_model(content: bytes) -> FastTextModel:
    """Return the model in the bytes of a file whose digest is known.

    Raises ValueError for a model of another kind.
    """
    file = _Bytes(content)
    _require(file.numbers("ii") == (_MAGIC, _VERSION), "another format")
    dim, _, _, _, _, word_ngrams, loss, kind, buckets, min_n, max_n, _, _ = file.numbers("12id")
    _require(loss == _HIERARCHICAL_SOFTMAX and kind == _SUPERVISED, "another loss or task")
    _require(word_ngrams == 1 and 2 <= min_n <= max_n, "n-grams of words, or subwords of one character")
    _require(dim > 0 and 0 <= buckets <= _MOST, "sizes beyond measure")

    size, word_count, label_count, _, pruned = file.numbers("3i2q")
    _require(pruned >= 0 and word_count + label_count == size, "a dictionary that is not pruned")
    _require(word_count > 0 and label_count > 0, "no words, or no labels")
    entries = [(file.text(), *file.numbers("qb")) for _ in range(size)]
    _require(all(kind == (number >= word_count) for number, (_, _, kind) in enumerate(entries)), "labels among words")
    ngrams = np.full(buckets, -1, np.int32)
    pairs = file.array("<i4", 2 * pruned).reshape(-1, 2)
    _require(not pruned or (pairs[:, 0].min() >= 0 and pairs[:, 0].max() < buckets), "n-grams in no bucket")
    ngrams[pairs[:, 0]] = pairs[:, 1] + word_count

    _require(file.numbers("?") == (True,), "an input matrix that is not quantised")
    rows = _quantised(file)
    _require(file.numbers("?") == (False,), "a quantised output matrix")
    height, width = file.numbers("qq")
    _require((height, width) == (label_count, dim) and rows.shape[1] == dim, "other sizes")
    output = file.array("<f4", height * width).reshape(height, width)
    _require(file.at_end(), "other sizes")
    beyond = len(rows) - word_count
    _require(not pruned or (pairs[:, 1].min() >= 0 and pairs[:, 1].max() < beyond), "n-grams without a row")

    counts = [count for _, count, _ in entries[word_count:]]
    _require(min(counts) >= 0 and sum(counts) < _INFINITE, "labels that are counted beyond measure")
    order, tree = _tree(counts)
    words = {word: number for number, (word, _, _) in enumerate(entries[:word_count])}
    _require(len(words) == word_count and EOS in words, "words twice, or no end of line")
    return FastTextModel(
        words,
        ngrams,
        min_n,
        max_n,
        rows,
        tuple(label.removeprefix(LABEL) for label, _, _ in entries[word_count:]),
        output[order],
        tree,
    )


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(f"not a model as lid.176.ftz is: {otherwise}")


def _quantised(file: _Bytes) -> NDArray[np.float32]:
    """Return a matrix of `quantmatrix.cc` in full: row i is its norm times one centroid of each part, side by side."""
    (with_norms,) = file.numbers("?")
    height, width, codes_size = file.numbers("qqi")
    codes = file.array("u1", codes_size)
    centroids = _centroids(file, width)
    parts = len(centroids)
    _require(height > 0 and codes_size == height * parts, "parts of unlike length")
    _require(height * width <= _MOST, "sizes beyond measure")
    codes = codes.reshape(height, parts)
    rows = centroids[np.arange(parts), codes].reshape(height, width)
    if with_norms:
        which = file.array("u1", height)
        rows = rows * _centroids(file, 1)[0, which]
    return np.ascontiguousarray(rows, np.float32)


def _centroids(file: _Bytes, width: int) -> NDArray[np.float32]:
    """Return the centroids of a product quantiser as (parts, 256, values a part)."""
    dim, parts, part, last = file.numbers("4i")
    _require(dim == width == parts * part and part == last and part > 0, "parts of unlike length")
    return file.array("<f4", dim * _CENTROIDS).reshape(parts, _CENTROIDS, part)


def _tree(counts: list[int]) -> tuple[NDArray[np.int64], Tree]:
    """Build the tree as `HierarchicalSoftmaxLoss::buildTree` does, from the counts of l labels, largest first.

    Returns (l - 1,) int64, which row of the output matrix belongs to each inner node, and the tree.
    """
    total = len(counts)
    count = counts + [_INFINITE] * (total - 1)
    children: list[tuple[int, int]] = []
    leaf, inner = total - 1, total
    for made in range(total, 2 * total - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and count[leaf] < count[inner]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(inner)
                inner += 1
        children.append((pair[0], pair[1]))
        count[made] = count[pair[0]] + count[pair[1]]

    # Level by level from the root; a node of the file is a label below `total`, else an inner one.
    parents, steps, leaves = [0], [0], [0] * total
    levels: list[int] = []
    order: list[int] = []
    level = [2 * total - 2]
    while level:
        below: list[int] = []
        for number, node in enumerate(level, len(parents) - len(level)):
            if node < total:
                leaves[node] = number
                continue
            below += children[node - total]
            parents += [number, number]
            steps += [len(order), len(order) + total - 1]
            order.append(node - total)
        levels.append(len(parents) - len(below))
        level = below
    return np.array(order), Tree(np.array(parents), np.array(steps), tuple(levels), np.array(leaves))
