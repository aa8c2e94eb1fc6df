"""One SQL query, and what it reads: the table `samples`, whatever files that is made of."""

from dcql.dataclass import dataclass

SAMPLES = "samples"
ID = "@id"
ROW = "row"
READ = "@values"
FAULT = "fault"
LENGTHS = "lengths"
FLAGS = 1 << 17  # numbers from 0 on that a set can be asked for by flags


def feature_column(name: str) -> str:
    """Return the column of `samples` that holds a feature."""
    return f"@feature/{name}"


def texts_parameter(number: int) -> str:
    """Return the parameter that lists the texts of a program's n-th feature, counted from 1."""
    return f"texts{number}"


def length_column(function: str, column: str) -> str:
    """Return the column of `samples` that holds a length of a text."""
    return f"@length/{function}/{column}"


def table_column(table: str, column: str | None = None) -> str:
    """Return the column of `samples` that holds one of a joined table's, or whether the table has the sample."""
    # No name of dcql's own begins so but with what it numbers: cut1, q1, clause1.
    return f"@/{table}" if column is None else f"@/{table}/{column}"


def first_column(name: str) -> str:
    """Return the column of `samples` that says which of them are first in a DISTINCT ON, by the statistic's name."""
    return f"@/{name}"


@dataclass(frozen=True)
class Statement:
    """One SQL query, and the names of the parameters in it."""

    text: str
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Samples:
    """What `samples` can be, each over the parquet files `$files`.

    The n-th feature of the program comes from `$feature1` and so on, files of the feature store that stand beside those
    of `$files`, row for row; the n-th joined table from `$table1` and so on; lengths of texts from `$lengths`; and who
    is first in the n-th DISTINCT ON from `$first1` and so on, which have no rows until it is known.

    `raw` and `sidecar` have no `@id`; in `raw_rows` and `sidecar_rows` it is the place: the position in the file, and
    2^32 times how many of `$files` come before it, so that over one file it is the position alone. In `raw_uids` it is
    the uid as it is written. `raw_kept` is `raw_uids` without samples that cannot be kept, for `Program.kept`.
    `raw_named` is `raw_rows` with `uid` as well, None where nothing reads it. Sidecars are normalised, and hold the
    scalar columns only: `sidecar` and `sidecar_rows` are None where the program reads others.
    """

    raw: Statement
    raw_rows: Statement
    raw_uids: Statement
    raw_kept: Statement | None
    sidecar: Statement | None
    sidecar_rows: Statement | None
    raw_named: Statement | None = None
