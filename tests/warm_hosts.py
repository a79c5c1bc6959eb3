"""Functions hosts for tests: forks of one warm process where the platform would fork them too."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from emulator.slots.hosts import HOST
from emulator.slots.warm_starts import COMMAND, OWN, READ_AT_START
from tests.platform import ROOT

type Process = "subprocess.Popen[bytes] | Fork"


class Fork:
    """A fork, as `subprocess.Popen` shows a process."""

    def __init__(self, warm: "Warm", pid: int, leash: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(leash, "wb")
        self.returncode: int | None = None
        self._warm = warm

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        while self._warm.hear(0):
            pass
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """Return the exit code once it has ended; subprocess.TimeoutExpired if that takes long."""
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            if not self._warm.hear(max(0.0, deadline - time.monotonic())):
                raise subprocess.TimeoutExpired(COMMAND, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send signal *number* unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Warm:
    """The warm process of this one; it ends with it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = (*COMMAND, str(os.getpid()))
            env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
            self._process = subprocess.Popen(words, stdin=theirs.fileno(), cwd=ROOT, env=env)
        self._running: dict[int, Fork] = {}
        self._started: list[int] = []

    def start(self, words: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> Fork:
        source, leash = os.pipe()
        order = os.memfd_create("order")
        os.write(order, json.dumps({"words": words, "environment": env}).encode())
        os.lseek(order, 0, os.SEEK_SET)
        socket.send_fds(self._socket, [b"!"], [source, log.fileno(), order])
        os.close(source)
        os.close(order)
        while not self._started:
            assert self.hear(60), "no host was started"
        pid = self._started.pop()
        self._running[pid] = fork = Fork(self, pid, leash)
        return fork

    def hear(self, timeout: float) -> bool:
        """Wait for what the warm process says, and take note; False where it says nothing."""
        if not select.select([self._socket], [], [], timeout)[0]:
            return False
        said = self._socket.recv(64)
        assert said, "the warm process has ended"
        pid, *code = map(int, said.split())
        if code:
            self._running.pop(pid).returncode = code[0]
        else:
            self._started.append(pid)
        return True


@cache
def _warm() -> Warm:
    return Warm()


def begin_host(app: Path, words: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start a host on *app* with more *words*, all that it prints in *log*."""
    words = ("--app", str(app), *words)
    read = any(name.startswith(READ_AT_START) and name != "HOME" for name in env)
    if sys.platform == "linux" and not read and not any((app / name).exists() for name in OWN):
        return _warm().start(words, env, log)
    return subprocess.Popen(
        [*HOST, *words],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
