"""Whom a demand asks of, noted in order: pieces of any length, cut where the files of a pool end."""

import numpy as np
import pytest

from dcql.engine.features.asking import _Bits


@pytest.mark.parametrize("pieces", [[], [0, 3], [8, 16, 1], [1] * 21, [7, 9, 5, 64, 2]])
@pytest.mark.parametrize("files", [[1], [3, 0, 5], [8, 13], [2, 7, 1]])
def test_pieces_are_cut_where_files_end(pieces: list[int], files: list[int]) -> None:
    every = np.random.default_rng(len(pieces)).random(sum(pieces)) < 0.5
    bits = _Bits()
    for end, length in zip(np.cumsum(pieces, dtype=int), pieces, strict=True):
        bits.add(every[end - length : end])
    rows = [*files, len(every) - sum(files)] if len(every) > sum(files) else [len(every)]
    ends = np.cumsum(rows)
    wanted = [np.packbits(every[end - length : end]) for end, length in zip(ends, rows, strict=True)]
    found = bits.cut(rows)
    assert [each.tolist() for each in found] == [each.tolist() for each in wanted]
