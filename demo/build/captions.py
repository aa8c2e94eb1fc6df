"""Stage 3: the text of a caption, right, wrong, or boilerplate."""

import numpy as np
from drawings import Concept
from faults import NAME_AND_KEYWORDS, NAME_ONLY

BOILERPLATE = (
    "IMG_{n:04d}.jpg",
    "DSC{n:05d}.jpg",
    "photo {n}.png",
    "Screenshot_2021-{n:04d}.png",
    "image{n}",
    "click here",
    "Click to enlarge",
    "untitled",
    "Untitled-{n}",
    "thumbnail",
    "Image {n} of 24",
    "No description available",
    "loading",
    "banner-728x90.gif",
    "Image may contain: text",
    "product photo {n}",
)
ADVERTS = (
    "buy {name} online free shipping",
    "{name} best price {n}",
    "{name} wallpaper HD download",
    "cheap {name} sale",
    "{name} stock vector",
    "{name} {keyword} on sale today only",
)


def describe(concept: Concept, language: str, rng: np.random.Generator) -> str:
    """Write one caption: the name, the name and two keywords, or three keywords, joined by spaces."""
    name, keywords = concept.words[language]
    kind = rng.random()
    if kind < NAME_ONLY or not keywords:
        return name
    count = 2 if kind < NAME_ONLY + NAME_AND_KEYWORDS else 3
    chosen = [keywords[i] for i in rng.permutation(len(keywords))[:count]]
    return " ".join(chosen if count == 3 else [name, *chosen])


def boilerplate(rng: np.random.Generator) -> str:
    """Write a caption that says nothing about any image."""
    return BOILERPLATE[rng.integers(len(BOILERPLATE))].format(n=int(rng.integers(1, 10_000)))


def advert(concept: Concept, rng: np.random.Generator) -> str:
    """Write an English advert for the concept, as found beside images that do not show it."""
    name, keywords = concept.words["en"]
    keyword = keywords[rng.integers(len(keywords))] if keywords else name
    advert = ADVERTS[rng.integers(len(ADVERTS))]
    return advert.format(name=name, keyword=keyword, n=int(rng.integers(1, 1000)))
