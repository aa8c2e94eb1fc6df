"""The last query of a program over one file, and the subset out of what it says of all files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.arrays import numbers, present
from dcql.catalog.pool import Pool, PoolFile
from dcql.engine.cluster.statements import packed, unpacked
from dcql.engine.cluster.work import Content
from dcql.engine.counts import Counts, asked_in
from dcql.engine.marked import Marked, marks_of, uneven
from dcql.engine.uids import Gathered, parse_items
from dcql.lower.program import Block, Told
from dcql.lower.statement import ROW
from dcql.subset import Subset


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of the last query: the funnel of `blocks`, none of which is counted where there are none.

    `kept_where` are column and number of the marks of kept samples, None in the forms that give an `id`. `demands` say
    whether a feature is asked of a sample, by the columns of their names or as `told`. `pool` is for messages about
    uids, and empty where an `id` is a position.
    """

    blocks: tuple[Block, ...]
    kept_where: tuple[str, int] | None
    has_copies: bool
    demands: tuple[str, ...]
    pool: str
    told: Mapping[str, Told] = field(default_factory=dict)


def last(batches: Iterator[Any], of: Asked) -> bytes:
    """Keep what the last query says of a file: who is kept, with how many copies, the funnel, who is asked."""
    counts = Counts(of.blocks)
    kept: list[NDArray[Any]] = []
    copies: list[NDArray[Any]] = []
    at: list[NDArray[Any]] = []
    asked: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in of.demands}
    rows = 0
    for batch in batches:
        rows += batch.num_rows
        counts.add(batch)
        for name, parts in asked.items():
            parts.append(asked_in(batch, name, of.told))
        if of.kept_where is not None:
            column, mark = of.kept_where
            here = numbers(batch.column(column)) == mark
            kept.append(here)
        else:
            ids = batch.column("id")
            here = present(ids)
            ids = ids.drop_null() if ids.null_count else ids
            kept.append(parse_items(ids, file=of.pool, first_row=None) if of.pool else numbers(ids))
            if of.demands and not of.pool:
                at.append(numbers(batch.column(ROW)).astype(np.int64))
        if of.has_copies:
            copies.append(numbers(batch.column("copies"))[here])
    order = np.argsort(np.concatenate(at)) if at else slice(None)
    none = np.empty(0, np.bool_)
    found: dict[str, Any] = {
        "rows": np.array([rows]),
        "depths": np.concatenate([*counts.depths, np.empty(0, np.int64)]),
        "undefined": counts.undefined,
        **{f"asked/{name}": np.packbits(np.concatenate([none, *parts])[order]) for name, parts in asked.items()},
    }
    if of.kept_where is not None:
        found["kept"] = np.packbits(np.concatenate([none, *kept]))
    else:
        found["ids"] = kept or np.empty(0, "V16" if of.pool else np.uint32)
    if of.has_copies:
        found["copies"] = copies or np.empty(0, np.int64)
    return packed(found)


class Gathering:
    """The kept samples out of what `last` says file by file, in any order: of an added pool by rank, else by uid."""

    def __init__(self, pool: Pool, counts: Counts, *, has_copies: bool) -> None:
        self._pool = pool
        self._counts = counts
        self._has_copies = has_copies
        self._gathered: Gathered | None = None
        if pool.added:
            self._marks = marks_of(pool.rows, has_copies)
        else:
            self._gathered = Gathered(*(("<u8",) if has_copies else ()))

    def add(self, file: PoolFile, content: Content) -> dict[str, NDArray[np.bool_]]:
        """Take in a file; return of which of its rows each feature is asked, by the name of the demand."""
        found = unpacked(content)
        self.count(found)
        copies = found.get("copies")
        if self._gathered is not None:
            self._gathered.add(found["ids"], *(() if copies is None else (copies,)))
        else:
            self._mark(file, found, copies)
        rows = int(found["rows"][0])
        start = len("asked/")
        return {
            name[start:]: np.unpackbits(bits, count=rows).view(np.bool_)
            for name, bits in found.items()
            if name.startswith("asked/")
        }

    def count(self, found: dict[str, Any]) -> None:
        """Take in the funnel of a file."""
        if len(found["depths"]):
            self._counts.merge(found["depths"], found["undefined"])

    def _mark(self, file: PoolFile, found: dict[str, Any], copies: Any) -> None:
        ranks = np.load(file.rank, mmap_mode="r")  # type: ignore[arg-type]
        if int(found["rows"][0]) != file.rows or len(ranks) != file.rows:
            raise uneven()
        if "kept" in found:
            kept = np.unpackbits(found["kept"], count=file.rows).view(np.bool_)
            places = np.compress(kept, ranks)
        else:
            places = ranks[found["ids"]]
        try:
            self._marks.add(places, copies)
        except IndexError:
            raise uneven() from None  # a rank beyond the pool's uids

    @property
    def kept(self) -> int:
        """How many uids of a raw pool are kept so far."""
        assert self._gathered is not None
        return self._gathered.count

    def found(self) -> Subset | Gathered:
        """Return the subset of an added pool, or the gathered uids of a raw one."""
        if self._gathered is not None:
            return self._gathered
        assert self._pool.uids is not None
        return Marked(self._marks, self._pool.uids)
