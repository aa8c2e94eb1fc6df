"""What every benchmark does with its figures: the command line, medians, tables, and `--write` between two markers."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import BenchmarkError, Outcome, Spent

MEBIBYTE = 1 << 20
# The columns that `spent` fills.
SPENT = ("CPU s", "(least to most)", "wall s", "peak MiB")


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark prints.

    `agree` is whether the contenders gave the same, which is what the command's status says. `part` is what stands
    beside the name of the script in its markers, where a script prints several tables.
    """

    lines: Sequence[str]
    agree: bool = True
    part: str = ""


# --- figures ----------------------------------------------------------------------------------------------------------


def middle(runs: Iterable[object], what: str = "cpu") -> float:
    """Return the median of what the runs took: `cpu`, `wall`, `peak`."""
    return float(statistics.median(getattr(run, what) for run in runs))


def spent(runs: Sequence[Outcome | Spent], digits: int = 2) -> list[str]:
    """Return the cells of SPENT: medians, with the CPU seconds and their range in so many digits."""
    least, most = min(run.cpu for run in runs), max(run.cpu for run in runs)
    spread = f"{least:.{digits}f} to {most:.{digits}f}"
    peak = middle(runs, "peak") / MEBIBYTE
    return [f"{middle(runs):.{digits}f}", spread, f"{middle(runs, 'wall'):.2f}", f"{peak:.0f}"]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> list[str]:
    """Lay out a table: figures stand to the right, but for the first `texts` columns."""
    lines = [f"| {' | '.join(head)} |".replace("|  |", "| |")]
    lines.append("|" + "|".join("---" if column < texts else "--:" for column in range(len(head))) + "|")
    return lines + [f"| {' | '.join(row)} |" for row in rows]


# --- the command ------------------------------------------------------------------------------------------------------


def positive(text: str) -> int:
    """Read a number of at least 1 from the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def parser(description: str, *, repeats: int | None = None, dcql: bool = False) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, with what those have that repeat runs, or that run dcql."""
    made = argparse.ArgumentParser(description=description)
    if repeats is not None:
        made.add_argument("--repeats", type=positive, default=repeats)
    if dcql:
        made.add_argument("--dcql", default="dcql", metavar="CMD", help="the dcql command (default: from PATH)")
    made.add_argument("--work", type=Path, help="folder for temporary files (default: the system's)")
    made.add_argument("--write", type=Path, metavar="FILE", help="also put the table between the markers of FILE")
    return made


def run(reading: argparse.ArgumentParser, measure: Callable[[argparse.Namespace, Path], Report]) -> int:
    """Measure in a temporary folder, print what came out and put it where `--write` says; return the exit status."""
    given = reading.parse_args()
    name = Path(sys.argv[0]).name
    try:
        with tempfile.TemporaryDirectory(dir=given.work) as folder:
            report = measure(given, Path(folder))
        text = "\n".join(report.lines)
        print(text)
        if given.write:
            replace_between(given.write, text, f"printed by {name}{report.part}")
    except BenchmarkError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    return 0 if report.agree else 1


def replace_between(path: Path, text: str, marker: str) -> None:
    """Put a text between the two marker lines of a file; raise BenchmarkError when they are missing."""
    first, last = f"<!-- begin: {marker} -->", f"<!-- end: {marker} -->"
    before, begin, rest = path.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise BenchmarkError(f"{path} has no lines {first} and {last}")
    path.write_text(f"{before}{first}\n{text}\n{last}{after}", encoding="utf-8")
