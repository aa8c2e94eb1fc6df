"""Every code of an error or a lint, one file a phase, one row a code; `PHASES` says what the first digits mean."""

from dcql.codes import (
    ci,
    cluster,
    coverage,
    determinism,
    diff,
    editing,
    evaluate,
    formatting,
    internal,
    limits,
    limits_run,
    lints,
    lock,
    loop,
    models,
    names,
    nodes,
    remote,
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
from dcql.codes.retired import RETIRED

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
    "L0": "Lints",
    "L1": "Comments that allow lints",
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
        coverage,
        run,
        cluster,
        nodes,
        remote,
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
        editing,
        ci,
        loop,
        lints,
    )
    for row in table.CODES
}

__all__ = ["CODES", "PHASES", "RETIRED", "Code"]
