"""Copies that cannot be: the check before they are taken, and the sample that an error names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dcql.arrays import numbers
from dcql.catalog.pool import Pool
from dcql.engine.duck import Session
from dcql.engine.sources import Sources
from dcql.engine.uids import parse_items
from dcql.errors import Diagnostic, RunError
from dcql.lower.program import Check, Checks, Fault
from dcql.lower.statement import FAULT, Statement

_MOST = "4,294,967,295"


def check_copies(
    checks: Checks | None,
    pool: Pool,
    session: Session,
    sources: Sources,
    parameters: dict[str, Any],
    worst_of: Callable[[Statement], tuple[Any, ...]],
) -> None:
    """Raise RunError where a sample would be taken NULL, -1, 0.5 or too many times.

    `worst_of` gives the row of `Checks.worst` over all samples. The error names the first place of the recipe where
    that is so, and of its samples the one with the smallest uid: the same whatever the threads, the files and their
    order.
    """
    if checks is None:
        return
    worst = worst_of(checks.worst)
    for check, fault in zip(checks.checks, worst or (0,) * len(checks.checks), strict=True):
        if fault:
            raise _wrong(check, *_smallest(check, pool, session, sources, parameters))


def _smallest(
    check: Check, pool: Pool, session: Session, sources: Sources, parameters: dict[str, Any]
) -> tuple[str, Fault, str]:
    """Return the smallest uid with wrong copies, what is wrong, and the number as text."""
    found: list[tuple[Any, str, Fault, str]] = []
    if pool.added:
        assert pool.uids is not None
        uids = np.load(pool.uids, mmap_mode="r")
        for file in pool.files:
            if not file.rows:
                continue
            ranks = np.load(file.rank, mmap_mode="r")  # type: ignore[arg-type]
            for batch in session.batches(check.which, sources.rows_of_file(file), parameters):
                if batch.num_rows:
                    here = ranks[numbers(batch.column("id")).astype(np.intp)]
                    at = int(here.argmin())
                    uid = uids[int(here[at])]
                    found.append((int(here[at]), f"{int(uid['f0']):016x}{int(uid['f1']):016x}", *_told(batch, at)))
    else:
        for source in sources.uids_in_turn():
            for batch in session.batches(check.which, source, parameters):
                if batch.num_rows:
                    items = parse_items(batch.column("id"), file=pool.name, first_row=None)
                    digits = [item.tobytes() for item in items]
                    at = min(range(len(digits)), key=digits.__getitem__)
                    found.append((digits[at], digits[at].hex(), *_told(batch, at)))
    _, uid, fault, value = min(found)
    return uid, fault, value


def _told(batch: Any, at: int) -> tuple[Fault, str]:
    return Fault(batch.column(FAULT)[at].as_py()), str(batch.column("value")[at].as_py())


def _wrong(check: Check, uid: str, fault: Fault, value: str) -> RunError:
    match fault:
        case Fault.NULL:
            code, message, label = "E0725", "copies are NULL", "NULL"
            help_ = "say what NULL stands for: `coalesce(n, 1) AS copies`, or leave such samples out after WHERE"
        case Fault.NEGATIVE:
            code, message, label = "E0726", "copies below 0", value
            help_ = "0 copies drop a sample: `greatest(n, 0) AS copies`"
        case Fault.FRACTION:
            code, message, label = "E0727", "copies that are not whole", value
            help_ = "choose among whole numbers: `CASE WHEN score >= 0.3 THEN 2 ELSE 1 END AS copies`"
        case _:
            code, message = "E0728", f"a sample has more than {_MOST} copies"
            label = value if value != "None" else f"more than {_MOST}"
            help_ = "use UNION: it takes each once" if check.text == "UNION ALL" else "take fewer: copies multiply"
    if check.span is None:
        return RunError(Diagnostic(code, message, None, f"of the sample {uid}", (help_,)))
    return RunError(Diagnostic(code, message, check.span, f"{label} for the sample {uid}", (help_,)))
