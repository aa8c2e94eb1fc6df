"""E11xx: training."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = ()
