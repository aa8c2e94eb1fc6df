"""Digests: SHA-256 over canonical JSON, written as "sha256:" and 64 hex digits."""

import hashlib
import json
from pathlib import Path
from typing import Any


def sha256_of(value: Any) -> str:
    """Return the digest of plain data (dict, list, str, int, bool, None): keys sorted, no white space.

    Raises TypeError for anything else, floats included: their text differs between writers.
    """
    _refuse_floats(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical text: pass float.hex()")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
