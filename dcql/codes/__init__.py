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
| E14xx | sweeps, diffs, why, reports, verification, limits, formatting |
"""

from dcql.codes import (
    determinism,
    diff,
    evaluate,
    formatting,
    internal,
    limits,
    limits_run,
    lock,
    models,
    names,
    report,
    reshard,
    run,
    submission,
    sweep,
    syntax,
    train,
    types,
    verify,
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
        sweep,
        formatting,
        limits_run,
        verify,
        diff,
        why,
        report,
    )
    for row in table.CODES
}

__all__ = ["CODES", "Code"]
