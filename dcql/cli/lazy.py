"""Commands that are imported when they are asked for: what the others need takes longer than many commands."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

from dcql.cli.shell import guarded


class LazyGroup(TyperGroup):
    """A group whose commands are named by `table`: of each its short help, and "module:function" or "module:group"."""

    table: Mapping[str, tuple[str, str]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Where a name is looked up among all, no command has to be there yet.
        unknown: dict[str, Any] = dict.fromkeys(self.table)
        self.commands = unknown

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import the command of this name and return it, None where there is none."""
        if cmd_name in self.table and self.commands[cmd_name] is None:
            self.commands[cmd_name] = _load(cmd_name, *self.table[cmd_name])
        return self.commands.get(cmd_name)


def _load(name: str, short: str, place: str) -> Any:
    module, _, member = place.partition(":")
    found = getattr(import_module(module), member)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, short_help=short)
    else:
        alone.command(name, short_help=short)(guarded(found))
    return get_group(alone).commands[name]
