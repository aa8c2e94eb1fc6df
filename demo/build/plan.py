"""Stage 5: the rows of the pool and what is wrong with each, then their captions and images."""

from dataclasses import dataclass, replace

import captions
import faults
import numpy as np
import render
from drawings import LANGUAGES, POOL_VENDORS, Collection, Concept


@dataclass(frozen=True, slots=True)
class Row:
    """One row with its truth. `concept` is what the image shows, None for a pattern."""

    number: int  # seeds the random choices of this row; unique
    concept: Concept | None
    vendor: str
    language: str  # of the caption; "" for boilerplate
    text: str
    caption_right: bool
    boilerplate: bool
    off_topic: str  # "", "flag" or "pattern"
    width: int
    height: int
    image: bytes
    duplicate: str = ""  # "", "exact" or "reencoded"
    duplicate_of: int | None = None  # number of the row it copies

    @property
    def tiny(self) -> bool:
        return max(self.width, self.height) <= faults.TINY_SIDE[1]

    @property
    def wide(self) -> bool:
        return max(self.width, self.height) > 3 * min(self.width, self.height)


def _size(rng: np.random.Generator) -> tuple[int, int]:
    kind = rng.random()
    if kind < faults.TINY:
        side = int(rng.integers(faults.TINY_SIDE[0], faults.TINY_SIDE[1] + 1))
        return side, side
    if kind < faults.TINY + (1 - faults.TINY) * faults.WIDE:
        short = int(rng.integers(faults.WIDE_SHORT_SIDE[0], faults.WIDE_SHORT_SIDE[1] + 1))
        long = round(short * rng.uniform(*faults.WIDE_ASPECT))
        return (long, short) if rng.random() < 0.5 else (short, long)
    return faults.SIDE, faults.SIDE


def _row(number: int, concept: Concept | None, vendor: str, language: str, collection: Collection) -> Row:
    rng = np.random.default_rng([faults.SEED, 1, number])
    width, height = _size(rng)
    if concept is None:
        drawing = render.pattern(rng)
    else:
        drawing = collection.drawings[vendor][concept.code]
    image = render.webp(render.place(drawing, rng, width, height))

    is_boilerplate = bool(rng.random() < faults.BOILERPLATE)
    others = collection.flags if concept is not None and concept.is_flag else collection.concepts
    other = others[rng.integers(len(others))]
    while other is concept:
        other = others[rng.integers(len(others))]
    right = False
    if is_boilerplate:
        text, language = captions.boilerplate(rng), ""
    elif concept is None:
        text = captions.advert(other, rng) if language == "en" else captions.describe(other, language, rng)
    else:
        right = bool(rng.random() >= faults.WRONG_CAPTION)
        text = captions.describe(concept if right else other, language, rng)
    off_topic = "pattern" if concept is None else "flag" if concept.is_flag else ""
    return Row(number, concept, vendor, language, text, right, is_boilerplate, off_topic, width, height, image)


def _languages(rng: np.random.Generator, count: int) -> list[str]:
    return [LANGUAGES[1 + i] for i in rng.permutation(len(LANGUAGES) - 1)[:count]]


def rows(collection: Collection) -> list[Row]:
    """Make all rows in the shuffled order of the pool."""
    rng = np.random.default_rng([faults.SEED, 0])
    made: list[Row] = []
    for concept in collection.concepts:
        for vendor in POOL_VENDORS:
            languages = ["en"] * faults.ENGLISH_CAPTIONS + _languages(rng, faults.OTHER_CAPTIONS)
            for language in languages:
                made.append(_row(len(made), concept, vendor, language, collection))

    originals = round(len(made) / (1 - faults.OFF_TOPIC))
    total = round(originals / (1 - faults.EXACT_DUPLICATES - faults.REENCODED_DUPLICATES))
    english = faults.ENGLISH_CAPTIONS / (faults.ENGLISH_CAPTIONS + faults.OTHER_CAPTIONS)
    while len(made) < originals:
        language = "en" if rng.random() < english else _languages(rng, 1)[0]
        is_flag = rng.random() < faults.FLAGS_OF_OFF_TOPIC
        flag = collection.flags[rng.integers(len(collection.flags))]
        if is_flag:
            made.append(_row(len(made), flag, "twitter", language, collection))
        else:
            made.append(_row(len(made), None, "", language, collection))

    copied = rng.permutation(len(made))[: round(len(made) * faults.DUPLICATED)]
    for kind, share in (
        ("exact", faults.EXACT_DUPLICATES),
        ("reencoded", faults.REENCODED_DUPLICATES),
    ):
        for _ in range(round(total * share)):
            original = made[copied[rng.integers(len(copied))]]
            number = len(made)
            image = original.image
            if kind == "reencoded":
                image = render.reencode(image, np.random.default_rng([faults.SEED, 2, number]))
            made.append(replace(original, number=number, image=image, duplicate=kind, duplicate_of=original.number))
    return [made[i] for i in rng.permutation(len(made))]


def trusted(collection: Collection) -> tuple[list[Concept], list[Concept]]:
    """Choose the concepts and the flags that the scorers are trained on, in the order of the collection."""
    rng = np.random.default_rng([faults.SEED, 3])
    chosen = []
    for among in (collection.concepts, collection.flags):
        picked = rng.permutation(len(among))[: round(len(among) * faults.TRUSTED)]
        chosen.append([among[i] for i in sorted(picked)])
    return chosen[0], chosen[1]
