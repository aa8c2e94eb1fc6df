"""The content digests of features: what came out, for the samples that they were asked of, in any layout of files."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.features.columns import Features
from dcql.engine.marked import Marked
from dcql.engine.ranks import InOrder
from dcql.merkle import MerkleTree
from dcql.subset import PIECE

_DOMAIN = b"dcql.feature.v1"
_RECORD = np.dtype([("uid", "V16"), ("present", "u1"), ("value", "V16")])
# What a feature is for a sample that it was not asked of, and for one without a value; every value has another code.
_NOT_ASKED, _NULL = 0, 1
# Samples times features that are held at once; what is beyond is gone over in another pass.
_TOGETHER = 1 << 26


def content_digests(features: Features, pool: Pool, subset: Marked) -> dict[str, str]:
    """Return for each feature "dcfeat1:" and 64 hex digits over uid and value of each sample that it was asked of.

    A SHA-256 tree as the subset's hash (SEMANTICS §5). A record is the uid, 1 and 16 bytes of value, or 0 and 16 zero
    bytes for NULL. A number is its integer, big-endian, from the left padded with zeros; TRUE is 1; text the first 16
    bytes of its SHA-256, and a vector those of the SHA-256 of its float16 numbers, little-endian. The pool must have
    been added; `subset` is what the run keeps of it. Of features that are held at once, each takes 1 byte of memory for
    each sample of the pool, up to 8 where values are many, and 16 more for each vector. Raises RunError where the
    pool's uids are not those that were added.
    """
    specs = features.program.every_feature
    found: dict[str, str] = {}
    together = max(1, _TOGETHER // max(1, pool.rows))
    for start in range(0, len(specs), together):
        digesting = [_Digesting(features, spec, pool.rows) for spec in specs[start : start + together]]
        _digest(digesting, pool, subset)
        found |= {one.spec.name: one.seal() for one in digesting}
    return found


def _digest(digesting: Sequence["_Digesting"], pool: Pool, subset: Marked) -> None:
    """Digest features in one pass over the uids of a pool."""
    ranks = InOrder([file for file in pool.files if file.rows])
    for number, file in enumerate(pool.files):
        here = ranks.take(file.rows)
        for one in digesting:
            one.note(number, here)
    ranks.finish()
    for start, uids in zip(range(0, pool.rows, PIECE), subset.of_pool(), strict=True):
        for one in digesting:
            one.update(start, uids)


class _Digesting:
    """A feature on its way to its digest: what it is for each sample that it was asked of, by rank."""

    def __init__(self, features: Features, spec: FeatureSpec, rows: int) -> None:
        self.spec = spec
        self._features = features
        # By rank, the order of the uids: nothing is sorted. As narrow as they go, for what is written to in any order
        # has to stay in the cache.
        self._codes: NDArray[Any] = np.zeros(rows, np.uint8)
        self._encoding: _Integers | _Texts | _Vectors = _Integers()
        if spec.output.type is Type.TEXT or spec.is_embedding:
            self._encoding = _Vectors() if spec.is_embedding else _Texts()
        self._tree, self._done = MerkleTree(_DOMAIN), 0
        # New memory for each piece would take longer than what is done with it.
        self._memory, self._uids = np.zeros(min(PIECE, rows), _RECORD), np.empty(min(PIECE, rows), "V16")

    def note(self, number: int, ranks: NDArray[Any]) -> None:
        """Take the values of the pool's n-th file, whose samples have these ranks, (rows,)."""
        asked = self._features.asked_of(self.spec, number)
        if not len(asked):
            return
        values = self._features.value(self.spec, number)
        if isinstance(self._encoding, _Vectors):
            found = self._encoding.codes(self._features.vectors(self.spec, number), asked, present(values).take(asked))
        else:
            found = self._encoding.codes(values, asked)
            if values.null_count:
                found = np.where(present(values).take(asked), found, found.dtype.type(_NULL))
        self._codes = self._codes.astype(np.promote_types(self._codes.dtype, found.dtype), copy=False)
        # As wide as pointers, indices come several times faster.
        self._codes[ranks.take(asked).astype(np.intp)] = found

    def update(self, start: int, uids: NDArray[np.void]) -> None:
        """Append the records of the next samples, from rank `start` on; `uids` are theirs, (n,) of 16 bytes."""
        here = self._codes[start : start + len(uids)]
        # Of truths, which ones are not 0 is found several times faster.
        places = np.flatnonzero(here != _NOT_ASKED)
        self._done += len(places)
        # No place lies outside: to be told so saves a second pass over them.
        words = uids.take(places, out=self._uids[: len(places)], mode="clip").view(np.uint64).reshape(-1, 2)
        codes, records = here.take(places), self._memory[: len(places)]
        records["uid"] = words.astype(">u8").view("V16").reshape(-1)
        records["present"] = codes != _NULL
        records["value"] = self._encoding.values(codes)
        self._tree.update(np.ascontiguousarray(words[:, 0]), records)

    def seal(self) -> str:
        """Return the digest; nothing may follow."""
        return "dcfeat1:" + self._tree.seal(self._done.to_bytes(8, "big")).hex()


class _Integers:
    """Whole numbers and truth values as 16 bytes; the code is the number, past those that mean something else."""

    def codes(self, values: Any, asked: NDArray[np.int64]) -> NDArray[Any]:
        """Return the codes of the values at some positions, (n,), in the narrowest dtype; any where one is NULL."""
        every = truths(values) if values.type == pa.bool_() else numbers(values)
        if values.null_count:
            every = np.where(present(values), every, every.dtype.type(0))
        found: NDArray[Any] = every.take(asked).astype(np.int64)
        least, most = int(found.min()), int(found.max())
        if most > np.iinfo(np.int64).max - 2:
            found = found.astype(np.object_)
        found += 2 * (found >= 0)
        kinds = (np.uint8, np.int16, np.int32, np.int64)
        fits = (one for one in kinds if np.iinfo(one).min <= least and most + 2 <= np.iinfo(one).max)
        return found.astype(next(fits, np.object_))

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        """Return what codes stand for, (n,) of 16 bytes; NULL is 0."""
        wide = np.zeros((len(codes), 2), ">i8")
        wide[:, 1] = np.where(codes > _NULL, codes - codes.dtype.type(2), np.where(codes == _NULL, 0, codes))
        return wide.view("V16").reshape(-1)


class _Texts:
    """Texts as 16 bytes of their SHA-256, each distinct one hashed once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._digests = [bytes(16), bytes(16)]

    def codes(self, values: Any, asked: NDArray[np.int64]) -> NDArray[Any]:
        """Return the codes of the texts at some positions, (n,), of an arrow array with a dictionary; any for NULL."""
        found = [self._code(text) for text in values.dictionary.to_pylist()]
        table = np.array([*found, _NULL], np.min_scalar_type(len(self._digests)))
        # Where a text is NULL, the index may lie outside.
        codes: NDArray[Any] = table.take(numbers(values.indices).take(asked), mode="clip")
        return codes

    def _code(self, text: str) -> int:
        code = self._known.setdefault(text, len(self._digests))
        if code == len(self._digests):
            self._digests.append(hashlib.sha256(text.encode("utf-8")).digest()[:16])
        return code

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        """Return what codes stand for, (n,) of 16 bytes; NULL is 0."""
        table = np.frombuffer(b"".join(self._digests), "V16")
        found: NDArray[np.void] = table.take(codes)
        return found


class _Vectors:
    """Vectors as 16 bytes of the SHA-256 of their numbers."""

    def __init__(self) -> None:
        self._digests = bytearray(32)

    def codes(
        self, vectors: NDArray[np.float16], positions: NDArray[np.int64], there: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return codes for the rows of a matrix at `positions`, where there is a vector or is none."""
        first = len(self._digests) // 16
        for position in positions[there]:
            numbers = vectors[position].astype("<f2", copy=False)
            self._digests += hashlib.sha256(numbers.tobytes()).digest()[:16]
        codes = np.full(len(positions), _NULL, np.int64)
        codes[there] = np.arange(first, len(self._digests) // 16)
        return codes

    def values(self, codes: NDArray[Any]) -> NDArray[np.void]:
        """Return what codes stand for, (n,) of 16 bytes; NULL is 0."""
        table = np.frombuffer(self._digests, "V16")
        found: NDArray[np.void] = table.take(codes)
        return found
