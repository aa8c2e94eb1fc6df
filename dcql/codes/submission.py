"""E13xx: submissions and the leaderboard."""

from dcql.codes.code import Code

CODES: tuple[Code, ...] = ()
