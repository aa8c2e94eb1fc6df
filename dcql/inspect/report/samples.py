"""Samples as a report shows them: caption, score and a small picture."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcql.catalog.pool import Pool
from dcql.catalog.types import Type
from dcql.engine.values import read_columns, read_images
from dcql.errors import RunError, printable
from dcql.images import thumbnail
from dcql.inspect.report.drawing import number
from dcql.inspect.report.findings import Near
from dcql.subset import UID

SIDE = 160  # of a thumbnail, in pixels
MAX_CAPTION = 240  # characters
MAX_SCORES = 2
_CAPTION = "text"
_NO_TARS = "E0641"
_SIZE = ("original_width", "original_height")


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail as an address that holds it, and its size in pixels."""

    data: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample: its uid, 32 hex digits, and what the pool says of it; "" for what it does not say.

    `scores` are its numbers in the pool's FLOAT columns, with their names. `picture` is None where there is none, and
    then `reason` says why.
    """

    uid: str
    caption: str
    size: str
    scores: tuple[tuple[str, str], ...]
    picture: Picture | None
    reason: str


def samples(
    pool: Pool, near: Sequence[Near], names: Mapping[str, str], *, pictures: bool
) -> tuple[Mapping[tuple[int, int], Sample], str]:
    """Return what a report shows of some samples, by uid, and why there is no picture of any, "" where there is one.

    `names` are those of columns in recipes, where they are others.

    Raises RunError where the pool cannot be read.
    """
    chosen = {one.uid: one for one in near}
    known = {column.name: column.type for column in pool.schema.columns}
    scores = [name for name, type_ in known.items() if type_ is Type.FLOAT][:MAX_SCORES]
    about = [name for name in (_CAPTION, *_SIZE) if known.get(name) in (Type.TEXT, Type.INT)]
    wanted = {name: known[name] for name in (*about, *scores)}
    told: dict[tuple[int, int], dict[str, Any]] = {}
    for file in sorted({one.file for one in chosen.values()}):
        here = sorted((one for one in chosen.values() if one.file == file), key=lambda one: one.row)
        columns = read_columns(pool.files[file], wanted, np.array([one.row for one in here], np.int64))
        for place, one in enumerate(here):
            told[one.uid] = {name: values[place] for name, values in columns.items()}
    uids = sorted(chosen)
    found, why = _pictures(pool, uids) if pictures else ([""] * len(uids), "")
    result = {}
    for uid, picture in zip(uids, found, strict=True):
        row = told[uid]
        size = " × ".join(str(row[name]) for name in _SIZE if row.get(name) is not None)
        reason = picture if isinstance(picture, str) else ""
        result[uid] = Sample(
            f"{uid[0]:016x}{uid[1]:016x}",
            _cut(row.get(_CAPTION)),
            size,
            tuple((names.get(name, name), number(row[name])) for name in scores),
            None if isinstance(picture, str) else picture,
            reason,
        )
    return result, why


def _pictures(pool: Pool, uids: Sequence[tuple[int, int]]) -> tuple[list[Picture | str], str]:
    """Return a picture for each uid, or the reason why there is none; and why there is none at all."""
    if not uids:
        return [], ""
    try:
        images = read_images(pool, np.array(uids, UID))
        return [_picture(image) for image in images], ""
    except RunError as error:
        first = error.diagnostics[0]
        if first.code == _NO_TARS:
            return [""] * len(uids), "the pool has no tars of images"
        return [""] * len(uids), printable(first.message + (f": {first.label}" if first.label else ""))


def _picture(image: bytes | None) -> Picture | str:
    made = thumbnail(image, SIDE)
    if isinstance(made, str):
        return made
    content, width, height = made
    return Picture(f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}", width, height)


def _cut(text: Any) -> str:
    caption = "" if text is None else str(text)
    return caption if len(caption) <= MAX_CAPTION else caption[: MAX_CAPTION - 1] + "…"
