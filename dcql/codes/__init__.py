"""Every error code, one file a phase, one row a code.

| codes | phase |
|---|---|
| E01xx | syntax |
| E02xx | names |
| E03xx | types |
| E04xx | determinism |
| E05xx | lowering, limits on size |
| E06xx | models |
| E07xx | pool and run |
| E08xx | lock |
| E09xx | a bug in dcql |
| E10xx | resharding |
| E11xx | training |
| E12xx | evaluation |
| E13xx | submissions and the leaderboard |
| E14xx | diff, why, report and verify |
"""

from dcql.codes import (
    determinism,
    diff,
    evaluate,
    internal,
    limits,
    lock,
    models,
    names,
    report,
    reshard,
    run,
    submission,
    syntax,
    train,
    types,
    why,
)
from dcql.codes.code import Code

CODES: dict[str, Code] = {
    row.code: row
    for table in (
        syntax,
        names,
        types,
        determinism,
        limits,
        models,
        run,
        lock,
        internal,
        reshard,
        train,
        evaluate,
        submission,
        diff,
        why,
        report,
    )
    for row in table.CODES
}

__all__ = ["CODES", "Code"]
