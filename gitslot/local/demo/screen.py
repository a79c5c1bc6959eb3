"""
How the demo prints: the commands typed, the log lines, the results.

Readable without colour, in a file, and on a terminal of 80 columns.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gitslot.record.event import Event
from gitslot.report.text import Log
from gitslot.state.safe_text import safe

_INDENT = 2
_TWO_COLUMNS = 96  # a terminal narrower than this gets one account below the other
_WIDTH = 100  # where it is not a terminal


class Screen:
    """Prints the demo to stdout."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else _WIDTH
        self._console = Console(highlight=False, markup=False, emoji=False, width=width)
        self._log = Log(room=self._console.width - _INDENT)

    def title(self, mark: str, text: str, more: str = "") -> None:
        """Print the heading of a part of the story."""
        self._console.print()
        self._console.print(Text(f"{mark}  ", "bold cyan").append(text, "bold"))
        if more:
            self.output(more, "dim")

    def typed(self, command: str) -> None:
        """Print a command that somebody types."""
        self.output(f"$ {command}", "bold")

    def output(self, text: str, style: str = "") -> None:
        """Print lines of output."""
        for line in text.splitlines():
            self._line(safe(line, 500), style)

    def event(self, event: Event) -> None:
        """Print a line of the reconcile log."""
        self._print(self._log.line(event, event.time))

    def result(self, text: str, *, good: bool = True) -> None:
        """Print the result of a step."""
        self._line(f"{'✓' if good else '✗'} {text}", "green" if good else "bold red")

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show a spinner while something runs, on a terminal."""
        if not self._console.is_terminal:
            yield
            return
        with self._console.status(text, spinner="dots"):
            yield

    def side_by_side(
        self,
        titles: tuple[str, str],
        accounts: tuple[Sequence[str], Sequence[Event | str]],
        ends: tuple[str, str],
    ) -> None:
        """Print two accounts of the same seconds, and how each ends."""
        room = self._console.width - _INDENT
        wide = self._console.width >= _TWO_COLUMNS
        left_room = 46 if wide else room
        right_room = room - left_room - 4 if wide else room
        left, right = _account(accounts[0], left_room), _account(accounts[1], right_room)
        grid = Table(box=box.MINIMAL, show_edge=False, pad_edge=False, padding=(0, 1))
        if wide:
            grid.add_column(titles[0], width=left_room)
            grid.add_column(titles[1], width=right_room)
            grid.add_row(left, right)
            grid.add_row("", "")
            grid.add_row(*ends)
            self._print(grid)
            return
        for title, account, end in zip(titles, (left, right), ends, strict=True):
            self._line(title, "bold")
            self._print(account)
            self.output(end)
            self._console.print()

    def table(self, rows: Sequence[tuple[str, str, str, bool | None]]) -> None:
        """Print the measured values: what, measured, expected, and whether they agree."""
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for heading in ("WHAT", "MEASURED", "EXPECTED", ""):
            grid.add_column(heading)
        for what, value, expected, holds in rows:
            verdict = {True: "ok", False: "NOT SO", None: ""}[holds]
            grid.add_row(what, value, expected, verdict, style="bold red" if holds is False else "")
        self._print(grid)

    def _line(self, text: str, style: str = "") -> None:
        self._print(Text(text, style))

    def _print(self, what: RenderableType) -> None:
        self._console.print(Padding(what, (0, 0, 0, _INDENT), expand=False))


def clock(time: datetime) -> str:
    """Return *time* as the log shows it."""
    return f"{time.astimezone(UTC):%H:%M:%S}"


def _account(lines: Sequence[Event | str], width: int) -> Text:
    """Return *lines* as a text of *width* columns."""
    log = Log(room=width)
    each = (Text(one) if isinstance(one, str) else log.line(one, one.time) for one in lines)
    return Text("\n").join(each)
