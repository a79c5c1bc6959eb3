"""Format lines for people: cells in a row, each in the colour of its word; lines of the log."""

import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.text import Text

from gitslot.record.event import Event
from gitslot.state.reasons import next_line
from gitslot.state.safe_text import safe

_GAP = "  "
_ROOM, _HANG = 40, 10  # a message with less room hangs below the column after the time
_WORDS = {
    "green": ("Synced", "Healthy", "VerifyPassed", "ok"),
    "bold green": ("Converged",),
    "yellow": ("Progressing", "Drift", "warning"),
    "magenta": ("Unknown", "SwapUnknown", "LockBroken", "not known"),
    "bold magenta": ("Frozen",),
    "red": ("Degraded", "VerifyFailed", "SwapFailed", "SwapReverted"),
    "bold red": ("Stalled", "wrong"),
    "cyan": ("Suspended", "Waiting", "Observing", "WouldDeploy", "WouldSwap", "WouldReset"),
}
_STYLES = {word: style for style, words in _WORDS.items() for word in words}


def styled(cells: Sequence[str], style: str | None = None) -> Text:
    """Return *cells* as one line, each in its own colour or all in *style*."""
    line = Text()
    for index, cell in enumerate(cells):
        line.append(cell, style or _STYLES.get(cell.strip()) or "")
        if index < len(cells) - 1:
            line.append(_GAP)
    line.rstrip()
    return line


def console(stream: TextIO) -> Console:
    """Return a rich console on *stream* that interprets nothing."""
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def moment_text(moment: datetime | None, now: datetime, *, dated: bool = False) -> str:
    """Return *moment* in UTC, with its date if that is not today's."""
    if moment is None:
        return "-"
    moment, today = moment.astimezone(UTC), now.astimezone(UTC).date()
    if moment.date() == today and not dated:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d %H:%M:%S}"


class Log:
    """
    Lines of the log, the subject of each commit once.

    Messages are folded to *room* columns, if that is given, with a hanging indent. *apps* are named
    where there are several.
    """

    def __init__(self, apps: Iterable[str] = (), room: int | None = None) -> None:
        self._names, self._room = {*apps}, room
        self._told: set[tuple[str, str, str]] = set()

    def line(self, event: Event, now: datetime, *, dated: bool = False) -> Text:
        """Return *event* as a line, or as several."""
        name = event.app.ljust(max(map(len, self._names))) if len(self._names) > 1 else ""
        revision = (event.revision[:7] or "-").ljust(7)
        cells = [moment_text(event.time, now, dated=dated), name, revision, event.event.ljust(14)]
        cells, message = [safe(cell) for cell in cells if cell], safe(self._message(event), 5000)
        start = sum(map(len, cells)) + len(_GAP) * len(cells)
        if self._room:
            hang = start if self._room - start >= _ROOM else _HANG
            wrap = textwrap.TextWrapper(self._room, " " * start, " " * hang, break_on_hyphens=False)
            message = wrap.fill(message)[start:]
        return styled([*cells, message])

    def _message(self, event: Event) -> str:
        said, key = event.message, (event.app, event.revision, event.subject)
        if event.event == "Drift" and event.subject and key not in self._told:
            self._told.add(key)
            said += f'  "{event.subject}" ({event.author})'
        line = next_line(event.detail.next, event.app)
        said = said.replace(event.detail.next, line) if line else said
        return said if line in said else f"{said}; next: {line}"
