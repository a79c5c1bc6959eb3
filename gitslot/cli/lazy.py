"""
A group of commands that imports the module of a command when that command is used.

The group's own help shows the rows of a table, so it imports none of them.
"""

from enum import EnumType
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gitslot.cli.examples import EXAMPLES


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
        """Import the module and return the command with its own options, help and examples."""
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        function = getattr(import_module(f"gitslot.{self.module}"), self.name)
        epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in examples(self.name))])
        single.command(self.name, cls=_Command, epilog=epilog)(function)
        return get_command(single)


class _Plain:
    """A mixin whose parameters take text, choices and nothing as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--help` too."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc] # of the command
        for each in found:
            each.get_runtime_param = _AsItIs
        return found


class _AsItIs:
    """How a word is converted; typer loads pydantic, in 0.08 s, to convert or refuse all else."""

    @staticmethod
    def coerce(value: Any, param: Any, ctx: Any) -> Any:
        kind = param.type_descriptor.annotation
        if param.nargs == 1 and not param.multiple:
            if value is None or (isinstance(kind, type) and isinstance(value, kind)):
                return value
            if isinstance(kind, EnumType) and value in kind.__members__.values():
                return kind(value)
        return type(param).get_runtime_param(param).coerce(value, param=param, ctx=ctx)


class _Command(_Plain, TyperCommand):
    pass


def examples(name: str) -> list[str]:
    """Return the lines that the help of the command *name* shows."""
    lines = (line for line in EXAMPLES.splitlines() if f" {name} " in f" {line.partition('|')[0]} ")
    return [f"gitslot {each.strip()}" for line in lines for each in line.split("|")]


def _app_first(command: Any, words: list[str]) -> list[str]:
    """Return *words* with the value of `--app` as the APP that may stand first in them."""
    first = next((each for each in command.params if each.param_type_name == "argument"), None)
    if "--app" not in words or first is None or first.name != "app":
        return words
    at = words.index("--app")
    return [*words[at + 1 : at + 2], *words[:at], *words[at + 2 :]]


class LazyGroup(_Plain, TyperGroup):
    """The commands of `table`, in its order."""

    table: ClassVar[tuple[Row, ...]]

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        rows = {
            row.name: TyperCommand(row.name, help=row.help, rich_help_panel=row.panel)
            for row in self.table
        }
        self.commands = {**rows, **self.commands}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in the order of the table, those that are seldom typed last."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels.setdefault(panel, []).append((name, command.help or ""))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that *args* names, imported; it runs, or it completes a word."""
        name, command, rest = super().resolve_command(ctx, args)
        row = next((row for row in self.table if row.name == name), None)
        if row is None:
            return name, command, rest
        command = row.load()
        return name, command, _app_first(command, rest)
