"""The row type of the tables of error codes."""

from dataclasses import dataclass

# The table that examples join.
SCORES = (
    "TABLE scores FROM 'scores.parquet'\n"
    "    SHA256 'fcd4dbfe70b5a1ddb1636c8bd3e65d46c8edaba78f7d44a24874cd5dc0834b44';\n"
)


@dataclass(frozen=True, slots=True)
class Code:
    """One error code with its explanation, as `dcql explain-error` prints it.

    `title` names the error in a few words; `meaning` says what was found and why it is an error; `example` is text that
    gives it and `instead` is text that does not. A code is never used again for something else.
    """

    code: str
    title: str
    meaning: str
    example: str
    instead: str
