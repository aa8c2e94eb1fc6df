"""The content digests of features: what came out, for the samples that they were asked of, in any layout of files."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.features.columns import Features
from dcql.engine.ranks import InOrder
from dcql.subset import PIECE

_DOMAIN = b"dcql.feature.v2\0"
# What a feature is for a sample that it was not asked of, and for one without a value; every value has another code.
_NOT_ASKED, _NULL = 0, 1
_VALUES = 2  # codes of what is numbered begin here
# The widths of a number, and one more in bytes for what goes beyond them and for vectors.
_WIDTHS, _BEYOND = (np.uint8, np.int16, np.int32, np.int64), 16


def content_digests(features: Features, pool: Pool) -> dict[str, str]:
    """Return for each feature "dcfeat2:" and the 64 hex digits of the SHA-256 that docs/semantics.md, 4.7 gives.

    It is over a number for each sample of the pool in the order of the uids: 0 where the feature was not asked, 1 where
    it is NULL, and others for its values. Which uid stands where is the pool's fingerprint's to say, which a lock pins
    beside it. The pool must have been added. Takes 1 byte of memory for each sample of the pool, up to 8 where values
    are many, and 16 more for each vector. Raises RunError where the pool's ranks are not those that were added.
    """
    return {spec.name: _digest(features, spec, pool) for spec in features.program.every_feature}


def _digest(features: Features, spec: FeatureSpec, pool: Pool) -> str:
    digesting = _Digesting(features, spec, pool.rows)
    ranks = InOrder([file for file in pool.files if file.rows])
    for number, file in enumerate(pool.files):
        digesting.note(number, ranks.take(file.rows))
    ranks.finish()
    return digesting.digest()


class _Digesting:
    """A feature on its way to its digest: what it is for each sample, by rank."""

    def __init__(self, features: Features, spec: FeatureSpec, rows: int) -> None:
        self.spec = spec
        self._features = features
        # By rank, the order of the uids: nothing is sorted. As narrow as they go, for what is written to in any order
        # has to stay in the cache.
        self._codes: NDArray[Any] = np.zeros(rows, np.uint8)
        self._asked = 0
        self._encoding: _Integers | _Texts | _Vectors = _Integers()
        if spec.output.type is Type.TEXT or spec.is_embedding:
            self._encoding = _Vectors() if spec.is_embedding else _Texts()

    def note(self, number: int, ranks: NDArray[Any]) -> None:
        """Take the values of the pool's n-th file, whose samples have these ranks, (rows,)."""
        asked = self._features.asked_of(self.spec, number)
        if not len(asked):
            return
        self._asked += len(asked)
        values = self._features.value(self.spec, number)
        there = present(values).take(asked) if values.null_count else np.ones(len(asked), np.bool_)
        if isinstance(self._encoding, _Vectors):
            found = self._encoding.codes(self._features.vectors(self.spec, number), asked, there)
        else:
            found = self._encoding.codes(values, asked, there)
        if values.null_count:
            found = np.where(there, found, found.dtype.type(_NULL))
        self._codes = self._codes.astype(np.promote_types(self._codes.dtype, found.dtype), copy=False)
        # As wide as pointers, indices come several times faster; put takes two thirds of what [..] = takes.
        np.put(self._codes, ranks.take(asked).astype(np.intp), found)

    def digest(self) -> str:
        """Return the digest, once all files are noted."""
        digest = hashlib.sha256(_DOMAIN)
        for count in (len(self._codes), self._asked):
            digest.update(count.to_bytes(8, "big"))
        width, texts = self._encoding.width(self._codes.dtype), self._encoding.texts
        digest.update(bytes([width]) + len(texts).to_bytes(8, "big") + b"".join(texts))
        for start in range(0, len(self._codes), PIECE):
            digest.update(self._encoding.numbers(self._codes[start : start + PIECE]))
        return "dcfeat2:" + digest.hexdigest()


class _Integers:
    """Whole numbers and truth values; the code is the number, past those that mean something else."""

    texts: Sequence[bytes] = ()

    def codes(self, values: Any, asked: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the codes of the values at some positions, (n,), in the narrowest dtype; any where not `there`."""
        every = truths(values) if values.type == pa.bool_() else numbers(values)
        found: NDArray[Any] = every.take(asked).astype(np.int64)
        if values.null_count:
            found *= there
        least, most = int(found.min()), int(found.max())
        if most > np.iinfo(np.int64).max - _VALUES:
            found = found.astype(np.object_)
        found += _VALUES * (found >= 0)
        return found.astype(_narrowest(least, most + _VALUES))

    def width(self, dtype: Any) -> int:
        """Return the bytes of a number, of which the codes have this dtype."""
        return _BEYOND if dtype == np.object_ else int(dtype.itemsize)

    def numbers(self, codes: NDArray[Any]) -> Any:
        """Return the bytes of the numbers of codes, one after the other."""
        if codes.dtype == np.object_:
            return b"".join(code.to_bytes(_BEYOND, "little", signed=True) for code in codes)
        return _little(codes)


class _Texts:
    """Texts as their places among the SHA-256 of all of them; each distinct one is hashed once."""

    def __init__(self) -> None:
        # In the order in which they came; codes are of it.
        self._known: dict[str, int] = {}

    def codes(self, values: Any, asked: NDArray[np.int64], there: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the codes of the texts at some positions, (n,), of an arrow array with a dictionary; any for NULL."""
        at = numbers(values.indices).take(asked)
        if values.null_count:
            at = np.where(there, at, len(values.dictionary))  # where a text is NULL, the index may lie outside
        # Texts of samples that were not asked are there as well.
        counts = np.bincount(at, minlength=len(values.dictionary)).tolist()
        found = [
            self._known.setdefault(text, len(self._known) + _VALUES) if count else _NOT_ASKED
            for text, count in zip(values.dictionary.to_pylist(), counts, strict=False)
        ]
        codes: NDArray[Any] = np.array([*found, _NULL], np.min_scalar_type(len(self._known) + _VALUES)).take(at)
        return codes

    @cached_property
    def _ordered(self) -> tuple[list[bytes], NDArray[Any]]:
        """The digests of all texts in order, and by code the places among them."""
        digests = [hashlib.sha256(text.encode("utf-8")).digest() for text in self._known]
        order = sorted(range(len(digests)), key=digests.__getitem__)
        table = np.empty(len(digests) + _VALUES, _narrowest(0, len(digests) + _VALUES - 1))
        table[:_VALUES] = _NOT_ASKED, _NULL
        table[np.array(order, np.intp) + _VALUES] = np.arange(len(order)) + _VALUES
        return [digests[place] for place in order], table

    @property
    def texts(self) -> Sequence[bytes]:
        """The SHA-256 of each text that occurs, in order; nothing may be added then."""
        return self._ordered[0]

    def width(self, dtype: Any) -> int:
        """Return the bytes of a number."""
        return int(self._ordered[1].itemsize)

    def numbers(self, codes: NDArray[Any]) -> Any:
        """Return the bytes of the numbers of codes, one after the other."""
        return _little(self._ordered[1].take(codes))


class _Vectors:
    """Vectors as the first 16 bytes of the SHA-256 of their numbers."""

    texts: Sequence[bytes] = ()

    def __init__(self) -> None:
        self._digests = bytearray(b"".join(code.to_bytes(_BEYOND, "little") for code in (_NOT_ASKED, _NULL)))

    def codes(
        self, vectors: NDArray[np.float16], asked: NDArray[np.int64], there: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return codes for the rows of a matrix at some positions, (n,); any where there is none."""
        first = len(self._digests) // _BEYOND
        for position in asked[there]:
            numbers = vectors[position].astype("<f2", copy=False)
            self._digests += hashlib.sha256(numbers.tobytes()).digest()[:_BEYOND]
        codes = np.full(len(asked), _NULL, np.int64)
        codes[there] = np.arange(first, len(self._digests) // _BEYOND)
        return codes

    def width(self, dtype: Any) -> int:
        """Return the bytes of a number."""
        return _BEYOND

    def numbers(self, codes: NDArray[Any]) -> Any:
        """Return the bytes of the numbers of codes, one after the other."""
        return _little(np.frombuffer(self._digests, f"V{_BEYOND}").take(codes))


def _narrowest(least: int, most: int) -> Any:
    """Return the narrowest dtype of those that numbers may have, object where none is wide enough."""
    fits = (one for one in _WIDTHS if np.iinfo(one).min <= least and most <= np.iinfo(one).max)
    return next(fits, np.object_)


def _little(array: NDArray[Any]) -> Any:
    """Return the bytes of an array, little-endian."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).view(np.uint8).data
