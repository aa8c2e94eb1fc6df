"""E144x: reports."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1441",
        title="nothing to report",
        meaning="`dcql report` tells of a run folder, of what `dcql diff --format json` printed, or of two operands "
        "that `dcql diff` takes. What was named is none of them.",
        example="`dcql report mine.dcql -o mine.html`",
        instead="`dcql run mine.dcql --out runs/mine`, then `dcql report runs/mine -o mine.html`",
    ),
    Code(
        code="E1442",
        title="not a report",
        meaning="`dcql report` writes a new file, or writes one over that it wrote before. What is there is something "
        "else, and would be lost.",
        example="`dcql report runs/mine -o README.md`",
        instead="`dcql report runs/mine -o mine.html`",
    ),
    Code(
        code="E1443",
        title="not a comparison",
        meaning="The file is no JSON that `dcql diff --format json` prints: a part of it is missing, or is not what it "
        "may be.",
        example="`dcql report runs/mine/manifest.json -o mine.html`",
        instead="`dcql diff a.dcql b.dcql --format json > diff.json`, then `dcql report diff.json -o diff.html`",
    ),
)
