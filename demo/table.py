"""What each baseline of DataComp keeps of the demo pool, by the truth that no recipe can read.

python -m dcql.demo.table                      prints the table
python -m dcql.demo.table --write README.md    puts it between the two marker lines of a file
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dcql.demo.page import put
from dcql.demo.truth import Profile, profile

import dcql

PROGRAM = "dcql.demo.table"
# The demo pool's drawings are 64 pixels wide: the size rule of 200 would keep none.
SMALL = {"side": "32"}
# From no filter to the one that DataComp found best.
BASELINES: tuple[tuple[str, dict[str, str]], ...] = (
    ("no_filter", {}),
    ("laion2b", {}),
    ("clip_score_l14_30", {}),
    ("clip_score_b32_30", {}),
    ("image_based", {}),
    ("text_based", {}),
    ("basic_filter", SMALL),
    ("image_based_intersect_clip_score", {}),
)
FAULTS = ("wrong caption", "boilerplate", "duplicate", "off topic")


@dataclass(frozen=True, slots=True)
class Line:
    """A baseline and what it keeps."""

    recipe: str
    profile: Profile


def lines() -> Iterator[Line]:
    """Run every baseline on the demo pool."""
    for recipe, settings in BASELINES:
        yield Line(recipe, profile(dcql.run(recipe, "demo", settings).subset.uids))


def table(measured: list[Line]) -> str:
    """Lay out the table in Markdown: shares in percent."""
    heads = ("recipe", "kept", "clean English, of the kept", *(f"{fault}, kept of all" for fault in FAULTS))
    rows = ["| " + " | ".join(heads) + " |", "|---|" + "--:|" * (len(heads) - 1)]
    samples = measured[0].profile.rows
    for line in measured:
        shares = [
            line.profile.rows / samples,
            line.profile.among_kept["clean English"],
            *(line.profile.of_class[fault] for fault in FAULTS),
        ]
        rows.append(f"| {line.recipe} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |")
    return "\n".join(rows)


def main() -> int:
    """Print the table, or write it into a file."""
    parser = argparse.ArgumentParser(description="What each baseline keeps of the demo pool.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table between the markers of this file")
    given = parser.parse_args()
    text = table(list(lines()))
    print(text)
    return 0 if given.write is None else put(given.write, PROGRAM, text)


if __name__ == "__main__":
    sys.exit(main())
