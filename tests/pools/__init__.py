"""Seeded adversarial pools for the tests, and their parquet files in any layout."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .build import LAYOUTS, Layout, write

__all__ = ["ADVERSARIAL", "LAYOUTS", "Layout", "Pool", "write"]

NAN = float("nan")
# DataComp's columns, then a few that its pools lack: a group, a DOUBLE score, a BOOL, a small integer.
TYPES = {
    "uid": "string",
    "url": "string",
    "text": "string",
    "original_width": "int64",
    "original_height": "int64",
    "clip_b32_similarity_score": "float32",
    "clip_l14_similarity_score": "float32",
    "face_bboxes": "list<list<double>>",
    "sha256": "string",
    "grp": "int64",
    "score": "float64",
    "safe": "bool",
    "rating": "int16",
}
WORDS = [
    "a", "photo", "of", "the", "dog", "cat", "red", "blue", "house", "café", "日本", "naïve", "DSC0001.jpg",
    "for", "sale", "50%", "off_", "on", "it's",
]  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """The rows of a pool in order, as columns of Python values; types are Arrow's names; uids are hex."""

    columns: dict[str, list[Any]]
    types: dict[str, str]

    @property
    def rows(self) -> int:
        return len(self.columns["uid"])

    @property
    def uids(self) -> list[bytes]:
        """The uids as 16 bytes, short ones padded with 0 on the left, in row order."""
        return [bytes.fromhex(uid.zfill(32)) for uid in self.columns["uid"]]

    def with_columns(self, **columns: list[Any]) -> "Pool":
        """Replace columns, keeping their types."""
        return Pool(self.columns | columns, self.types)

    def head(self, rows: int) -> "Pool":
        return Pool({name: values[:rows] for name, values in self.columns.items()}, self.types)


def md5_uid(number: int, salt: str = "") -> str:
    return hashlib.md5(f"{salt}{number}".encode(), usedforsecurity=False).hexdigest()


def float16_score(random_: random.Random, centre: float = 0.2, width: float = 0.06) -> float:
    """Draw a score on the float16 lattice, as DataComp's are: many ties."""
    import numpy as np

    return float(np.float16(min(max(random_.gauss(centre, width), -1.0), 1.0)))


def sometimes_null(random_: random.Random, value: Any, chance: float = 0.1) -> Any:
    return None if random_.random() < chance else value


def base(rows: int, seed: int) -> Pool:
    """Make an ordinary pool: DataComp-like scores, sizes and captions, NULLs only in the extra columns."""
    r = random.Random(seed)
    names = [md5_uid(i, f"{seed}/") for i in range(rows)]
    files = [hashlib.sha256(str(r.randrange(max(1, rows * 3 // 4))).encode()).hexdigest() for _ in range(rows)]
    boxes = [[[r.random() for _ in range(4)] for _ in range(r.choice([0, 0, 1, 2]))] for _ in range(rows)]
    columns: dict[str, list[Any]] = {
        "uid": names,
        "url": [f"https://example.org/{name[:8]}.jpg" for name in names],
        "text": [" ".join(r.choice(WORDS) for _ in range(r.randrange(0, 9))) for _ in range(rows)],
        "original_width": [r.choice([64, 199, 200, 201, 320, 400, 600, 640, 1024, 3000]) for _ in range(rows)],
        "original_height": [r.choice([50, 199, 200, 240, 300, 480, 600, 1024]) for _ in range(rows)],
        "clip_b32_similarity_score": [float16_score(r, 0.26) for _ in range(rows)],
        "clip_l14_similarity_score": [float16_score(r) for _ in range(rows)],
        "face_bboxes": boxes,
        "sha256": files,
        "grp": [sometimes_null(r, r.randrange(-2, 4)) for _ in range(rows)],
        "score": [sometimes_null(r, r.gauss(0, 1)) for _ in range(rows)],
        "safe": [sometimes_null(r, r.random() < 0.7) for _ in range(rows)],
        "rating": [sometimes_null(r, r.randrange(0, 6)) for _ in range(rows)],
    }
    return Pool(columns, TYPES)


def choices(rows: int, seed: int, options: list[Any]) -> list[Any]:
    r = random.Random(seed)
    return [r.choice(options) for _ in range(rows)]


def fp16_ties() -> Pool:
    """Scores with about a dozen distinct values, some exactly on a decimal that float32 holds (0.25)."""
    pool = base(300, 1)
    steps = [0.25 + i * 2.0**-12 for i in range(-6, 7)]
    return pool.with_columns(
        clip_l14_similarity_score=choices(300, 11, steps), clip_b32_similarity_score=choices(300, 12, steps)
    )


def not_a_number() -> Pool:
    """NaN, -0.0, 0.0, NULL and infinity among the scores."""
    odd = [NAN, NAN, -0.0, 0.0, None, 0.25, -0.25, 0.5]
    return base(300, 2).with_columns(
        clip_l14_similarity_score=choices(300, 21, odd),
        clip_b32_similarity_score=choices(300, 22, [*odd, float("inf"), float("-inf"), 2.0**-149, 3.0e38]),
        score=choices(300, 23, [*odd, float("inf"), float("-inf"), 5e-324, 1.7e308, -1.7e308, 0.1, 0.3]),
    )


def null_captions() -> Pool:
    """Captions, urls and digests that are NULL, empty, or a single blank."""
    odd = [None, None, "", " ", "a", "a dog", "a photo of a dog"]
    return base(250, 3).with_columns(
        text=choices(250, 31, odd),
        url=choices(250, 32, [None, "", "https://example.org/x.jpg"]),
        sha256=choices(250, 33, [None, "", *(f"{i:064x}" for i in range(40))]),
    )


ODD_CAPTIONS = [
    "a\u00a0b\u3000c d",
    "\u3000\u3000",
    "a\x1cb\x1dc\x1ed\x1fe",
    "a\x85b\u2028c\u2029d\u200be\ufefff",
    "a\x00b",
    "\x00",
    "a\tb\vc\fd\re\nf",
    "\n",
    "a b\n",
    "\n\na\n",
    "line one\r\nline two\r\n",
    " leading",
    "trailing ",
    "e\u0301 cafe\u0301",
    "caf\u00e9 \u00e9",
    "👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈",
    "𝒳𝒴𝒵",
    "\U0010ffff\ue000\ud7ff",
    "100% off",
    "under_score",
    "it's 'quoted'",
    'say "hi"',
    "back\\slash \\n",
    "-- not a comment; SELECT",
    "İstanbul ıI ß ẞ K",
    "日本語 の 写真",
    "مرحبا بالعالم",
    "",
    " ",
    None,
]


def odd_captions() -> Pool:
    """Unicode blanks, NUL, combining marks, emoji, newlines, and what SQL gives a meaning to."""
    rows = 300
    r = random.Random(41)
    joined = [
        f"{r.choice(ODD_CAPTIONS[:-1])}{r.choice(['', ' ', chr(0xA0), chr(10)])}{r.choice(WORDS)}" for _ in range(150)
    ]
    return base(rows, 4).with_columns(
        text=ODD_CAPTIONS * 5 + joined,
        url=choices(rows, 42, [f"https://example.org/?q={i}%20_'" for i in range(9)]),
    )


def huge_sizes() -> Pool:
    """Widths and heights of 0, below 0, NULL, and at both limits of int64 and float64's whole numbers."""
    edges = [
        0,
        0,
        1,
        -1,
        7,
        -7,
        200,
        600,
        601,
        None,
        2**24 + 1,
        2**53,
        2**53 + 1,
        2**62,
        2**63 - 1,
        -(2**63),
        -(2**63) + 1,
    ]
    return base(300, 5).with_columns(
        original_width=choices(300, 51, edges),
        original_height=choices(300, 52, edges),
        grp=choices(300, 53, edges),
    )


def odd_uids() -> Pool:
    """Uids on both sides of 2^127, at both ends, with one prefix, and short ones without leading zeros."""
    rows = 240
    r = random.Random(61)
    fixed = ["0", "f" * 32, "7" + "f" * 31, "8" + "0" * 31, "0" * 16 + "f" * 16, "f" * 16 + "0" * 16]
    fixed += [f"{i:x}" for i in range(1, 40)]
    fixed += [f"{r.getrandbits(124):x}" for _ in range(60)]
    fixed += [f"abcabcabcabcabca{i:016x}" for i in range(40)]
    fixed += [f"{(1 << 127) | r.getrandbits(127):032x}" for _ in range(rows - len(fixed))]
    r.shuffle(fixed)
    return base(rows, 6).with_columns(uid=fixed)


def exact_cut() -> Pool:
    """Scores where the cuts of many round fractions fall on a tie, or right beside one."""
    values = [0.5 if 60 <= i < 80 else 0.25 if 120 <= i < 140 else 0.75 - i / 512 for i in range(200)]
    shuffled = values.copy()
    random.Random(71).shuffle(shuffled)
    return base(200, 7).with_columns(
        clip_l14_similarity_score=shuffled, clip_b32_similarity_score=[(i % 10) / 16 for i in range(200)]
    )


def tiny_files() -> Pool:
    """A pool that is usually written as files of one row, and of none."""
    return base(7, 8)


def null_scores() -> Pool:
    """A score column that is NULL everywhere, and one with a single value."""
    rows = 200
    return base(rows, 9).with_columns(
        clip_l14_similarity_score=[None] * rows,
        clip_b32_similarity_score=[None] * 99 + [0.3] + [None] * 100,
        score=[None] * rows,
        grp=[None] * rows,
    )


def mixed() -> Pool:
    """3,000 rows with a little of everything."""
    rows = 3000
    r = random.Random(101)
    pool = base(rows, 10)
    texts = [r.choice(ODD_CAPTIONS) if r.random() < 0.1 else text for text in pool.columns["text"]]
    scores = [
        r.choice([NAN, None, -0.0]) if r.random() < 0.05 else x for x in pool.columns["clip_l14_similarity_score"]
    ]
    widths = [r.choice([0, None, 2**62]) if r.random() < 0.03 else x for x in pool.columns["original_width"]]
    return pool.with_columns(text=texts, clip_l14_similarity_score=scores, original_width=widths)


def empty() -> Pool:
    """A pool of no rows."""
    return base(0, 0)


ADVERSARIAL: dict[str, Callable[[], Pool]] = {
    "fp16_ties": fp16_ties,
    "not_a_number": not_a_number,
    "null_captions": null_captions,
    "odd_captions": odd_captions,
    "huge_sizes": huge_sizes,
    "odd_uids": odd_uids,
    "exact_cut": exact_cut,
    "tiny_files": tiny_files,
    "null_scores": null_scores,
    "mixed": mixed,
}
