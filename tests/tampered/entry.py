"""Rows that tamper with what a submission says for the leaderboard, and with the files that lie there."""

import json
import os
import re
from pathlib import Path

from tampered.rows import change, edit, row

# --- the entry --------------------------------------------------------------------------------------------------------


@row("E1313", "is not a training at `small`", "`demo` is not the pool of `small`", "about 12,800,000")
def scale_claimed_to_be_another(folder: Path) -> None:
    edit(folder / "entry.toml", 'scale = "demo"', 'scale = "small"')


@row("E1313", "no scale `gigantic`")
def scale_that_there_is_not(folder: Path) -> None:
    edit(folder / "entry.toml", 'scale = "demo"', 'scale = "gigantic"')


@row("E1302", "`sources` is empty")
def track_changed(folder: Path) -> None:
    edit(folder / "entry.toml", 'track = "filtering"', 'track = "byod"')


@row("E1312", "entry.toml: stands for dceval1:")
def entry_of_another_evaluation(folder: Path) -> None:
    path = folder / "entry.toml"
    path.write_text(re.sub(r'evaluation = "dceval1:.', 'evaluation = "dceval1:0', path.read_text()))


@row("E1302", "`url` is no address", "`name` holds U+202E")
def entry_with_traps(folder: Path) -> None:
    edit(folder / "entry.toml", 'url = ""', 'url = "javascript:alert(1)"')
    edit(folder / "entry.toml", "CLIP score", "\\u202ECLIP score")


# --- the folder -------------------------------------------------------------------------------------------------------


@row("E1310", "`recipe.lock` does not belong here", "it is a link")
def file_that_is_a_link(folder: Path) -> None:
    (folder / "recipe.lock").unlink()
    (folder / "recipe.lock").symlink_to("/etc/passwd")


@row("E1310", "`sets` does not belong here", "it is a link")
def folder_that_is_a_link(folder: Path) -> None:
    (folder / "sets").symlink_to("/etc")


@row("E1310", "`weights.json` does not belong here", "no plain file")
def file_that_never_ends(folder: Path) -> None:
    (folder / "weights.json").unlink()
    os.mkfifo(folder / "weights.json")


@row("E1310", "`run.sh` does not belong here", "nothing names this file")
def file_that_nothing_names(folder: Path) -> None:
    (folder / "run.sh").write_text("echo hello")


@row("E1310", "`weights.json` cannot be read", "it is missing")
def file_missing(folder: Path) -> None:
    (folder / "weights.json").unlink()


@row("E1310", "`run_hash` stands twice")
def name_twice_in_a_document(folder: Path) -> None:
    edit(folder / "weights.json", '"run_hash":', '"run_hash": "dcrun1:0", "run_hash":')


@row("E1310", "nested too deep")
def document_nested_too_deep(folder: Path) -> None:
    (folder / "weights.json").write_text("[" * 200_000)


@row("E1310", "nested too deep")
def document_nested_deeper_than_any(folder: Path) -> None:
    change(folder / "environment.json", ("train", json.loads("[" * 40 + "]" * 40)))


@row("E1310", "it holds half a character")
def document_with_half_a_character(folder: Path) -> None:
    edit(folder / "environment.json", "Linux", "\\ud800")


@row("E1310", "`steps` is text, not a whole number")
def document_with_another_kind_of_value(folder: Path) -> None:
    change(folder / "weights.json", ("steps", "600"))


@row("E1310", "it is not UTF-8")
def document_of_other_bytes(folder: Path) -> None:
    (folder / "run.json").write_bytes(b"\xff\xfe{}")
