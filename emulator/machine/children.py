"""
The emulator's child processes, recorded so that the next run can end those of a killed one.

A pid alone may meanwhile belong to another program: a child is ours only while its start time is
the recorded one.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Protocol

from emulator.machine.disk import read_json, write_json

LEFTOVER_GRACE_S = 30.0  # Azurite closes idle connections first, then writes


class Child(Protocol):
    """A process that was started: asyncio's `Process`, or what works as it does."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


def portrait(pid: int) -> str | None:
    """Return what identifies process *pid* among all that ever had its number; None if it ended."""
    proc = Path("/proc") / str(pid)
    if Path("/proc/self/stat").exists():
        try:
            fields = (proc / "stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (OSError, ValueError):
            return None
        return None if fields[0] == "Z" else f"{boot} {fields[19]}"
    words = ["ps", "-p", str(pid), "-o", "lstart=,command="]
    shown = subprocess.run(words, capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


class Children:
    """Processes that must end with the emulator."""

    def __init__(self, path: Path, grace_s: float = LEFTOVER_GRACE_S) -> None:
        self.path = path
        self.grace_s = grace_s
        self._running: dict[int, Child] = {}

    def end_leftovers(self) -> list[int]:
        """
        End the children that an earlier emulator left running, wait for that, return their pids.

        They have noticed its death and are closing, so they get time first: Azurite saves its data
        when it is asked to end, and dies in the middle of that when it is asked twice.
        """
        left = [
            child["pid"]
            for child in read_json(self.path) or []
            if child["portrait"] and portrait(child["pid"]) == child["portrait"]
        ]
        _wait(left, self.grace_s)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in [pid for pid in left if portrait(pid)]:
                _signal(pid, number)
            _wait(left, self.grace_s)
        write_json(self.path, [])
        return left

    def add(self, process: Child) -> None:
        self._running[process.pid] = process
        self._save()

    def discard(self, process: Child) -> None:
        """Remove *process*, which has ended."""
        if self._running.pop(process.pid, None) is not None:
            self._save()

    def _save(self) -> None:
        write_json(self.path, [{"pid": pid, "portrait": portrait(pid)} for pid in self._running])

    async def end_all(self, grace_s: float) -> None:
        """Ask every child to end; kill those that still run after *grace_s*."""
        running = list(self._running.values())
        await asyncio.gather(*(end(process, grace_s) for process in running))
        self._running.clear()
        self._save()


async def end(process: Child, grace_s: float) -> None:
    """Send SIGTERM, and SIGKILL if *grace_s* was not enough."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace_s)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _wait(pids: list[int], limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while any(portrait(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
