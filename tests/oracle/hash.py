"""The subset's hash `dcql1` (SEMANTICS §5) and DataComp's subset file."""

import hashlib
import io
from collections.abc import Mapping

import numpy as np

from .errors import OracleError

DOMAIN = b"dcql.subset.v1\0"
LEVELS = 12
MAX_COPIES = 2**32 - 1
UID_PAIR = np.dtype("u8,u8")


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def dcql1(bag: Mapping[bytes, int]) -> str:
    """Hash a bag of 16-byte uids with their copies (1 .. 2^32-1 each)."""
    leaves = [b""] * 2**LEVELS
    for uid in sorted(bag):
        if len(uid) != 16 or not 1 <= bag[uid] <= MAX_COPIES:
            raise OracleError("E07", f"{uid.hex()} has {bag[uid]} copies")
        leaves[int.from_bytes(uid, "big") >> (128 - LEVELS)] += uid + bag[uid].to_bytes(4, "big")
    # Of a small bag most leaves are empty, and so is most of what stands above them.
    empty = sha256(DOMAIN, b"\x00")
    nodes = [sha256(DOMAIN, b"\x00", leaf) if leaf else empty for leaf in leaves]
    while len(nodes) > 1:
        below, empty = empty, sha256(DOMAIN, b"\x01", empty, empty)
        pairs = zip(nodes[::2], nodes[1::2], strict=True)
        nodes = [
            empty if left is below and right is below else sha256(DOMAIN, b"\x01", left, right) for left, right in pairs
        ]
    distinct, total = len(bag), sum(bag.values())
    top = DOMAIN + b"\x02" + bytes([LEVELS]) + distinct.to_bytes(8, "big") + total.to_bytes(8, "big")
    return "dcql1:" + sha256(top, nodes[0]).hex()


def npy_bytes(bag: Mapping[bytes, int]) -> bytes:
    """Write DataComp's subset file: (n,) of dtype u8,u8 (high half, low half), sorted, one row a copy."""
    rows = [
        (int.from_bytes(uid[:8], "big"), int.from_bytes(uid[8:], "big")) for uid in sorted(bag) for _ in range(bag[uid])
    ]
    out = io.BytesIO()
    np.save(out, np.array(rows, dtype=UID_PAIR))
    return out.getvalue()


def read_npy(data: bytes) -> list[bytes]:
    """Read a subset file back into uids, repeats included; raises E07."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise OracleError("E07", f"not an .npy file: {error}") from None
    if array.dtype != UID_PAIR or array.ndim != 1:
        raise OracleError("E07", "an .npy set holds uids: one dimension of dtype u8,u8")
    uids = [int(high).to_bytes(8, "big") + int(low).to_bytes(8, "big") for high, low in array.tolist()]
    if uids != sorted(uids):
        raise OracleError("E07", "an .npy set is a subset file: sorted")
    return uids
