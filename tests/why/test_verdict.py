"""Why a sample is kept or dropped: against the oracle, on random recipes and random samples."""

import re
from unittest.mock import patch

import conformance
import oracle
from conformance import ONE_THREAD
from generate import recipes
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import COUNT, for_the_oracle, random_pool, small
from properties.why import sample_of

from dcql.catalog.library import library
from dcql.catalog.pool import Pool
from dcql.compiler import check
from dcql.engine.locate import locate
from dcql.errors import DcqlError, RunError
from dcql.inspect.sample import why
from dcql.inspect.why import Flip, Why
from dcql.plan.written import short_names
from dcql.source import Source
from dcql.syntax.parser import parse

WITH_SAMPLES = [number for number in range(COUNT) if random_pool(number).rows]
BY = r"\s+BY\s+(?:flag,\s+grp|grp|width|abs\(grp\)\s+>\s+1)"
LIMIT = re.compile(rf"\bLIMIT\s+(?:[0-9.]+(?: \* 2)?|share)(?:\s+PERCENT)?\b(?:{BY}\b)?")


def silent(what: str, done: int, total: int) -> None:
    pass


def explained(text: str, pool: Pool, uid: str) -> Why | None:
    """Say why a recipe's text keeps or drops a sample; None for a recipe that dcql refuses."""
    source = Source("generated.dcql", text)
    try:
        plan = check(source, pool.schema)
    except DcqlError:
        return None
    place = locate(pool, uid, ONE_THREAD)
    names = short_names(parse(source), library(), pool.schema)
    with patch("dcql.engine.observe.session", conformance._shared):
        try:
            return why(plan, pool, place, names, ONE_THREAD, silent)
        except RunError:
            return None  # copies that no sample can have


def flipped(text: str, flip: Flip, clause: str) -> str | None:
    """Return a recipe's text with a told change; None for a change that is of no text."""
    if flip.span is not None:
        start, end = flip.span
        return text[:start] + clause + text[end:]
    limits = LIMIT.findall(text)
    # A comment may stand before its BY.
    if flip.kind == "limit" and text.count("LIMIT") == len(limits) == 1 and _has_by(flip.text) == _has_by(limits[0]):
        return LIMIT.sub(flip.text, text)
    return None


def _has_by(limit: str) -> bool:
    return re.search(r"\sBY\s", limit) is not None


def without_promise(text: str) -> str:
    """Leave out the EXPECT, which another subset may break."""
    return re.sub(r"\bEXPECT\b.*", ";", text, flags=re.DOTALL)


@settings(max_examples=settings().max_examples // 3)
@given(recipes(), st.sampled_from(WITH_SAMPLES), st.integers(0, 39), st.sampled_from(["raw", "added"]))
def test_the_verdict_the_clauses_and_every_told_change_are_the_oracles(
    text: str, number: int, row: int, form: str
) -> None:
    ready = small(number)
    pool = dict(ready.opened)[form]
    uid = ready.rows.columns["uid"][row % ready.rows.rows]
    text = without_promise(text)
    try:
        wanted = sample_of(for_the_oracle(text), ready.rows, uid)
    except oracle.OracleError:
        return
    told = explained(text, pool, uid)
    if told is None:
        return
    assert told.kept == (wanted.copies > 0)
    assert told.copies == wanted.copies
    sections = frozenset(
        (section.reached, tuple(clause.truth for clause in section.clauses))
        for section in told.sections
        if section.clauses
    )
    assert wanted.last <= sections <= wanted.selects
    for section in told.sections:
        failing = tuple(i for i, clause in enumerate(section.clauses) if clause.truth is not True)
        assert section.failing == failing
    for flip in told.flips:
        for clause in (flip.clause, flip.clause_by_quantile):
            changed = flipped(text, flip, clause) if clause is not None else None
            if changed is not None:
                after = sample_of(for_the_oracle(changed), ready.rows, uid)
                assert (after.copies > 0) != told.kept, (flip, changed)
