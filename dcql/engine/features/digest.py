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
from dcql.merkle import MerkleTree
from dcql.subset import UID

_DOMAIN = b"dcql.feature.v1"
_CHUNK = 1 << 18
_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("present", "u1"), ("value", "V16")])


def content_digest(features: Features, spec: FeatureSpec, pool: Pool) -> str:
    """Return "dcfeat1:" and 64 hex digits over uid and value of each sample that a feature was asked of.

    A SHA-256 tree as the subset's hash (SEMANTICS §5). A record is the uid, 1 and 16 bytes of value, or 0 and 16 zero
    bytes for NULL. A number is its integer, big-endian, from the left padded with zeros; TRUE is 1; text the first 16
    bytes of its SHA-256, and a vector those of the SHA-256 of its float16 numbers, little-endian. The pool must have
    been added. Takes 10 bytes of memory for each sample of the pool, and 16 more for each vector.
    """
    assert pool.uids is not None
    # By rank, the order of the uids: nothing is sorted.
    asked, there = np.zeros(pool.rows, np.bool_), np.zeros(pool.rows, np.bool_)
    held = np.zeros(pool.rows, np.int64)
    encoding: _Integers | _Texts | _Vectors = _Integers()
    if spec.output.type is Type.TEXT or spec.is_embedding:
        encoding = _Vectors() if spec.is_embedding else _Texts()
    for number, file in enumerate(pool.files):
        positions = features.asked_of(spec, number)
        if not len(positions):
            continue
        assert file.rank is not None
        # As wide as pointers, indices come several times faster.
        ranks = np.load(file.rank, mmap_mode="r")[positions].astype(np.intp)
        values = features.value(spec, number)
        asked[ranks], there[ranks] = True, present(values)[positions]
        if isinstance(encoding, _Vectors):
            held[ranks] = encoding.codes(features.vectors(spec, number), positions)
        else:
            held[ranks] = encoding.codes(values)[positions]
    order = np.flatnonzero(asked)
    # Taken as 16-byte items, uids come several times faster than as pairs.
    uids = np.load(pool.uids, mmap_mode="r").view("V16")
    tree = MerkleTree(_DOMAIN)
    for start in range(0, len(order), _CHUNK):
        here = order[start : start + _CHUNK]
        uid = uids.take(here).view(UID)
        records = np.zeros(len(here), _RECORD)
        high = np.ascontiguousarray(uid["f0"])
        records["high"], records["low"], records["present"] = high, uid["f1"], there[here]
        records["value"] = np.where(there[here], encoding.values(held[here]), np.zeros(1, "V16"))
        tree.update(high, records)
    return "dcfeat1:" + tree.seal(len(order).to_bytes(8, "big")).hex()


class _Integers:
    """Whole numbers and truth values as 16 bytes."""

    def codes(self, values: Any) -> NDArray[np.int64]:
        return (truths(values) if values.type == pa.bool_() else numbers(values)).astype(np.int64)

    def values(self, codes: NDArray[np.int64]) -> NDArray[np.void]:
        wide = np.zeros((len(codes), 2), ">i8")
        wide[:, 1] = codes
        return wide.view("V16").reshape(-1)


class _Texts:
    """Texts as 16 bytes of their SHA-256, each distinct one hashed once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._digests: list[bytes] = []

    def codes(self, values: Any) -> NDArray[np.int64]:
        table = np.array([self._code(text) for text in values.dictionary.to_pylist()] or [0], np.int64)
        codes: NDArray[np.int64] = table[np.where(present(values), numbers(values.indices), 0)]
        return codes

    def _code(self, text: str) -> int:
        code = self._known.setdefault(text, len(self._known))
        if code == len(self._digests):
            self._digests.append(hashlib.sha256(text.encode("utf-8")).digest()[:16])
        return code

    def values(self, codes: NDArray[np.int64]) -> NDArray[np.void]:
        table = np.frombuffer(b"".join(self._digests) or bytes(16), "V16")
        return table[codes]


class _Vectors:
    """Vectors as 16 bytes of the SHA-256 of their numbers."""

    def __init__(self) -> None:
        self._digests = bytearray()

    def codes(self, vectors: NDArray[np.float16], positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return codes for the rows of a matrix at `positions`; a row without a vector has one too."""
        first = len(self._digests) // 16
        for position in positions:
            numbers = vectors[position].astype("<f2", copy=False)
            self._digests += hashlib.sha256(numbers.tobytes()).digest()[:16]
        return np.arange(first, first + len(positions), dtype=np.int64)

    def values(self, codes: NDArray[np.int64]) -> NDArray[np.void]:
        return np.frombuffer(self._digests or bytes(16), "V16")[codes]
