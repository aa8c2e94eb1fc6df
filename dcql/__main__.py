"""`python -m dcql`."""

from dcql.cli import script

script()
