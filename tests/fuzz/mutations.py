"""Inputs near the seeds, the same ones every time: for a run that is short, and needs no fuzzer."""

import random
import re
from collections.abc import Iterator, Sequence

# What numbers and sizes are changed to.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
WORDS = (
    b"null",
    b"-1",
    b"1e999",
    b"0x1p9999",
    b"1/0",
    b"\xff\xfe",
    b"\\ud800",
    b"\0",
    b"[" * 3000,
    b"9" * 5000,
    b"inf",
)
_TOKEN = re.compile(rb"[A-Za-z_0-9.]+|[!-~]")


def mutated(seeds: Sequence[bytes], count: int, seed: str) -> Iterator[bytes]:
    """Yield `count` inputs, each a seed with one to four changes."""
    rng = random.Random(seed)
    for _ in range(count):
        data = rng.choice(seeds)
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = _changed(data, rng, seeds)
        yield data[: 1 << 16]


def _changed(data: bytes, rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(8):
        case 0:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + rng.choice((1, 1, 2, 8, 64)) :]
        case 2:
            return data[:at] + data[at : at + rng.choice((1, 8, 64))] * 2 + data[at:]
        case 3:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_EDGES) & ((1 << 8 * width) - 1)
            return data[:at] + number.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]
        case 4:
            return data[:at]
        case 5:
            other = rng.choice(seeds)
            return data[:at] + other[rng.randrange(len(other) + 1) :]
        case _:
            # A word is taken for another one of the seeds, or for one that readers stumble over.
            words = list(_TOKEN.finditer(data))
            if not words:
                return data + rng.choice(WORDS)
            word = rng.choice(words)
            others = _TOKEN.findall(rng.choice(seeds)) or [b""]
            new = rng.choice(WORDS) if rng.random() < 0.4 else rng.choice(others)
            return data[: word.start()] + new + data[word.end() :]
