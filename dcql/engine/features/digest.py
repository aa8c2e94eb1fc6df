"""The content digests of features: what came out, for the samples that they were asked of, in any layout of files."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import numbers, present, truths
from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.features.columns import Features
from dcql.engine.ranks import InOrder
from dcql.lower.statement import feature_column
from dcql.subset import PIECE

_DOMAIN = b"dcql.feature.v2\0"
# What a feature is for a sample that it was not asked of, and for one without a value; every value has another code.
_NOT_ASKED, _NULL = 0, 1
_VALUES = 2  # codes of what is numbered begin here
# The widths of a number, and one more in bytes for what goes beyond them and for vectors.
_WIDTHS, _BEYOND = (np.uint8, np.int16, np.int32, np.int64), 16


def content_digests(features: Features, pool: Pool, scanned: "Scanned | None" = None) -> dict[str, str]:
    """Return for each feature "dcfeat2:" and the 64 hex digits of the SHA-256 that docs/semantics.md, 4.7 gives.

    It is over a number for each sample of the pool in the order of the uids: 0 where the feature was not asked, 1 where
    it is NULL, and others for its values. Which uid stands where is the pool's fingerprint's to say, which a lock pins
    beside it. The pool must have been added. What `scanned` has is taken from there, and the rest is read, one feature
    after the other. Takes 1 byte of memory for each sample of the pool, up to 8 where values are many, and 16 more for
    each vector; `scanned` takes as much for each of its features. Raises RunError where the pool's ranks are not those
    that were added, or values cannot be read.
    """
    known = scanned.digests() if scanned is not None else {}
    every = features.program.every_feature
    return {spec.name: known.get(spec.name) or _read(features, spec, pool) for spec in every}


def _read(features: Features, spec: FeatureSpec, pool: Pool) -> str:
    """Return the digest of a feature whose values are read for it."""
    digesting = _Digesting(spec, pool.rows)
    ranks = InOrder([file for file in pool.files if file.rows])
    for number, file in enumerate(pool.files):
        here = ranks.take(file.rows)
        asked = features.asked_of(spec, number)
        if not len(asked):
            continue
        values = features.value(spec, number)
        there = present(values).take(asked) if values.null_count else None
        if spec.is_embedding:
            digesting.take_vectors(here.take(asked), features.vectors(spec, number), asked, there)
        elif spec.output.type is Type.TEXT:
            places = numbers(values.indices).take(asked)
            digesting.take_texts(here.take(asked), values.dictionary.to_pylist(), places, there)
        else:
            every = truths(values) if spec.output.type is Type.BOOL else numbers(values)
            digesting.take_numbers(here.take(asked), every.take(asked), there)
    ranks.finish()
    return digesting.digest()


class Scanned:
    """The content digests of features whose values the last query tells as it goes (`Marks.with_values`).

    `texts` lists those of each feature of TEXT, of which the query tells the place, counted from 1.
    """

    def __init__(self, specs: Sequence[FeatureSpec], texts: Mapping[str, Sequence[str]], rows: int) -> None:
        self._digesting = {spec.name: _Digesting(spec, rows) for spec in specs}
        self._texts = texts
        self._columns: dict[str, tuple[NDArray[np.bool_], NDArray[Any], NDArray[np.bool_] | None]] = {}

    @property
    def names(self) -> Iterable[str]:
        """The names of the features."""
        return self._digesting

    @property
    def without_null(self) -> set[str]:
        """The names of the features that have a value wherever they were asked, in the batches so far."""
        return {name for name, digesting in self._digesting.items() if not digesting.nulls}

    def begin(self, batch: Any, asked: Mapping[str, NDArray[np.bool_]]) -> None:
        """Go on with a batch of the query, of whose rows features are `asked`, by their names, (n,)."""
        for name, digesting in self._digesting.items():
            column = batch.column(feature_column(name))
            values = truths(column) if digesting.spec.output.type is Type.BOOL else numbers(column)
            self._columns[name] = asked[name], values, present(column) if column.null_count else None

    def take(self, here: slice, ranks: NDArray[Any]) -> None:
        """Take the values of some rows of the batch, whose samples have these ranks, (n,)."""
        for name, (asked, values, present_) in self._columns.items():
            digesting, wanted = self._digesting[name], np.flatnonzero(asked[here])
            if not len(wanted):
                continue
            # No place lies outside: to be told so saves a second pass over them.
            found, where = values[here].take(wanted, mode="clip"), ranks.take(wanted, mode="clip")
            there = present_[here].take(wanted, mode="clip") if present_ is not None else None
            if name in self._texts:
                digesting.take_texts(where, self._texts[name], found - 1, there)
            else:
                digesting.take_numbers(where, found, there)

    def digests(self) -> dict[str, str]:
        """Return the digests, by the names of the features, once all batches are taken."""
        return {name: digesting.digest() for name, digesting in self._digesting.items()}


class _Digesting:
    """A feature on its way to its digest: what it is for each sample, by rank.

    What is taken is of samples that the feature was asked of, by their ranks, (n,) with n at least 1. Where some have
    no value, `there` says which have one, (n,), and the others may hold anything.
    """

    def __init__(self, spec: FeatureSpec, rows: int) -> None:
        self.spec = spec
        # By rank, the order of the uids: nothing is sorted. As narrow as they go, for what is written to in any order
        # has to stay in the cache.
        self._codes: NDArray[Any] = np.zeros(rows, np.uint8)
        self._asked = self.nulls = 0
        self._encoding: _Integers | _Texts | _Vectors = _Integers()
        if spec.output.type is Type.TEXT or spec.is_embedding:
            self._encoding = _Vectors() if spec.is_embedding else _Texts()

    def take_numbers(self, ranks: NDArray[Any], values: NDArray[Any], there: NDArray[np.bool_] | None) -> None:
        """Take whole numbers or truth values, (n,)."""
        assert isinstance(self._encoding, _Integers)
        self._put(ranks, self._encoding.codes(values, there), there)

    def take_texts(
        self, ranks: NDArray[Any], texts: Sequence[str], places: NDArray[Any], there: NDArray[np.bool_] | None
    ) -> None:
        """Take texts as their places, (n,), in a list."""
        assert isinstance(self._encoding, _Texts)
        self._put(ranks, self._encoding.codes(texts, places, there), there)

    def take_vectors(
        self,
        ranks: NDArray[Any],
        vectors: NDArray[np.float16],
        positions: NDArray[np.int64],
        there: NDArray[np.bool_] | None,
    ) -> None:
        """Take the rows of a matrix at some positions, (n,)."""
        assert isinstance(self._encoding, _Vectors)
        self._put(ranks, self._encoding.codes(vectors, positions, there), there)

    def _put(self, ranks: NDArray[Any], found: NDArray[Any], there: NDArray[np.bool_] | None) -> None:
        self._asked += len(ranks)
        if there is not None:
            self.nulls += len(there) - int(np.count_nonzero(there))
            found = np.where(there, found, found.dtype.type(_NULL))
        self._codes = self._codes.astype(np.promote_types(self._codes.dtype, found.dtype), copy=False)
        # As wide as pointers, indices come several times faster; put takes two thirds of what [..] = takes.
        np.put(self._codes, ranks.astype(np.intp), found)

    def digest(self) -> str:
        """Return the digest, once everything is taken."""
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

    def codes(self, values: NDArray[Any], there: NDArray[np.bool_] | None) -> NDArray[Any]:
        """Return the codes of values, (n,), in the narrowest dtype; any where not `there`."""
        found: NDArray[Any] = values.astype(np.int64)
        if there is not None:
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

    def codes(self, texts: Sequence[str], places: NDArray[Any], there: NDArray[np.bool_] | None) -> NDArray[Any]:
        """Return the codes of texts by their places in a list, (n,); any where not `there`."""
        if there is not None:
            places = np.where(there, places, len(texts))  # where a text is NULL, its place may lie outside
        # The list has texts besides, of samples that were not asked.
        counts = np.bincount(places, minlength=len(texts)).tolist()
        found = [
            self._known.setdefault(text, len(self._known) + _VALUES) if count else _NOT_ASKED
            for text, count in zip(texts, counts, strict=False)
        ]
        codes: NDArray[Any] = np.array([*found, _NULL], np.min_scalar_type(len(self._known) + _VALUES)).take(places)
        return codes

    @cached_property
    def _ordered(self) -> tuple[list[bytes], NDArray[Any]]:
        """The digests of all texts in order, and by code the places among them."""
        digests = [text_digest(text) for text in self._known]
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
        table = self._ordered[1]
        return _little(codes.astype(table.dtype, copy=False) if self._in_order else table.take(codes))

    @cached_property
    def _in_order(self) -> bool:
        """Whether codes are the places already: they are where texts came in the order of their digests."""
        return np.array_equal(self._ordered[1], np.arange(len(self._ordered[1])))


class _Vectors:
    """Vectors as the first 16 bytes of the SHA-256 of their numbers."""

    texts: Sequence[bytes] = ()

    def __init__(self) -> None:
        self._digests = bytearray(b"".join(code.to_bytes(_BEYOND, "little") for code in (_NOT_ASKED, _NULL)))

    def codes(
        self, vectors: NDArray[np.float16], positions: NDArray[np.int64], there: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Return codes for the rows of a matrix at some positions, (n,); any where not `there`."""
        first = len(self._digests) // _BEYOND
        there = np.ones(len(positions), np.bool_) if there is None else there
        for position in positions[there]:
            numbers = vectors[position].astype("<f2", copy=False)
            self._digests += hashlib.sha256(numbers.tobytes()).digest()[:_BEYOND]
        codes = np.full(len(positions), _NULL, np.int64)
        codes[there] = np.arange(first, len(self._digests) // _BEYOND)
        return codes

    def width(self, dtype: Any) -> int:
        """Return the bytes of a number."""
        return _BEYOND

    def numbers(self, codes: NDArray[Any]) -> Any:
        """Return the bytes of the numbers of codes, one after the other."""
        return _little(np.frombuffer(self._digests, f"V{_BEYOND}").take(codes))


def text_digest(text: str) -> bytes:
    """Return the SHA-256 of a text, by which texts are ordered."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def _narrowest(least: int, most: int) -> Any:
    """Return the narrowest dtype of those that numbers may have, object where none is wide enough."""
    fits = (one for one in _WIDTHS if np.iinfo(one).min <= least and most <= np.iinfo(one).max)
    return next(fits, np.object_)


def _little(array: NDArray[Any]) -> Any:
    """Return the bytes of an array, little-endian."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).view(np.uint8).data
