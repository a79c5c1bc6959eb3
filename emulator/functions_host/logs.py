"""
Write the host's log to standard output, one entry a line, filtered as host.json asks.

    2026-02-03T04:05:06.789Z Information Function.predict.User 5f0c...e1 model 1.4.0 loaded

Time in UTC, level, category, id of the invocation or `-`, message. Further lines of a message are
indented, so no text from outside looks like an entry. Entries below Warning are written up to 50 ms
late, many in one write, so that logging does not slow down a busy function.

What the host of Azure would send to Application Insights goes to a second file too, as JSON lines.
It sends no record that the app logged outside of a running call (`Log` in GrpcWorkerChannel.cs of
azure-functions-host), no record of the worker's own libraries (`is_system_log_category` in
logging.py of azure-functions-python-worker), and of no record the custom dimensions (issue 1327
there). A printed line is sent, under a category of its own and without its call
(WorkerConsoleLogService.cs).
"""

import io
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import BinaryIO

LATE_S = 0.05
NAMES = {5: "Trace", 10: "Debug", 20: "Information", 30: "Warning", 40: "Error", 50: "Critical"}
CONSOLE = "Host.Function.Console"
OUTSIDE = "Worker.rpcWorkerProcess"  # what an app logs outside of a call
# Hidden by default: the entries of the worker library at every call.
BUILT_IN = {"default": 20, "Worker": 30, OUTSIDE: 20, "Host.Client": 30}
LONGEST = 32_768  # characters of a message in Application Insights; the rest is cut off
_BAD = re.compile("warn|error|fail|severe", re.IGNORECASE)
# True where the host itself uses a library that logs, such as the client of a queue.
of_host: ContextVar[bool] = ContextVar("of_host", default=False)


class Log:
    """
    Collect entries and write them to a file descriptor; safe in any thread.

    *insights* is the file of what Application Insights would get.
    """

    def __init__(
        self,
        descriptor: int,
        now: Callable[[], float] = time.time,
        insights: BinaryIO | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._insights = insights
        self._now = now
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._second = (0, "")
        self._due = threading.Event()
        self.levels: Mapping[str, int] = BUILT_IN
        self._least: dict[str, int] = {}

    def set_levels(self, levels: Mapping[str, int]) -> None:
        """Set the least level of each category prefix; the longest fitting prefix decides."""
        self.levels = {**BUILT_IN, **levels}
        self._least = {}

    def shows(self, category: str, level: int) -> bool:
        """Return whether an entry of *category* at *level* would be written."""
        least = self._least.get(category)
        if least is None:
            fitting = [p for p in self.levels if category.lower().startswith(p.lower())]
            least = self.levels[max(fitting, key=len, default="default")]
            self._least[category] = least
        return level >= least

    def write(
        self,
        level: int,
        category: str,
        message: str,
        invocation: str | None = None,
        sent: bool = True,
    ) -> None:
        """Write an entry if host.json lets it through; *sent*: to Application Insights too."""
        if not self.shows(category, level):
            return
        name = NAMES.get(level) or NAMES[max(5, min(50, level // 10 * 10))]
        if sent and self._insights:
            entry = {"time": self._time(), "level": name, "category": category}
            entry |= {"invocation": invocation or "", "message": message[:LONGEST]}
            self._insights.write(json.dumps(entry).encode() + b"\n")
        if "\n" in message or "\r" in message:
            message = "\n  ".join(message.splitlines())
        line = f"{self._time()} {name} {category} {invocation or '-'} {message}\n"
        with self._lock:
            self._waiting.append(line)
        if level >= 30:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def flush_late(self) -> None:
        """Write the waiting entries soon after they come, forever; for a daemon thread."""
        while True:
            self._due.wait()
            time.sleep(LATE_S)
            self._due.clear()
            self.flush()

    def flush(self) -> None:
        with self._writing:
            with self._lock:
                text, self._waiting = "".join(self._waiting), []
            data = memoryview(text.encode("utf-8", "backslashreplace"))
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError:
                return  # the reader is gone; the host continues

    def _time(self) -> str:
        now = self._now()
        second, text = self._second
        if int(now) != second:
            second, text = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._second = (second, text)
        return f"{text}.{int(now * 1000) % 1000:03d}Z"


class AppHandler(logging.Handler):
    """
    Send the app's records of Python's logging to the host's log.

    As on Azure, an entry made inside a call has the category `Function.<name>.User`. *whose*
    returns the name and the invocation id of the call that runs here, if one does.
    """

    def __init__(self, log: Log, whose: Callable[[], tuple[str, str] | None]) -> None:
        super().__init__()
        self._log = log
        self._whose = whose

    def emit(self, record: logging.LogRecord) -> None:
        caller = self._whose()
        category = f"Function.{caller[0]}.User" if caller else OUTSIDE
        if not caller and of_host.get():
            category = "Host.Client"
        for name, ours in (("azure.functions", "Worker"), ("uvicorn", "Host.Http")):
            if record.name.startswith(name):
                category = ours
        invocation = caller[1] if caller else None
        if self._log.shows(category, record.levelno):
            sent = not category.startswith("Worker")
            try:
                self._log.write(record.levelno, category, self.format(record), invocation, sent)
            except Exception:  # noqa: BLE001 - a bad format string must not end a call
                self.handleError(record)


class Console(io.TextIOBase):
    """
    Replace sys.stdout or sys.stderr, so that printed lines become log entries.

    As in WorkerProcess.cs, words decide how bad a line on standard error (*descriptor* 2) is.
    """

    def __init__(self, log: Log, descriptor: int) -> None:
        super().__init__()
        self._log = log
        self._descriptor = descriptor
        self._rest = ""
        self._lock = threading.Lock()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only here
        return "utf-8"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return the descriptor below, for libraries that write past Python."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Write the whole lines of *text*; keep the rest until its line ends."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                bad = _BAD.search(line) if self._descriptor == 2 else None
                level = logging.INFO
                if bad:
                    level = logging.WARNING if "warn" in line.lower() else logging.ERROR
                self._log.write(level, CONSOLE, line)
        return len(text)


def take_output(log: Log, whose: Callable[[], tuple[str, str] | None]) -> None:
    """Send what this process prints to *log*, and what it logs, under the call of *whose*."""
    root = logging.getLogger()
    root.handlers[:] = [AppHandler(log, whose)]
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    sys.stdout, sys.stderr = Console(log, 1), Console(log, 2)


def quieten_worker(log: Log) -> None:
    """Keep the worker library from making entries that *log* would not show."""
    least = next((level for level in (5, 10, 20, 30, 40, 50) if log.shows("Worker", level)), 100)
    logging.getLogger("azure.functions").setLevel(least)
