"""The content digest of a feature: what came out, for the samples that it was asked of, in any layout of files."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dcql.catalog.models import FeatureSpec
from dcql.catalog.pool import Pool
from dcql.engine.features.columns import Features
from dcql.subset import MerkleTree

_DOMAIN = b"dcql.feature.v1"
_CHUNK = 1 << 18
_RECORD = np.dtype([("high", ">u8"), ("low", ">u8"), ("present", "u1"), ("value", "V16")])


def content_digest(features: Features, spec: FeatureSpec, pool: Pool) -> str:
    """Return "dcfeat1:" and 64 hex digits over uid and value of each sample that a feature was asked of.

    A SHA-256 tree as the subset's hash (SEMANTICS §5). A record is the uid, 1 and 16 bytes of value, or 0 and 16 zero
    bytes for NULL. A number is its integer, big-endian, from the left padded with zeros; TRUE is 1; text the first 16
    bytes of its SHA-256. The pool must have been added.
    """
    assert pool.uids is not None
    ranks: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    present: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
    values: list[NDArray[np.void]] = [np.empty(0, "V16")]
    for number, file in enumerate(pool.files):
        positions = features.asked_of(spec, number)
        if not len(positions):
            continue
        assert file.rank is not None
        ranks.append(np.load(file.rank)[positions].astype(np.int64))
        taken = features.values(spec, number).value.take(pa.array(positions))
        present.append(taken.is_valid().to_numpy(zero_copy_only=False).astype(np.uint8))
        values.append(_encoded(taken))
    rank = np.concatenate(ranks)
    order = np.argsort(rank)
    there, value = np.concatenate(present), np.concatenate(values)
    uids = np.load(pool.uids, mmap_mode="r")
    tree = MerkleTree(_DOMAIN)
    for start in range(0, len(order), _CHUNK):
        here = order[start : start + _CHUNK]
        uid = uids[rank[here]]
        records = np.empty(len(here), _RECORD)
        records["high"], records["low"] = uid["f0"], uid["f1"]
        records["present"], records["value"] = there[here], value[here]
        tree.update(np.ascontiguousarray(uid["f0"]), records)
    return "dcfeat1:" + tree.seal(len(order).to_bytes(8, "big")).hex()


def _encoded(values: pa.Array) -> NDArray[np.void]:
    """Return 16 bytes a value, zeros for NULL."""
    if pa.types.is_string(values.type):
        coded = values.dictionary_encode()
        table = np.zeros(len(coded.dictionary) + 1, "V16")
        for place, text in enumerate(coded.dictionary.to_pylist()):
            table[place] = hashlib.sha256(text.encode("utf-8")).digest()[:16]
        texts: NDArray[np.void] = table[pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy()]
        return texts
    numbers = pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    wide = np.zeros((len(numbers), 2), ">i8")
    wide[:, 1] = numbers
    return np.ascontiguousarray(wide).view("V16").reshape(-1)
