"""Lengths of texts, counted many at a time: exactly what the functions of `catalog.lengths` say of each."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dcql.catalog.lengths import LENGTHS, length_name
from dcql.engine.scalars import decoded

# Bytes that are looked at together: what is made of them stays in the cache.
_PIECE = 1 << 17
_SPACE, _BREAK = 0x20, 0x0A
# In UTF-8, what Python's str.split() takes for white space beyond ASCII, by its first byte. No other character has the
# bytes of one of them within it, for a first byte is never a later one.
_WIDE = {
    0xC2: ("\x85", "\xa0"),
    0xE1: ("\u1680",),
    0xE2: (*map(chr, range(0x2000, 0x200B)), "\u2028", "\u2029", "\u202f", "\u205f"),
    0xE3: ("\u3000",),
}


def lengths_schema(columns: tuple[str, ...]) -> Any:
    """Return the arrow schema of the lengths of columns."""
    return pa.schema([(length_name(function, column), pa.uint32()) for column in columns for function in LENGTHS])


def lengths(texts: Any, column: str) -> dict[str, Any]:
    """Return the lengths of a pyarrow array of texts in UTF-8, by their names: uint32 arrays, NULL where a text is."""
    array = decoded(texts)
    if not pa.types.is_large_string(array.type):
        array = array.cast(pa.large_string())
    python, fasttext = _words(array)
    missing = pc.is_null(array).to_numpy(zero_copy_only=False) if array.null_count else None
    found = {
        "code_points": pc.utf8_length(array).cast(pa.uint32()),
        "python_words": pa.array(python, mask=missing),
        "fasttext_words": pa.array(fasttext, mask=missing),
    }
    return {length_name(function, column): found[function] for function in LENGTHS}


def _words(array: Any) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return Python's and fastText's number of words of each text, (n,); anything where it is NULL."""
    rows = len(array)
    python, fasttext = np.zeros(rows, np.uint32), np.zeros(rows, np.uint32)
    _, offsets, data = array.buffers()
    edges = np.frombuffer(offsets, np.int64, rows + 1, 8 * array.offset) if rows else np.zeros(1, np.int64)
    if edges[0] == edges[-1]:
        return python, fasttext
    content = np.frombuffer(data, np.uint8)
    # A text without a byte has no word, and no place where sums over bytes could begin.
    filled = np.flatnonzero(edges[:-1] < edges[1:])
    starts = edges[filled]
    cuts = np.searchsorted(starts, np.arange(starts[0], edges[-1], _PIECE))
    for first, last in zip(cuts, [*cuts[1:], len(filled)], strict=True):
        if first == last:
            continue  # a text that is longer than a piece
        end = starts[last] if last < len(filled) else edges[-1]
        piece, begins = content[starts[first] : end], starts[first:last] - starts[first]
        both = filled[first:last]
        python[both], fasttext[both] = _words_of(piece, begins)
    return python, fasttext


def _words_of(piece: NDArray[np.uint8], begins: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return both numbers of words of texts that lie one after the other in `piece` and begin at `begins`."""
    space = piece == _SPACE
    control = piece < _SPACE
    wide = _wide_spaces(piece)
    if not len(wide) and not control.any():
        words = _runs(space, begins)
        return words, words
    common = space | ((piece >= 0x09) & (piece <= 0x0D))
    python = common | ((piece >= 0x1C) & (piece < _SPACE))
    python[wide] = True
    # fastText: every line break is a token of its own.
    breaks = np.add.reduceat(piece == _BREAK, begins, dtype=np.uint32)
    return _runs(python, begins), _runs(common | (piece == 0), begins) + breaks


def _wide_spaces(piece: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the positions of the bytes of white space beyond ASCII, in any order."""
    leading = (piece == 0xC2) | ((piece >= 0xE1) & (piece <= 0xE3))
    if not leading.any():
        return np.empty(0, np.int64)
    at = np.flatnonzero(leading)
    found = [np.empty(0, np.int64)]
    for first, spaces in _WIDE.items():
        here = at[piece[at] == first]
        for encoded in (space.encode() for space in spaces):
            # What a NULL stands on may end within a character.
            same = here[here + len(encoded) <= len(piece)]
            for place, byte in enumerate(encoded[1:], 1):
                same = same[piece[same + place] == byte]
            found += [same + place for place in range(len(encoded))]
    return np.concatenate(found)


def _runs(separators: NDArray[np.bool_], begins: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Count the runs of bytes that are no separators, in each text."""
    starts = np.empty(len(separators), np.bool_)
    np.greater(separators[:-1], separators[1:], out=starts[1:])
    starts[begins] = ~separators[begins]
    return np.add.reduceat(starts, begins, dtype=np.uint32)
