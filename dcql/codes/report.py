"""E144x: reports."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1442",
        title="not a report",
        meaning="`dcql report` writes a new file, or writes one over that it wrote before. What is there is something "
        "else, and would be lost.",
        example="`dcql report runs/mine -o README.md`",
        instead="`dcql report runs/mine -o mine.html`",
    ),
)
