"""Every way to tamper with a submission is found, and what differs is named: the rows of tests/tampered/."""

import re
from pathlib import Path

import pytest
from tampered import ROWS, Row

from dcql.errors import render
from dcql.submission.check import check_submission

MESSAGES = Path(__file__).parent / "messages"


def numbered(text: str) -> str:
    """Give each digest of a text a number, for they change with everything that a run depends on."""
    seen: dict[str, str] = {}
    return re.sub(r"[0-9a-f]{64}", lambda found: seen.setdefault(found[0], f"<{len(seen) + 1}>"), text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_tampered(row: Row, honest: Path, update: bool) -> None:
    row.tamper(honest)
    report = check_submission(honest, **row.options)
    assert not report.passed
    assert report.verdict == "differs"
    found = [fault for fault in report.faults if fault.code == row.code]
    assert found, render(report.faults)
    drawn = numbered(render(report.faults)) + "\n"
    for words in row.names:
        assert words in drawn, drawn
    expected = MESSAGES / f"{row.code}_{row.name}.txt"
    if update:
        expected.parent.mkdir(exist_ok=True)
        expected.write_text(drawn, encoding="utf-8")
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_message_has_its_row() -> None:
    assert {path.stem for path in MESSAGES.glob("*.txt")} == {f"{row.code}_{row.name}" for row in ROWS}


def test_an_honest_submission_holds(honest: Path) -> None:
    report = check_submission(honest)
    assert report.faults == ()
    assert report.passed
    # Nobody gave shards and weights: that is no pass of theirs, and is said.
    assert report.verdict == "incomplete"
    assert [check.name for check in report.checks if check.declined] == ["shards digest", "weights digest"]
