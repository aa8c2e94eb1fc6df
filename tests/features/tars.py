"""Tars of samples, as img2dataset writes them."""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dcql.subset import UID


def uid(number: int) -> str:
    """Return a uid, its bits spread over both halves."""
    return hashlib.md5(str(number).encode()).hexdigest()


def uids(*texts: str) -> Any:
    """Return uids as the pool gives them, dtype u8,u8."""
    return np.array([(int(text[:16], 16), int(text[16:], 16)) for text in texts], UID)


def image(number: int) -> bytes:
    """Return bytes that stand for an image, some KB that differ for every number."""
    return random.Random(number).randbytes(1000 + number % 3000)


def sample(key: str, number: int, extension: str = "jpg", **described: Any) -> list[tuple[str, bytes]]:
    """Return the members of a sample as img2dataset writes them."""
    about = {"uid": uid(number), "key": key, "status": "success", **described}
    return [(f"{key}.{extension}", image(number)), (f"{key}.txt", b"a"), (f"{key}.json", json.dumps(about).encode())]


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], format: int = tarfile.USTAR_FORMAT) -> Path:
    """Write a tar with Python's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
