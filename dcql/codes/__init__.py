"""Every error code, one file a phase, one row a code; `PHASES` says what the first digits mean."""

from dcql.codes import (
    ci,
    determinism,
    diff,
    evaluate,
    formatting,
    internal,
    limits,
    limits_run,
    lock,
    loop,
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

PHASES = {
    "E01": "Syntax",
    "E02": "Names",
    "E03": "Types",
    "E04": "Determinism",
    "E05": "Limits",
    "E06": "Models",
    "E07": "Pool and run",
    "E08": "Lock",
    "E09": "Bugs in dcql",
    "E10": "Resharding",
    "E11": "Training",
    "E12": "Evaluation",
    "E13": "Submissions and the leaderboard",
    "E14": "Looking at subsets, limits of a command, and formatting",
    "E15": "Working on recipes",
}

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
        ci,
        loop,
    )
    for row in table.CODES
}

__all__ = ["CODES", "PHASES", "Code"]
