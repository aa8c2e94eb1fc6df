"""What an attribution found: which edits between two recipes caused which samples to differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcql.inspect.funnel import plain
from dcql.plan.edits import QUERY, Edit
from dcql.subset import Uids

# Where a sample is: only in A (it was removed), only in B (it was added), in both with other copies.
SIDES = ("a", "b", "copies")
MANY = 5  # uids of a cause that are told


@dataclass(frozen=True, slots=True)
class Moved:
    """Something that decides with one text in both recipes, and otherwise, for what it ranges over changed.

    `what` is "threshold" for a clause that compares with one q, "clause" for any other one, "tail" for DISTINCT ON and
    LIMIT. `text` is that q, clause or tail, in `stage`; `population` is what the q ranges over, empty for others. `a`
    and `b` are the values of the threshold, None for NULL; `edits` the numbers of the edits that it depends on.
    """

    what: str
    stage: str
    text: str
    population: str
    a: int | float | None
    b: int | float | None
    edits: tuple[int, ...]

    def words(self, by: Sequence[Edit]) -> str:
        """Say so, with the edits that it was moved by."""
        because = f" (by: {'; '.join(edit.words for edit in by)})"
        where = "" if self.stage == QUERY else f" in {self.stage}"
        match self.what:
            case "threshold":
                values = f"{number(self.a)} to {number(self.b)}"
                return f"threshold {self.text}{where} moved from {values} because its population changed{because}"
            case "clause":
                return f"{self.text}{where} decides otherwise because what it reads changed{because}"
            case _:
                return f"{self.text}{where} takes other samples because what it ranges over changed{because}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Samples that differ for one reason: undoing `edits` in B gives A's answer for each, undoing fewer does not.

    `side` is one of SIDES. `edits` are numbers of edits, ascending; none where the reason is not known, and `words` say
    why not. `moved` is the place in `Attribution.moved` of the threshold through which they act, where the clause that
    decides is itself not edited. `words` has a line for each edit, or one line for the threshold. `examples` are the
    first uids, 32 hex digits each. `smallest` is False where there were too many sets of edits to try all smaller ones.
    """

    side: str
    edits: tuple[int, ...]
    words: tuple[str, ...]
    count: int
    examples: tuple[str, ...]
    moved: int | None = None
    smallest: bool = True


@dataclass(frozen=True, slots=True)
class Failing:
    """A clause that samples fail: those only in A (`side` a) one of B, those only in B (`side` b) one of A.

    `first` counts the samples for which it is the first in the order of the text, `only` those that fail no other.
    `edit` is the number of the edit that the clause belongs to, None where it is the same in both recipes. `is_clause`
    is False for set operations, which are failed as one.
    """

    side: str
    stage: str
    text: str
    first: int
    only: int
    edit: int | None = None
    is_clause: bool = True


@dataclass(frozen=True, slots=True)
class Histogram:
    """The scores of the samples that differ, where a clause compares a score with a threshold.

    `edges` are the ends of the bins, ascending: the first bin lies below `edges[0]`, bin i holds
    `edges[i - 1] <= score < edges[i]`, and the last one what is at `edges[-1]` or above. `removed` counts the samples
    only in A by bin, `added` those only in B; `nulls` counts those of both that have no score. `a` and `b` are the
    thresholds, None where that recipe has none there, and `a_bin` and `b_bin` the places of the bins that begin at
    them: at the next number where the clause leaves the threshold itself below. Over two pools, a score is that of the
    sample's own one.
    """

    stage: str
    score: str
    clause: str
    a: int | float | None
    b: int | float | None
    edges: tuple[int | float, ...]
    removed: tuple[int, ...]
    added: tuple[int, ...]
    nulls: tuple[int, int]
    a_bin: int | None = None
    b_bin: int | None = None


@dataclass(frozen=True)
class Attribution:
    """Why two subsets differ, sample by sample.

    `edits` lead from recipe A to recipe B, in the order of the text. `causes` come by side, the largest first. `uids`
    is (n,) UID, those only in A, then those only in B, then those with other copies, each in order; `cause` is (n,)
    intp: the place in `causes` for each of them. `moved`, `failing` and `histograms` say more of the same samples.
    `notes` are sentences about what the attribution could not take into account.

    As JSON (`to_json`), which is stable:

        {"edits": [{"number": 1, "kind": "clause changed", "stage": "query", "old": "..", "new": "..", "words": ".."}],
         "causes": [{"side": "a", "edits": [1], "words": [".."], "moved": null, "count": 226, "examples": ["<uid>"],
                     "smallest": true}],
         "moved": [{"what": "threshold", "stage": "query", "text": "q(0.7 OF english)", "population": "english",
                    "a": 0.28, "b": 0.27, "edits": [1]}],
         "failing": [{"side": "a", "stage": "query", "text": "..", "edit": 1, "first": 226, "only": 200}],
         "histograms": [{"stage": "query", "score": "clip_l14", "clause": "..", "a": 0.2, "b": 0.3,
                         "a_bin": 1, "b_bin": 3, "edges": [0.2, 0.25, 0.3], "removed": [0, 80, 146, 0],
                         "added": [0, 0, 0, 0], "nulls": {"removed": 0, "added": 0}}],
         "notes": [".."]}
    """

    edits: tuple[Edit, ...]
    causes: tuple[Cause, ...]
    uids: Uids
    cause: NDArray[np.intp]
    moved: tuple[Moved, ...] = ()
    failing: tuple[Failing, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def of(self, side: str) -> tuple[Cause, ...]:
        """Return the causes of one side, the largest first."""
        return tuple(cause for cause in self.causes if cause.side == side)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data, without the uids but for the examples."""
        return {
            "edits": [edit.to_json() for edit in self.edits],
            "causes": [
                {
                    "side": cause.side,
                    "edits": list(cause.edits),
                    "words": list(cause.words),
                    "moved": cause.moved,
                    "count": cause.count,
                    "examples": list(cause.examples),
                    "smallest": cause.smallest,
                }
                for cause in self.causes
            ],
            "moved": [
                {
                    "what": one.what,
                    "stage": one.stage,
                    "text": one.text,
                    "population": one.population,
                    "a": plain(one.a),
                    "b": plain(one.b),
                    "edits": list(one.edits),
                }
                for one in self.moved
            ],
            "failing": [
                {
                    "side": one.side,
                    "stage": one.stage,
                    "text": one.text,
                    "edit": one.edit,
                    "first": one.first,
                    "only": one.only,
                }
                for one in self.failing
            ],
            "histograms": [
                {
                    "stage": one.stage,
                    "score": one.score,
                    "clause": one.clause,
                    "a": plain(one.a),
                    "b": plain(one.b),
                    "a_bin": one.a_bin,
                    "b_bin": one.b_bin,
                    "edges": [plain(edge) for edge in one.edges],
                    "removed": list(one.removed),
                    "added": list(one.added),
                    "nulls": {"removed": one.nulls[0], "added": one.nulls[1]},
                }
                for one in self.histograms
            ],
            "notes": list(self.notes),
        }


def number(value: int | float | None) -> str:
    """Write a threshold in few digits."""
    return "NULL" if value is None else f"{value:.6g}" if isinstance(value, float) else f"{value:,}"
