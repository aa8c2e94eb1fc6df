"""Verification: a subset is computed again, under other conditions too, and has to be the same one."""

from dcql.verify.conditions import conditions_for
from dcql.verify.differences import first_difference
from dcql.verify.perturb import Condition, LeftOut, Outcome, perturb, refuse

__all__ = ["Condition", "LeftOut", "Outcome", "conditions_for", "first_difference", "perturb", "refuse"]
