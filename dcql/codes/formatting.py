"""E149x: formatting."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = (
    Code(
        code="E1491",
        title="recipe is not formatted",
        meaning="`dcql fmt --check` compares recipes with their canonical form, in which all recipes look alike. A "
        "file is not in that form, or has other line endings than \\n, or a byte order mark. Its meaning is the same.",
        example="dcql fmt --check recipes",
        instead="dcql fmt recipes",
    ),
    Code(
        code="E1492",
        title="formatted recipe would be too large",
        meaning="A recipe has at most 1,000,000 bytes, and this one would have more with the spaces and line ends of "
        "its canonical form. It is left as it is.",
        example="a list of 100,000 values on one line: `x IN (1,2,3, ..)`",
        instead="SET s FROM 'values.txt' SHA256 '..', and `x IN s`",
    ),
    Code(
        code="E1493",
        title="folder without recipes",
        meaning="`dcql fmt` formats the .dcql files of a folder and of the folders in it, but for hidden ones. "
        "There is none.",
        example="dcql fmt recipe",
        instead="dcql fmt recipes",
    ),
)
