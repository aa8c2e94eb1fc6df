"""A run again under conditions that must not matter, one after the other, each compared with the run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dcql.compiler import Run
from dcql.engine.features.report import Computing
from dcql.engine.run import Progress
from dcql.errors import Diagnostic, LockError, RunError


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a condition: the hash of its subset, or else what was compared; and the first difference."""

    hash: str
    difference: str | None
    told: str = ""


Attempt: TypeAlias = Callable[[Run, Progress | None, Computing], Tried]


@dataclass(frozen=True, slots=True)
class Condition:
    """One way to run a recipe that must not matter; `attempt` tries it, and raises what a run raises."""

    name: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A condition that was not tried, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a condition gave: its hash and the first difference from the run, or why it failed or was left out.

    Where samples were compared rather than subsets, `hash` is empty and `told` says what was compared.
    """

    name: str
    hash: str = ""
    difference: str | None = None
    failure: RunError | None = None
    told: str = ""
    left_out: str | None = None


def perturb(
    run: Run,
    conditions: tuple[Condition | LeftOut, ...],
    progress: Progress | None = None,
    computing: Computing | None = None,
) -> Iterator[Outcome]:
    """Try each condition in turn, and compare what it gives with `run`, stage by stage."""
    allowed = computing if computing is not None else Computing()
    for condition in conditions:
        if isinstance(condition, LeftOut):
            yield Outcome(condition.name, left_out=condition.why)
            continue
        try:
            tried = condition.attempt(run, progress, allowed)
        except RunError as error:
            yield Outcome(condition.name, failure=error)
            continue
        yield Outcome(condition.name, tried.hash, tried.difference, told=tried.told)


def refuse(outcomes: list[Outcome]) -> None:
    """Raise LockError where an outcome differs, and else the RunError of the first run that failed."""
    different = [outcome for outcome in outcomes if outcome.difference is not None]
    if different:
        first = different[0]
        tried = sum(outcome.left_out is None for outcome in outcomes)
        more = f"\n{len(different)} of {tried} conditions differ" if len(different) > 1 else ""
        raise LockError(
            Diagnostic(
                "E0803",
                f"one key, two values: the result depends on a condition that must not matter ({first.name})",
                label=f"first: {first.difference}{more}",
                helps=("this is a bug in dcql or in the engine: please report it with the recipe and this message",),
            )
        )
    for outcome in outcomes:
        if outcome.failure is not None:
            raise outcome.failure
