"""The content digest of a feature, straight from docs/semantics.md, 4.7: one Python number for each sample."""

import hashlib
from collections.abc import Iterable, Mapping


def dcfeat2(pool: Iterable[str], values: Mapping[str, int | str | bytes | None]) -> str:
    """Return the digest over a pool's uids of the values by uid of those that were asked; None is NULL.

    A value is a whole number (of FIXED its steps, of BOOL 0 or 1), a text, or of an EMBEDDING its vector's bytes.
    """
    digests = sorted({hashlib.sha256(value.encode()).digest() for value in values.values() if isinstance(value, str)})

    def number(value: int | str | bytes | None) -> int:
        match value:
            case None:
                return 1
            case str():
                return 2 + digests.index(hashlib.sha256(value.encode()).digest())
            case bytes():
                return int.from_bytes(hashlib.sha256(value).digest()[:16], "little")
            case _:
                return value + 2 if value >= 0 else value

    numbers = [number(values[uid]) if uid in values else 0 for uid in sorted(pool)]
    bounds = {1: (0, 2**8), 2: (-(2**15), 2**15), 4: (-(2**31), 2**31), 8: (-(2**63), 2**63), 16: (-(2**127), 2**128)}
    width = next(w for w, (least, beyond) in bounds.items() if all(least <= each < beyond for each in numbers))
    if any(isinstance(value, bytes) for value in values.values()):
        width = 16
    content = b"dcql.feature.v2\0" + len(numbers).to_bytes(8, "big") + len(values).to_bytes(8, "big")
    content += bytes([width]) + len(digests).to_bytes(8, "big") + b"".join(digests)
    for each in numbers:
        content += each.to_bytes(width, "little", signed=each < 0)
    return "dcfeat2:" + hashlib.sha256(content).hexdigest()
