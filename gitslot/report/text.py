"""Format lines for people: cells in a row, each in the colour of its word."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

_GAP = "  "
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
