"""What a row is, and how files of a submission are changed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from submissions import read, seal_entry, write_json, write_results

Tamper = Callable[[Path], None]


@dataclass(frozen=True)
class Row:
    """A tampered submission, and what the check must say of it."""

    tamper: Tamper
    code: str
    names: tuple[str, ...]
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return self.tamper.__name__


ROWS: list[Row] = []


def row(code: str, *names: str, **options: Any) -> Callable[[Tamper], Tamper]:
    """Note a function as a row: it tampers; the check must give `code` and say `names`."""

    def note(tamper: Tamper) -> Tamper:
        ROWS.append(Row(tamper, code, names, options))
        return tamper

    return note


def edit(path: Path, old: str, new: str) -> None:
    """Change words of a file, which must be there."""
    text = path.read_text()
    assert old in text, (path.name, old)
    path.write_text(text.replace(old, new, 1))


def change(path: Path, *changes: tuple[str, Any]) -> None:
    """Change values of a JSON document, by their dotted paths; a number is a place in a list."""
    data = read(path)
    for where, value in changes:
        place: Any = data
        *above, last = [int(part) if part.isdecimal() else part for part in where.split(".")]
        for part in above:
            place = place[part]
        place[last] = value
    write_json(path, data)


def change_line(folder: Path, *changes: tuple[str, Any]) -> None:
    """Change values of the first line of eval_results.jsonl, and write eval.json and entry.toml anew for it."""
    lines = results_of(folder)
    for where, value in changes:
        place = lines[0]
        *above, last = where.split(".")
        for part in above:
            place = place[part]
        place[last] = value
    write_results(folder, lines)
    seal_entry(folder)


def results_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "eval_results.jsonl").read_text().splitlines()]
