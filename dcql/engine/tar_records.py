"""What was found in a tar, kept in the store and taken from there for as long as the tar is the same."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.files import Listed, locate
from dcql.scratch import unfinished

_ENDS = 64 << 10


def ends(tar: Listed) -> str:
    """Return the hex SHA-256 of a tar's first and last 64 KiB: two small reads, also where it lies behind a URL."""
    filesystem, path = locate(tar.path)
    head = filesystem.cat_file(path, start=0, end=min(tar.size, _ENDS))
    tail = filesystem.cat_file(path, start=max(0, tar.size - _ENDS), end=tar.size)
    return hashlib.sha256(head + tail).hexdigest()


def keep(path: Path, about: dict[str, Any], **arrays: NDArray[Any]) -> None:
    """Write what was found: arrays, and plain data that says what they are of."""
    with unfinished(path) as place:
        with place.open("wb") as file:
            text = np.frombuffer(json.dumps(about).encode(), np.uint8)
            np.savez(file, allow_pickle=False, **arrays, about=text)
        os.replace(place, path)


def kept(path: Path, *, form: int, probe: str, **dtypes: np.dtype[Any]) -> tuple[Any, dict[str, NDArray[Any]]] | None:
    """Return what `keep` wrote: `about` and the arrays, each of one dimension and its dtype.

    None where nothing was, it is of another form or tar, by `probe`, or the file is damaged.
    """
    # A damaged file can fail in zipfile, in numpy or in json; the tar is then read again.
    with contextlib.suppress(Exception), np.load(path, allow_pickle=False) as held:
        about = json.loads(held["about"].tobytes())
        arrays = {name: held[name] for name in dtypes}
        if about["form"] != form or about["probe"] != probe:
            return None
        if any(arrays[name].dtype != dtype or arrays[name].ndim != 1 for name, dtype in dtypes.items()):
            return None
        return about, arrays
    return None
