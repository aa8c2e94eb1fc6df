"""Stage 2: the concepts, their drawings by three vendors, their names and keywords in twelve languages."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

from fetch import member, members
from PIL import Image

LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "nl", "pl", "tr", "ru", "ar", "ja")
POOL_VENDORS = ("twitter", "fluent-3d")
HELD_OUT_VENDOR = "google"
SOURCE_SIDE = 64  # pixels of a drawing before it is rendered


@dataclass(frozen=True, slots=True)
class Concept:
    """One emoji: `code` is its hexadecimal code points; `words` maps language -> (name, keywords)."""

    code: str
    category: str
    subcategory: str
    is_flag: bool
    words: dict[str, tuple[str, tuple[str, ...]]]

    @property
    def name(self) -> str:
        return self.words["en"][0]


@dataclass(frozen=True, slots=True)
class Collection:
    """Concepts that every vendor drew, flags apart, and drawings[vendor][code], RGBA, SOURCE_SIDE square."""

    concepts: tuple[Concept, ...]
    flags: tuple[Concept, ...]
    drawings: dict[str, dict[str, Image.Image]]


def _annotations(packages: dict[str, Path], language: str) -> dict[str, dict[str, list[str]]]:
    merged: dict[str, dict[str, list[str]]] = {}
    for package, key in (
        ("cldr-annotations-full", "annotations"),
        ("cldr-annotations-derived-full", "annotationsDerived"),
    ):
        text = member(packages[package], f"package/{key}/{language}/annotations.json")
        merged.update(json.loads(text)[key]["annotations"])
    return merged


def _characters(unified: str) -> str:
    # CLDR leaves out the emoji presentation selector.
    return "".join(chr(int(part, 16)) for part in unified.split("-") if part != "FE0F")


def _open(image: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(image)).convert("RGBA")
    if opened.size != (SOURCE_SIDE, SOURCE_SIDE):
        opened = opened.resize((SOURCE_SIDE, SOURCE_SIDE), Image.Resampling.LANCZOS)
    return opened


def collect(packages: dict[str, Path]) -> Collection:
    """Read the packages; a concept is kept when every vendor drew it and every language names it."""
    entries = json.loads(member(packages["emoji-datasource-twitter"], "package/emoji.json"))
    google = members(packages["emoji-datasource-google"], "package/img/google/64", ".png")
    twitter = members(packages["emoji-datasource-twitter"], "package/img/twitter/64", ".png")
    fluent = members(packages["@lobehub/fluent-emoji-3d"], "package/assets", ".webp")
    annotations = {language: _annotations(packages, language) for language in LANGUAGES}

    concepts, flags = [], []
    drawings: dict[str, dict[str, Image.Image]] = {vendor: {} for vendor in (*POOL_VENDORS, HELD_OUT_VENDOR)}
    for entry in sorted(entries, key=lambda entry: entry["sort_order"]):
        code = entry["unified"].lower()
        is_flag = entry["subcategory"] in ("country-flag", "subdivision-flag")
        words = {}
        for language in LANGUAGES:
            found = annotations[language].get(_characters(entry["unified"]), {})
            if found.get("tts"):
                name = found["tts"][0]
                keywords = tuple(dict.fromkeys(k for k in found.get("default", []) if k != name))
                words[language] = (name, keywords)
        if entry["category"] == "Component" or len(words) < len(LANGUAGES) or not entry["has_img_twitter"]:
            continue
        concept = Concept(code, entry["category"], entry["subcategory"], is_flag, words)
        if is_flag:
            flags.append(concept)
            drawings["twitter"][code] = _open(twitter[entry["image"].removesuffix(".png")])
            continue
        names = (code, (entry["non_qualified"] or "").lower(), entry["image"].removesuffix(".png"))
        drawn = next((fluent[name] for name in names if name in fluent), None)
        if drawn is None or not entry["has_img_google"]:
            continue
        concepts.append(concept)
        image = entry["image"].removesuffix(".png")
        drawings["twitter"][code] = _open(twitter[image])
        drawings["google"][code] = _open(google[image])
        drawings["fluent-3d"][code] = _open(drawn)
    return Collection(tuple(concepts), tuple(flags), drawings)
