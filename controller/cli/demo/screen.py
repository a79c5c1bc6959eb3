"""
How the demo looks: what one would type, what the log says, what came of it.

Readable without colour, in a file, and on a terminal of 80 columns.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from controller.cli.output import styled
from controller.events import Event, safe

_INDENT = "  "
_TWO_COLUMNS = 96  # a terminal narrower than this gets one below the other


class Screen:
    """Prints the demo to stdout."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow import

        width = None if sys.stdout.isatty() else 100
        self._console = Console(highlight=False, markup=False, emoji=False, width=width)

    def title(self, number: str, text: str, more: str = "") -> None:
        """Open a step."""
        from rich.text import Text  # noqa: PLC0415 - slow import

        line = Text(f"\n{number}  ", "bold cyan").append(text, "bold")
        self._console.print(line)
        if more:
            self._console.print(_indented(more, "dim"))

    def typed(self, command: str) -> None:
        """Show what somebody types."""
        self._console.print(_indented(f"$ {command}", "bold"))

    def said(self, text: str, style: str = "") -> None:
        """Show a line of output."""
        self._console.print(_indented(text, style))

    def event(self, event: Event) -> None:
        """Show a line of the reconcile log."""
        self._console.print(_hanging(event, self._console.width))

    def result(self, text: str, *, good: bool = True) -> None:
        """Show what came of it."""
        mark = "✓" if good else "✗"
        self._console.print(_indented(f"{mark} {text}", "green" if good else "bold red"))

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show that something goes on, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(text, spinner="dots"):
            yield

    def side_by_side(
        self, titles: Sequence[str], left: Sequence[str], right: Sequence[Event | str]
    ) -> None:
        """Show two accounts of the same minutes."""
        from rich.console import Group  # noqa: PLC0415 - slow import
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        wide = self._console.width >= _TWO_COLUMNS
        room = (self._console.width - 7) // 2 if wide else self._console.width - 2
        rights = [_brief(line, room) if isinstance(line, Event) else Text(line) for line in right]
        columns = (
            Group(Text(titles[0], "bold"), *[Text(line) for line in left]),
            Group(Text(titles[1], "bold"), *rights),
        )
        grid = Table.grid(expand=wide, padding=(0, 1))
        if wide:
            grid.add_column(ratio=1)
            grid.add_column(width=1, style="dim")
            grid.add_column(ratio=1)
            height = max(len(left), len(right)) + 8
            grid.add_row(columns[0], "\n".join("│" for _ in range(height)), columns[1])
        else:
            grid.add_row(columns[0])
            grid.add_row(Text())
            grid.add_row(columns[1])
        self._console.print(_padded(grid))

    def table(self, rows: Sequence[tuple[str, str, str, bool]]) -> None:
        """Show the measured values: what, value, expected, and whether that holds."""
        from rich.table import Table  # noqa: PLC0415 - slow import

        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in ("WHAT", "MEASURED", "EXPECTED", ""):
            grid.add_column(heading)
        for what, value, expected, holds in rows:
            style = "" if holds else "bold red"
            grid.add_row(what, value, expected, "ok" if holds else "NOT SO", style=style)
        self._console.print(_padded(grid))


def _padded(what: Any) -> Any:
    from rich.padding import Padding  # noqa: PLC0415 - slow import

    return Padding(what, (0, 0, 0, len(_INDENT)))


def _indented(text: str, style: str) -> Any:
    from rich.text import Text  # noqa: PLC0415 - slow import

    return _padded(Text("\n".join(safe(line, 500) for line in text.splitlines()), style))


def _hanging(event: Event, width: int) -> Any:
    """Return *event* as a line of the log whose long message goes on below its beginning."""
    from rich.table import Table  # noqa: PLC0415 - slow import

    subject = f'  "{event.subject}" ({event.author})' if event.event == "Drift" else ""
    grid = Table.grid(padding=(0, 2, 0, 0))
    cells = [f"{event.time.astimezone(UTC):%H:%M:%S}", event.revision[:7], event.event]
    for cell, size in zip(cells, (8, 7, 13), strict=True):
        grid.add_column(width=max(size, len(cell)))
    grid.add_column(width=max(30, width - len(_INDENT) - 8 - 7 - 13 - 8))
    grid.add_row(*[styled([cell]) for cell in cells], styled([safe(event.message + subject, 500)]))
    return _padded(grid)


def _brief(event: Event, width: int) -> Any:
    from rich.table import Table  # noqa: PLC0415 - slow import

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=8)
    grid.add_column(width=13)
    grid.add_column(width=max(16, width - 8 - 13 - 4))
    time = f"{event.time.astimezone(UTC):%H:%M:%S}"
    grid.add_row(time, styled([event.event]), safe(event.message, 500))
    return grid


def clock(time: datetime) -> str:
    """Return *time* as the log shows it."""
    return f"{time.astimezone(UTC):%H:%M:%S}"
