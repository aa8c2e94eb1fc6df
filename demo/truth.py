"""What a subset of the demo pool holds, by the truth that no recipe can read: the shares of each kind of row.

kept = np.load("subset.npy")  # DataComp's form: one (u8, u8) a sample
print(profile(kept).among_kept["clean English"])
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
UID = np.dtype([("f0", "<u8"), ("f1", "<u8")])  # the high and the low 64 bits of a uid

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Profile:
    """Shares of the classes of `classes` in a subset of `rows` samples.

    `among_kept` maps class -> its share of the kept rows, NaN where none was kept; `of_class` maps class -> the share
    of its rows that was kept. `whole` maps class -> its share of the pool. All are 0 to 1.
    """

    rows: int
    among_kept: Mapping[str, float]
    of_class: Mapping[str, float]
    whole: Mapping[str, float]


def column(truth: pa.Table, name: str) -> npt.NDArray[np.object_]:
    """Read a text column, NULL as ''."""
    return np.array([value or "" for value in truth[name].to_pylist()], dtype=object)


def classes(truth: pa.Table) -> dict[str, Mask]:
    """Mark the rows of each class; a row may be in several, or in none.

    A wrong caption is that of another concept, or an advert; boilerplate is a class of its own. A duplicate is a copy,
    not what it copies. Clean English: right English caption, on topic, neither tiny nor wide; duplicates count.
    """
    right, boilerplate = truth["caption_right"].to_numpy(), truth["boilerplate"].to_numpy()
    off_topic = column(truth, "off_topic")
    misshapen = truth["tiny"].to_numpy() | truth["wide"].to_numpy()
    clean = right & (off_topic == "") & ~misshapen
    return {
        "clean English": clean & (column(truth, "language") == "en"),
        "wrong caption": ~right & ~boilerplate,
        "boilerplate": boilerplate,
        "duplicate": column(truth, "duplicate") != "",
        "off topic": off_topic != "",
        "off topic: flag": off_topic == "flag",
        "off topic: pattern": off_topic == "pattern",
    }


def uids(truth: pa.Table) -> npt.NDArray[np.void]:
    """Read the uids in DataComp's form, dtype (u8, u8), in the order of the rows."""
    digits = "".join(truth["uid"].to_pylist())
    return np.frombuffer(bytes.fromhex(digits), dtype=[("f0", ">u8"), ("f1", ">u8")]).astype(UID)


def profile(kept: npt.NDArray[Any], *, data: Path = DATA) -> Profile:
    """Profile the samples `kept`, an (n,) array of dtype (u8, u8) in any order; a repeated uid counts once.

    Raises ValueError where the array is of another shape or dtype, or a uid is not of the demo pool.
    """
    fields = [kept.dtype[name].kind for name in kept.dtype.names or ()]
    if kept.ndim != 1 or fields != ["u", "u"]:
        raise ValueError(f"uids are an (n,) array of dtype (u8, u8), not {kept.shape} of {kept.dtype}")
    truth = pq.read_table(data / "truth.parquet")
    own = uids(truth)
    wanted = np.unique(kept.astype(UID))
    mask = np.isin(own, wanted)
    if mask.sum() != len(wanted):
        raise ValueError(f"{len(wanted) - mask.sum()} of {len(wanted)} uids are not of the demo pool")
    marks = classes(truth)
    return Profile(
        rows=len(wanted),
        among_kept={name: float(mark[mask].mean()) if len(wanted) else float("nan") for name, mark in marks.items()},
        of_class={name: float(mask[mark].mean()) for name, mark in marks.items()},
        whole={name: float(mark.mean()) for name, mark in marks.items()},
    )
