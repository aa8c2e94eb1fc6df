"""DataComp's own baselines in numpy, by the rules of its baselines.py, for oracle and dcql to match.

A subset here is a sorted array of shape (n,) and dtype u8,u8. NULL scores are NaN.
"""

import io

import numpy as np
import numpy.typing as npt
from pools import Pool

UID_PAIR = np.dtype("u8,u8")
COLUMNS = {"b32": "clip_b32_similarity_score", "l14": "clip_l14_similarity_score"}
Array = npt.NDArray[np.void]


def uid_pairs(uids: list[str]) -> Array:
    """Cut hex uids, padded to 32 digits, into their high and low half."""
    padded = [uid.zfill(32) for uid in uids]
    return np.array([(int(uid[:16], 16), int(uid[16:32], 16)) for uid in padded], dtype=UID_PAIR)


def subset(pool: Pool, mask: npt.NDArray[np.bool_]) -> Array:
    chosen = uid_pairs(pool.columns["uid"])[mask]
    chosen.sort()
    return chosen


def npy(array: Array) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def scores(pool: Pool, arch: str) -> npt.NDArray[np.float32]:
    return np.array([np.nan if x is None else x for x in pool.columns[COLUMNS[arch]]], dtype=np.float32)


def no_filter(pool: Pool) -> Array:
    return subset(pool, np.ones(pool.rows, dtype=bool))


def fraction_threshold(values: npt.NDArray[np.float32], fraction: float) -> np.float32:
    """Take the score at 0-based index int(n f), descending, NaN last; IndexError at f = 1."""
    descending = -np.sort(-values)
    return np.float32(descending[int(len(values) * fraction)])


def clip_score(pool: Pool, arch: str, *, threshold: float | None = None, fraction: float | None = None) -> Array:
    """Keep score >= threshold; with a fraction the threshold is taken over all rows."""
    values = scores(pool, arch)
    if fraction is not None:
        cut = fraction_threshold(values, fraction)
    else:
        assert threshold is not None
        cut = np.float32(threshold)
    return subset(pool, values >= cut)


def basic_filter_without_language(pool: Pool) -> Array:
    """Keep > 2 words of split(), > 5 code points, min(w, h) >= 200, max / min <= 3; NULL never passes."""
    mask = np.zeros(pool.rows, dtype=bool)
    rows = zip(pool.columns["text"], pool.columns["original_width"], pool.columns["original_height"], strict=True)
    for i, (text, width, height) in enumerate(rows):
        if text is None or width is None or height is None or min(width, height) == 0:
            continue
        long_enough = len(text.split()) > 2 and len(text) > 5
        mask[i] = long_enough and min(width, height) >= 200 and max(width, height) / min(width, height) <= 3.0
    return subset(pool, mask)
