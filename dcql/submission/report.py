"""What a check of a submission found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dcql.errors import Diagnostic


class State(StrEnum):
    """What became of one check. NOT_MADE is not a pass: something that it needs is not at hand."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_MADE = "not made"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was compared, or why it was not.

    `declined` says of a check that was not made that the caller wanted it so.
    """

    name: str
    state: State
    told: str
    faults: tuple[Diagnostic, ...] = ()
    declined: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of a submission, in the order of the chain; `pool` is the fingerprint of the pool that was at hand."""

    name: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    pool: str | None = None

    @property
    def faults(self) -> tuple[Diagnostic, ...]:
        """Everything that differs, each once."""
        return tuple(dict.fromkeys(fault for check in self.checks for fault in check.faults))

    @property
    def open(self) -> tuple[Check, ...]:
        """The checks that could not be made though nobody declined them."""
        return tuple(check for check in self.checks if check.state is State.NOT_MADE and not check.declined)

    @property
    def verdict(self) -> str:
        """`holds` where all was compared and agrees, `differs`, or `incomplete` where a check was not made."""
        if self.faults:
            return "differs"
        return "incomplete" if any(check.state is State.NOT_MADE for check in self.checks) else "holds"

    @property
    def passed(self) -> bool:
        """Whether nothing differs and every check was made that nobody declined."""
        return not self.faults and not self.open

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "submission": self.name,
            "verdict": self.verdict,
            "passed": self.passed,
            "checks": [
                {
                    "name": check.name,
                    "state": check.state.value,
                    "told": check.told,
                    "declined": check.declined,
                    "differs": [fault.to_json() for fault in check.faults],
                }
                for check in self.checks
            ],
            "notes": list(self.notes),
        }


def checked(name: str, told: str, faults: tuple[Diagnostic, ...] | list[Diagnostic]) -> Check:
    """Return a check that was made."""
    return Check(name, State.DIFFERS if faults else State.HOLDS, told, tuple(faults))


def not_made(name: str, why: str, *, declined: bool = False) -> Check:
    """Return a check that was not made."""
    return Check(name, State.NOT_MADE, why, declined=declined)
