"""
The controller's log: one JSON object a line on standard output.

The Functions host sends a printed line to Application Insights as `Host.Function.Console`, whoever
printed it. It drops what is logged outside of a call, and the custom dimensions of every record
(WorkerConsoleLogService.cs and `Log` in GrpcWorkerChannel.cs of azure-functions-host).
"""

import json
import logging
import sys

from gitslot.record.event import Event

_log = logging.getLogger("gitslot")
_WARNS = (
    *("SwapFailed", "SwapUnknown", "SwapReverted", "SwappedBack", "LockBroken"),
    *("VerifyFailed", "Stalled", "Frozen"),
)
_LONGEST = 4000  # characters of a field: Application Insights cuts a line at 32,768


def log_event(event: Event) -> None:
    """Send *event* to standard logging: one line to read, every field but its detail beside it."""
    if event.quiet:
        return
    level = logging.WARNING if event.event in _WARNS else logging.INFO
    shown = {key: value for key, value in event.as_dict().items() if key != "detail"}
    words = (event.app, event.revision[:7] or "-", event.event, event.message)
    _log.log(level, "%s %s %s %s", *words, extra={"fields": shown})


class _Lines(logging.Formatter):
    """Makes a record one line of JSON: the fields of an event, or its words with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        told = {"event": "Logged", "message": super().format(record)}
        fields = {"level": record.levelname, **getattr(record, "fields", told)}
        cut = {key: v[:_LONGEST] if isinstance(v, str) else v for key, v in fields.items()}
        return json.dumps(cut, ensure_ascii=False)


def print_log() -> None:
    """Print what gitslot logs in this process, and send it to no other handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines())
    _log.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False
