"""Where the faces of samples are: `face_bboxes` of their .json, or of the pool's parquet files."""

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from dcql.runtime.reshard.blur import blur, boxes_of
from numpy.typing import NDArray

from dcql.errors import Diagnostic, RunError
from dcql.files import list_files, locate, unreadable
from dcql.subset import UID, Uids, find
from dcql.tars.members import described_by

COLUMN = "face_bboxes"
_ROWS = 1 << 16

# The boxes of a sample in the array of all boxes: from `first` on so many; known is false where no file has its uid.
PLACE = np.dtype([("first", "<i8"), ("count", "<i4"), ("known", "?")])


def read_boxes(source: str, uids: Uids) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Return where the boxes of `uids`, strictly ascending, are, (n,) of dtype PLACE, and all boxes, (k, 4).

    They are read from the parquet files of the pool `source`, a folder, file or URL, of which a uid's first row counts.
    Raises RunError where they cannot be read or have no such column.
    """
    places = np.zeros(len(uids), PLACE)
    kept: list[NDArray[np.float64]] = []
    count = 0
    for ranks, lists in _rows(source, uids):
        for rank, stated in zip(ranks.tolist(), lists, strict=True):
            if places["known"][rank] or stated is None:
                continue
            boxes = boxes_of(stated)
            if boxes is None:
                _refuse_boxes(_hex(uids[rank]), f"`{source}` gives it a {COLUMN} that is no list of boxes")
            places[rank] = (count, len(boxes), True)
            count += len(boxes)
            kept.append(np.array(boxes, np.float64).reshape(-1, 4))
    return places, np.concatenate([np.zeros((0, 4)), *kept])


def blurrer(
    samples: NDArray[np.void], places: NDArray[np.void] | None, boxes: NDArray[np.float64] | None
) -> Callable[[int, bytes, bytes], bytes | None]:
    """Return what blurs the faces of a sample: of its position among `samples`, (n,) of dtype TAKEN, image and .json.

    `places` are those of the samples, in the same order. It returns None where there is no face. Raises RunError where
    nothing is known of a sample's faces, or they cannot be blurred.
    """

    def change(position: int, image: bytes, json: bytes) -> bytes | None:
        described = described_by(json) or {}
        row = samples[position]
        uid = f"{int(row['uid_high']):016x}{int(row['uid_low']):016x}"
        if described.get(COLUMN) is not None:
            found = boxes_of(described[COLUMN])
            if found is None:
                _refuse_boxes(uid, f"its .json gives a {COLUMN} that is no list of boxes")
        elif places is not None and boxes is not None and places["known"][position]:
            first, count, _ = places[position]
            found = [(left, top, right, bottom) for left, top, right, bottom in boxes[first : first + count].tolist()]
        else:
            _refuse_boxes(uid, f"neither its .json nor a parquet file has its {COLUMN}")
        if not found:
            return None
        changed = blur(image, found)
        if isinstance(changed, str):
            _refuse_image(uid, changed)
        return changed

    return change


def _rows(source: str, uids: Uids) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """Yield ranks among `uids`, and what the column holds there, as Python's lists."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for listed in list_files(source):
        try:
            filesystem, path = locate(listed.path)
            with filesystem.open(path, "rb") as file:
                opened = pq.ParquetFile(pa.PythonFile(file, mode="r"))
                if not {"uid", COLUMN} <= set(opened.schema_arrow.names):
                    _refuse_column(listed.name)
                for batch in opened.iter_batches(_ROWS, columns=["uid", COLUMN], use_threads=False):
                    texts = pc.utf8_lpad(pc.fill_null(batch["uid"].cast(pa.string()), "x"), 32, "0")
                    ranks = find(uids, _parse(texts.to_pylist()))
                    held = np.flatnonzero(ranks >= 0)
                    yield ranks[held], batch[COLUMN].take(pa.array(held)).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise RunError(unreadable(listed.path, error)) from error


def _parse(texts: list[str]) -> Uids:
    """Return uids as numbers; a text that is no uid is one that no sample has."""
    found = np.zeros(len(texts), UID)
    try:
        words = np.frombuffer(bytes.fromhex("".join(texts)), ">u8").reshape(len(texts), 2)
        found["f0"], found["f1"] = words[:, 0], words[:, 1]
    except ValueError:
        for position, text in enumerate(texts):
            try:
                found[position] = divmod(int(text, 16), 1 << 64) if len(text) == 32 else (0, 0)
            except ValueError:
                found[position] = (0, 0)
    return found


def _hex(uid: Any) -> str:
    return f"{int(uid['f0']):016x}{int(uid['f1']):016x}"


def _refuse_column(name: str) -> NoReturn:
    advice = "name the pool's parquet files, which have uid and face_bboxes"
    raise RunError(Diagnostic("E1014", f"`{name}` has no column {COLUMN}", None, "it gives no faces", (advice,)))


def _refuse_boxes(uid: str, label: str) -> NoReturn:
    advice = (
        "name the pool's parquet files, which have the column: --boxes ./small",
        "keep faces as they are, where the pool's images were blurred in the download: --blur none",
    )
    raise RunError(Diagnostic("E1014", f"nothing is known of faces in sample {uid}", None, label, advice))


def _refuse_image(uid: str, label: str) -> NoReturn:
    advice = f"leave it out of the subset: WHERE uid NOT IN ('{uid}')"
    raise RunError(Diagnostic("E1015", f"the image of sample {uid} cannot be blurred", None, label, (advice,)))
