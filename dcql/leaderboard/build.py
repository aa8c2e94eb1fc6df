"""Submissions -> a static site, the same bytes for the same submissions, written whole or not at all.

SITE/
  index.html               a board for each track and scale, conflicts, what was rejected
  entries/SLUG/index.html  an entry: recipe, funnel, results, what it shares with others, chain, environment
  entries/SLUG/..          its documents
  leaderboard.json         the rows, for programs
  style.css board.js
"""

import json
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from dcql.engine import folder as folders
from dcql.errors import Diagnostic, RunError
from dcql.leaderboard.boards import Board, Row, boards
from dcql.leaderboard.compare import SKETCH, Pair, mirrored, pair
from dcql.leaderboard.conflicts import Conflict, conflicts
from dcql.leaderboard.gather import Accepted, Rejected, gather
from dcql.leaderboard.pages import Pages
from dcql.leaderboard.view import flat, funnel, results
from dcql.pages import style
from dcql.pages.text import edits
from dcql.submission import layout
from dcql.syntax.highlight import pieces

INDEX = "index.html"
ROWS = "leaderboard.json"
_STYLE, _SCRIPT = "style.css", "board.js"
# Documents of an entry that its page links to; the uids are too large for some pools, and the lock has their hash.
_DOCUMENTS = tuple(name for name in layout.REQUIRED)
# An entry's recipe is compared line by line with those of so many entries, the most alike first.
MAX_EDITED = 25
SCHEMA = 1


@dataclass(frozen=True)
class Built:
    """A site that was written."""

    boards: tuple[Board, ...]
    entries: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]
    conflicts: tuple[Conflict, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what is on the site as plain data: leaderboard.json."""
        return {
            "schema": SCHEMA,
            "boards": [
                {
                    "track": board.track,
                    "scale": board.scale,
                    "columns": [column.title for column in board.columns],
                    "rows": [_row_to_json(row) for row in board.rows],
                }
                for board in self.boards
            ],
            "rejected": [
                {"submission": one.place, "faults": [fault.to_json() for fault in one.faults]} for one in self.rejected
            ],
            "conflicts": [
                {
                    "of": one.of,
                    "what": one.what,
                    "key": one.key,
                    "explained": one.explained,
                    "values": [
                        {"value": value, "entries": [e.place for e in entries]} for value, entries in one.values
                    ],
                }
                for one in self.conflicts
            ],
        }


def build_site(submissions: Path, out: Path, title: str = "Leaderboard") -> Built:
    """Write the site of all submissions below a folder to `out`, over a site that was built there before.

    Raises RunError (E1320) where there is no such folder, or `out` is something else than a site; RunError where the
    disk does, or a package is missing.
    """
    _refuse_other(out)
    pages = Pages(title)
    accepted, rejected = gather(submissions)
    found = boards(accepted)
    built = Built(found, accepted, rejected, conflicts(accepted))
    with folders.whole(out) as unfinished:
        _write(unfinished / _STYLE, style("dcql.leaderboard", _STYLE))
        script = files("dcql.leaderboard").joinpath("static", _SCRIPT)
        _write(unfinished / _SCRIPT, script.read_text(encoding="utf-8"))
        _write(unfinished / ROWS, json.dumps(built.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        conflicted = {one.slug for conflict in built.conflicts for one in conflict.entries}
        index = pages.render(
            "index.html",
            root="",
            boards=found,
            rejected=rejected,
            conflicts=built.conflicts,
            conflicted=conflicted,
        )
        _write(unfinished / INDEX, index)
        pairs = _Pairs(accepted)
        for board in found:
            for row in board.rows:
                if row.entry is not None:
                    _write_entry(unfinished, pages, built, board, row, row.entry, pairs.of(row.entry))
    return built


def _write_entry(
    site: Path,
    pages: Pages,
    built: Built,
    board: Board,
    row: Row,
    one: Accepted,
    others: list[tuple[Accepted, Pair]],
) -> None:
    folder = site / "entries" / one.slug
    folder.mkdir(parents=True)
    page = pages.render(
        "entry.html",
        root="../../",
        one=one,
        row=row,
        board=board,
        pieces=pieces(one.recipe),
        funnel=funnel(one),
        results=results(one),
        averages=[(name, value) for name, value in one.evaluation.averages.items() if value is not None],
        others=others,
        edited=[(other, lines) for other, _ in others[:MAX_EDITED] if (lines := edits(other.recipe, one.recipe))],
        estimated=any(not found.exact and found.jaccard is not None for _, found in others),
        error=100 * 0.5 / SKETCH**0.5,
        conflicts=[conflict for conflict in built.conflicts if one in conflict.entries],
        lock=one.lock.text(),
        training=flat(one.run.key),
        environments=_environments(one),
        documents=_DOCUMENTS,
    )
    _write(folder / INDEX, page)
    for name in _DOCUMENTS:
        shutil.copyfile(one.folder / name, folder / name, follow_symlinks=False)


def _environments(one: Accepted) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return where an entry was trained and evaluated, each with its rows; once where that is the same."""
    found = {one.run.environment_hash: one.run.environment, **one.environments.evaluate}
    named: dict[str, list[str]] = {hash_: [] for hash_ in found}
    named[one.run.environment_hash].append("Training")
    for hash_ in one.environments.evaluate:
        named[hash_].append("Evaluation")
    return [(" and ".join(what).capitalize(), flat(found[hash_])) for hash_, what in named.items()]


class _Pairs:
    """Comparisons of entries over one pool, each made once and seen from both sides."""

    def __init__(self, entries: tuple[Accepted, ...]) -> None:
        self._entries = entries
        self._made: dict[tuple[str, str], Pair] = {}

    def of(self, one: Accepted) -> list[tuple[Accepted, Pair]]:
        """Compare an entry with every other one, the most alike first."""
        others = [each for each in self._entries if each is not one and each.lock.key.pool == one.lock.key.pool]
        found = [(other, self._pair(one, other)) for other in others]
        return sorted(found, key=lambda each: (-(-1 if each[1].jaccard is None else each[1].jaccard), each[0].slug))

    def _pair(self, one: Accepted, other: Accepted) -> Pair:
        first, second = sorted((one, other), key=lambda each: each.slug)
        key = first.slug, second.slug
        if key not in self._made:
            self._made[key] = pair(first.side, second.side)
        return self._made[key] if first is one else mirrored(self._made[key])


def _row_to_json(row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {
        "rank": row.rank,
        "name": row.name,
        "created": row.created or None,
        "authors": list(row.authors),
        "figures": list(row.figures),
        "size": row.size,
    }
    if row.quoted is not None:
        sources = [{"title": source.title, "url": source.url} for source in row.quoted.sources]
        return {**told, "recipe_name": row.quoted.recipe, "quoted": sources}
    one = row.entry
    assert one is not None
    return {
        **told,
        "page": f"entries/{one.slug}/{INDEX}",
        "entry": one.entry.digest,
        "key": one.lock.key.digest,
        "recipe": one.lock.key.recipe,
        "subset": one.lock.subset,
        "shards": one.shards.digest,
        "run": one.run.run_hash,
        "weights": one.weights.weights_sha256,
        "evaluation": one.evaluation.eval_hash,
        "environment": one.run.environment_hash,
        "seed": one.run.key["seed"],
        "samples_seen": one.weights.samples_seen,
        "averages": dict(one.evaluation.averages),
        "tasks": one.evaluation.tasks,
    }


def _refuse_other(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / ROWS).is_file() or not (out / INDEX).is_file():
        label = f"it holds no {ROWS} and {INDEX}" if out.is_dir() else "it is a file"
        helps = ("name a new folder, or a site to write over",)
        raise RunError(Diagnostic("E1320", f"`{out}` is no site of a leaderboard", None, label, helps))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
