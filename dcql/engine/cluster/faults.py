"""What is said of a file that could not be done."""

from dataclasses import replace

from dcql.engine.cluster.work import Failed, Item
from dcql.errors import RunError


def fault_of(item: Item, failed: Failed) -> RunError:
    """Return the error of an item, which names its file whatever went wrong."""
    named = (
        one if item.file in one.message + one.label else replace(one, label=f"{one.label}; at `{item.file}`")
        for one in failed.diagnostics
    )
    return RunError(*named)
