"""The SHA-256 tree behind the hashes of subsets, pools and features (SEMANTICS §5)."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASH_BITS = 12

Words = NDArray[np.uint64]


class MerkleTree:
    """A SHA-256 tree over 2^12 leaves, one for each value of the uid's first 12 bits (SEMANTICS §5).

    It is fed with records of one width in the order of their uids, in pieces of any size, and holds digests only.
    """

    def __init__(self, domain: bytes) -> None:
        self._tag = domain + b"\0"
        self._empty = hashlib.sha256(self._tag + b"\0").digest()
        self._leaves = [self._empty] * 2**HASH_BITS
        self._open: tuple[int, Any] | None = None

    def update(self, high: Words, records: NDArray[Any]) -> None:
        """Append `records`, (n, ..) contiguous, of the uids that begin with `high`, (n,) uint64 ascending."""
        if len(high):
            first, edges = leaf_edges(high)
            self.update_leaves(first, edges, records)

    def update_leaves(self, first: int, edges: NDArray[np.intp], records: NDArray[Any]) -> None:
        """Append `records`, (n, ..) contiguous, of leaf `first` and those after it; each begins at one of `edges`."""
        if not len(records):
            return
        data = records.view(np.uint8).reshape(-1).data
        width = records.nbytes // len(records)
        ends = (edges * width).tolist()
        for leaf, start, end in zip(range(first, first + len(ends) + 1), [0, *ends], [*ends, len(data)], strict=True):
            if start < end:
                self._hash_of(leaf).update(data[start:end])

    def _hash_of(self, leaf: int) -> Any:
        if self._open is None or self._open[0] != leaf:
            if self._open is not None and self._open[0] > leaf:
                raise ValueError("records come in the order of their uids")
            self._close()
            self._open = (leaf, hashlib.sha256(self._tag + b"\0"))
        return self._open[1]

    def _close(self) -> None:
        if self._open is not None:
            self._leaves[self._open[0]] = self._open[1].digest()

    def seal(self, header: bytes) -> bytes:
        """Return the digest of the whole tree, bound to `header`; nothing may follow."""
        self._close()
        level, empty = self._leaves, self._empty
        inner = self._tag + b"\1"
        while len(level) > 1:
            # Of a small set most nodes have nothing below them.
            below, empty = empty, hashlib.sha256(inner + empty + empty).digest()
            level = [
                empty if left is below and right is below else hashlib.sha256(inner + left + right).digest()
                for left, right in zip(level[::2], level[1::2], strict=True)
            ]
        return hashlib.sha256(self._tag + b"\2" + bytes([HASH_BITS]) + header + level[0]).digest()


def leaf_edges(high: Words) -> tuple[int, NDArray[np.intp]]:
    """Return the leaf of the first of uids that begin with `high`, (n,) ascending, and where each later one begins."""
    shift = np.uint64(64 - HASH_BITS)
    first, last = int(high[0] >> shift), int(high[-1] >> shift)
    return first, np.searchsorted(high, np.arange(first + 1, last + 1, dtype=np.uint64) << shift)
