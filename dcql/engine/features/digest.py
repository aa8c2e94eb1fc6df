"""The content digest of a feature: what came out, for the samples that it was asked of, in any layout of files."""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.features.columns import Features
from dcql.engine.marked import read_uids
from dcql.merkle import MerkleTree
from dcql.subset import PIECE

_DOMAIN = b"dcql.feature.v1"
_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("present", "u1"), ("value", "V16")])
_ASKED, _THERE = 1, 2


def content_digest(features: Features, spec: FeatureSpec, pool: Pool) -> str:
    """Return "dcfeat1:" and 64 hex digits over uid and value of each sample that a feature was asked of.

    A SHA-256 tree as the subset's hash (SEMANTICS §5). A record is the uid, 1 and 16 bytes of value, or 0 and 16 zero
    bytes for NULL. A number is its integer, big-endian, from the left padded with zeros; TRUE is 1; text the first 16
    bytes of its SHA-256, and a vector those of the SHA-256 of its float16 numbers, little-endian. The pool must have
    been added. Takes 2 bytes of memory for each sample of the pool, up to 9 where values are many, and 16 more for each
    vector. Raises RunError where the pool's uids are not those that were added.
    """
    assert pool.uids is not None
    # By rank, the order of the uids: nothing is sorted. As narrow as they go, for what is written to in any order has
    # to stay in the cache.
    state, codes = np.zeros(pool.rows, np.uint8), np.zeros(pool.rows, np.uint8)
    encoding: _Integers | _Texts | _Vectors = _Integers()
    if spec.output.type is Type.TEXT or spec.is_embedding:
        encoding = _Vectors() if spec.is_embedding else _Texts()
    for number, file in enumerate(pool.files):
        asked = features.is_asked(spec, number)
        if not asked.any():
            continue
        assert file.rank is not None
        # As wide as pointers, indices come several times faster.
        ranks = np.compress(asked, np.load(file.rank)).astype(np.intp)
        values = features.value(spec, number)
        there = np.compress(asked, present(values))
        state[ranks] = np.where(there, np.uint8(_THERE), np.uint8(_ASKED))
        if isinstance(encoding, _Vectors):
            found = encoding.codes(features.vectors(spec, number), np.flatnonzero(asked), there)
        else:
            found = np.compress(asked, encoding.codes(values))
        codes = codes.astype(np.promote_types(codes.dtype, found.dtype), copy=False)
        codes[ranks] = found
    tree = MerkleTree(_DOMAIN)
    memory, done = np.zeros(min(PIECE, pool.rows), _RECORD), 0
    for start, uids in zip(range(0, pool.rows, PIECE), read_uids(pool.uids, pool.rows), strict=True):
        here = np.flatnonzero(state[start : start + PIECE])
        done += len(here)
        words = uids.take(here, mode="clip").view(np.uint64).reshape(-1, 2)
        high, records = np.ascontiguousarray(words[:, 0]), memory[: len(here)]
        records["high"], records["low"] = high, words[:, 1]
        records["present"] = state[start : start + PIECE][here] == _THERE
        records["value"] = encoding.values(codes[start : start + PIECE][here])
        tree.update(high, records)
    return "dcfeat1:" + tree.seal(done.to_bytes(8, "big")).hex()


class _Integers:
    """Whole numbers and truth values as 16 bytes; each is its own code."""

    def codes(self, values: Any) -> NDArray[Any]:
        """Return the numbers, (rows,), in the narrowest dtype that holds them: 0 where one is NULL."""
        found = truths(values) if values.type == pa.bool_() else numbers(values)
        if values.null_count:
            found = np.where(present(values), found, found.dtype.type(0))
        if not len(found):
            return np.zeros(0, np.uint8)
        least, most = int(found.min()), int(found.max())
        kinds = (np.uint8, np.int16, np.int32, np.int64)
        return found.astype(next(kind for kind in kinds if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max))

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        wide = np.zeros((len(codes), 2), ">i8")
        wide[:, 1] = codes
        return wide.view("V16").reshape(-1)


class _Texts:
    """Texts as 16 bytes of their SHA-256, each distinct one hashed once; 0 is the code of NULL."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._digests = [bytes(16)]

    def codes(self, values: Any) -> NDArray[Any]:
        """Return the codes, (rows,), of an arrow array with a dictionary."""
        found = [self._code(text) for text in values.dictionary.to_pylist()]
        table = np.array([0, *found], np.min_scalar_type(len(self._digests)))
        codes: NDArray[Any] = table[np.where(present(values), numbers(values.indices) + 1, 0)]
        return codes

    def _code(self, text: str) -> int:
        code = self._known.setdefault(text, len(self._digests))
        if code == len(self._digests):
            self._digests.append(hashlib.sha256(text.encode("utf-8")).digest()[:16])
        return code

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        table = np.frombuffer(b"".join(self._digests), "V16")
        found: NDArray[np.void] = table[codes]
        return found


class _Vectors:
    """Vectors as 16 bytes of the SHA-256 of their numbers; 0 is the code of none."""

    def __init__(self) -> None:
        self._digests = bytearray(16)

    def codes(
        self, vectors: NDArray[np.float16], positions: NDArray[np.int64], there: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return codes for the rows of a matrix at `positions`, where there is a vector or is none."""
        first = len(self._digests) // 16
        for position in positions[there]:
            numbers = vectors[position].astype("<f2", copy=False)
            self._digests += hashlib.sha256(numbers.tobytes()).digest()[:16]
        codes = np.zeros(len(positions), np.int64)
        codes[there] = np.arange(first, len(self._digests) // 16)
        return codes

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        table = np.frombuffer(self._digests, "V16")
        found: NDArray[np.void] = table[codes]
        return found
