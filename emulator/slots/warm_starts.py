"""
Hosts that are forks of one warm process: a third of the time of a core that an execution takes.

See `emulator.functions_host.warm`, which this starts with the first host, and again if it ended.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

COMMAND = (sys.executable, "-m", "emulator.functions_host.warm")
# What Python and libc read when a process is executed, by the beginnings of their names.
READ_AT_START = ("PYTHON", "LD_", "GLIBC_", "MALLOC_", "OPENSSL_", "LC_", "LANG", "TZ", "HOME")
# What an app may bring instead of what the warm process has imported.
OWN = (".python_packages", "azure", "numpy", "numpy.py")


class Fork:
    """A process that the warm one has started; it works as asyncio's `Process` does."""

    def __init__(self, pid: int, leash: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._leash = leash  # the host ends when its input does
        self._over = asyncio.Event()

    async def wait(self) -> int:
        """Return the exit code once the process has ended."""
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def ended(self, code: int) -> None:
        """Take note that it ended with *code*."""
        if self.returncode is None:
            self.returncode = code
            os.close(self._leash)
            self._over.set()


class WarmStarts:
    """Starts hosts; the warm process runs in *root* with *environment*, for *state*."""

    def __init__(self, root: Path, state: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._command = (*COMMAND, str(state))
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._asked: deque[tuple[asyncio.Future[Fork], int]] = deque()
        self._running: dict[int, Fork] = {}

    def fits(self, app: Path, environment: Mapping[str, str]) -> bool:
        """Return whether a fork is to *app*, in *environment*, what an execution would be."""
        if sys.platform != "linux" or any((app / name).exists() for name in OWN):
            return False
        return _at_start(environment) == _at_start(self._environment)

    async def start(
        self, words: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
    ) -> Fork:
        """Start a host with *words* and return it; OSError if that cannot be."""
        door = self._socket or self._open()
        order = os.memfd_create("order")
        source, leash = os.pipe()
        started: asyncio.Future[Fork] = asyncio.get_running_loop().create_future()
        try:
            os.write(order, json.dumps({"words": words, "environment": environment}).encode())
            os.lseek(order, 0, os.SEEK_SET)
            socket.send_fds(door, [b"!"], [source, log.fileno(), order])
        except BaseException:
            os.close(leash)
            raise
        finally:
            os.close(source)
            os.close(order)
        self._asked.append((started, leash))
        return await started

    async def close(self) -> None:
        """End the warm process, and wait for that, once its hosts have ended."""
        process = self._process
        if process is not None:
            self._lost()
            await asyncio.to_thread(process.wait)

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                self._command, stdin=theirs.fileno(), cwd=self._root, env=self._environment
            )
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear, ours)
        return ours

    def _hear(self, door: socket.socket) -> None:
        try:
            while said := door.recv(64):
                self._told(*map(int, said.split()))
        except BlockingIOError:
            return
        except OSError:
            pass  # it was killed
        self._lost()

    def _told(self, pid: int, code: int | None = None) -> None:
        if code is not None:
            self._running.pop(pid).ended(code)
            return
        asked, leash = self._asked.popleft()
        self._running[pid] = fork = Fork(pid, leash)
        if asked.cancelled():
            fork.kill()
        else:
            asked.set_result(fork)

    def _lost(self) -> None:
        """Take note that the warm process has ended, or is asked to; its hosts end with it."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        for asked, leash in self._asked:
            os.close(leash)
            if not asked.done():
                asked.set_exception(OSError("the process that starts hosts has ended"))
        self._asked.clear()
        for fork in self._running.values():
            fork.ended(-signal.SIGKILL)
        self._running.clear()


def _at_start(environment: Mapping[str, str]) -> Mapping[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(READ_AT_START)}
