"""Lints: what a recipe says that it likely does not mean, or that it need not say."""

from dcql.lints.diagnose import diagnose, lint
from dcql.lints.fixing import fixed

__all__ = ["diagnose", "fixed", "lint"]
