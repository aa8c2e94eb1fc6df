"""E10xx: resharding."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = ()
