"""
Load on a local server: rotating requests on connections that stay open, every answer checked.

The client is plain sockets in one thread, so that on two cores the server is the slower side.
"""

import ctypes
import json
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
# Linux counts the time of another process when that one pauses, or at a tick of 4 ms.
SETTLED_S = 0.002
_HEAD = (
    "POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Question:
    """The *body* of a request, and the *labels* that answer it."""

    body: bytes
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Spent:
    """What an answer took: wall and processor seconds, the latter of the server alone."""

    wall: float
    processor: float


class Load:
    """
    *questions* for the process *pid* at *url*, from so many *connections* at once.

    Each question is asked once here, and its answer compared with its labels; from then on the
    answer has to be the same bytes.
    """

    def __init__(self, url: str, pid: int, questions: Sequence[Question], connections: int) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        place = (parts.hostname, parts.port)
        self._sockets = [socket.create_connection(place, TIMEOUT_S) for _ in range(connections)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._clock = process_clock(pid)
        self._turns = cycle([self._first(question) for question in questions])

    def spend(self, seconds: float) -> Spent:
        """Ask for so many *seconds*, and until all is answered; return what an answer took."""
        processor, began = time.clock_gettime(self._clock), time.perf_counter()
        if len(self._sockets) == 1:
            count = self._alone(began + seconds)
        else:
            count = self._together(began + seconds)
        wall = time.perf_counter() - began
        time.sleep(SETTLED_S)
        return Spent(wall / count, (time.clock_gettime(self._clock) - processor) / count)

    def close(self) -> None:
        """End the connections."""
        for each in self._sockets:
            each.close()

    def _first(self, question: Question) -> tuple[bytes, bytes]:
        """Return the request of *question* and its answer, which was checked."""
        request = _HEAD.format(len(question.body)).encode() + question.body
        one = self._sockets[0]
        one.sendall(request)
        head, _, body = one.recv(1 << 20).partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().splitlines()
            if line.startswith(b"content-length")
        )
        while len(body) < length:
            body += one.recv(1 << 20)
        if not head.startswith(b"HTTP/1.1 200") or json.loads(body) != list(question.labels):
            raise RuntimeError(f"another answer than scikit-learn's: {head[:40]!r} {body[:200]!r}")
        return request, body

    def _alone(self, end: float) -> int:
        """Ask on one connection until *end*; return the number of answers."""
        one, count = self._sockets[0], 0
        while time.perf_counter() < end:
            request, answer = next(self._turns)
            one.sendall(request)
            _receive(one, answer)
            count += 1
        return count

    def _together(self, end: float) -> int:
        """Ask on all connections until *end*; return the number of answers."""
        poll, count = select.poll(), 0
        waiting: dict[int, tuple[socket.socket, bytes]] = {}
        for one in self._sockets:
            poll.register(one, select.POLLIN)
            waiting[one.fileno()] = (one, self._send(one))
        while waiting:
            for number, _ in poll.poll():
                one, answer = waiting.pop(number)
                _receive(one, answer)
                count += 1
                if time.perf_counter() < end:
                    waiting[number] = (one, self._send(one))
        return count

    def _send(self, one: socket.socket) -> bytes:
        request, answer = next(self._turns)
        one.sendall(request)
        return answer


def _receive(one: socket.socket, answer: bytes) -> None:
    """Wait for *answer*, the last bytes of a response; RuntimeError if another one comes."""
    found = one.recv(1 << 20)
    try:
        while not found.endswith(answer):
            more = one.recv(1 << 20)
            if not more:
                raise RuntimeError(f"the server closed the connection after {found[:200]!r}")
            found += more
    except TimeoutError:
        raise RuntimeError(f"another answer than before: {found[:200]!r}") from None
    if not found.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"no prediction: {found[:200]!r}")


def process_clock(pid: int) -> int:
    """Return the clock of the processor time of *pid*, all its threads; Linux only."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(f"there is no processor clock of process {pid}")
    return clock.value
