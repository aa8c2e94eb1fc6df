"""E12xx: evaluation."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = ()
