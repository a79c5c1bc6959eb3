"""
A group of commands that imports the module of a command when that command is used.

The group's own help shows the rows of a table, so it imports none of them.
"""

from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Row(NamedTuple):
    """
    One command: the function *name* of gitslot.*module*, and its line in the help of its group.

    *help* is the first line of the function's docstring, which the command's own help shows.
    """

    name: str
    module: str
    help: str
    panel: str | None = None

    def load(self) -> Any:
        """Import the module and return the command with its own options and help."""
        single = typer.Typer(add_completion=False)
        single.command(self.name)(getattr(import_module(f"gitslot.{self.module}"), self.name))
        return get_command(single)


class LazyGroup(TyperGroup):
    """The commands of `table`, in its order."""

    table: ClassVar[tuple[Row, ...]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        rows = {
            row.name: TyperCommand(row.name, help=row.help, rich_help_panel=row.panel)
            for row in self.table
        }
        self.commands = {**rows, **self.commands}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that *args* names, imported; it runs, or it completes a word."""
        name, command, rest = super().resolve_command(ctx, args)
        row = next((row for row in self.table if row.name == name), None)
        return name, row.load() if row else command, rest
