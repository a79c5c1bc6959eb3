"""
Starts controllers that can be killed at a place: ``python -m reliability.launcher``.

It imports what `gitslot` needs once, and forks a process for each order that it reads from standard
input, one JSON a line; so a controller is a process of its own, with nothing in memory but modules.
In it, every HTTP request passes here: it is written to a trace file, and the process kills itself
with SIGKILL before the request of the wanted place leaves, or after the first bytes of its answer
came and before anybody read them. Nothing else of the controller is touched but the numbers of the
local profile that the order names.
"""

import base64
import ctypes
import gzip
import http.client
import importlib
import io
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import urllib3.connection

from emulator.machine.die_with_parent import PR_SET_PDEATHSIG
from gitslot.cli import app
from gitslot.cli.session import Session
from gitslot.edges import settings
from reliability.places import Course, Map, Request

# What a controller imports only once it needs it.
PRELOADED = (
    *("_sysconfigdata__linux_x86_64-linux-gnu", "zoneinfo", "gitslot.cli.reconcile"),
    *("azure.core.rest._http_response_impl", "azure.core.rest._requests_basic"),
    *("azure.identity", "azure.identity._credentials.app_service", "azure.storage.blob"),
    *("azure.mgmt.web", "azure.mgmt.web.models", "rich.console", "rich.status", "rich.table"),
)
KEPT = 256 * 1024  # bytes of a body that are written down
BROKEN, LATE = 70, 124  # exit codes of a controller that did not come to its end
_CALL = "_reliability_call"
_REQUEST = urllib3.connection.HTTPConnection.request
_PUTREQUEST = http.client.HTTPConnection.putrequest
_GETRESPONSE = http.client.HTTPConnection.getresponse


class Tap:
    """Where every request of this process passes."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._map = Map.of(order["environment"], order["slots"])
        self._kill = (order.get("place"), order.get("when"))
        self._course = Course()
        self._guard = threading.Lock()
        self._count = 0
        self._file = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, **fields: Any) -> None:
        """Append one line to the trace; what was written stays when this process is killed."""
        os.write(self._file, json.dumps({"at": time.time(), **fields}).encode() + b"\n")

    def leaves(self, request: Request) -> tuple[int, str]:
        """Write down that *request* is about to leave; return its number and place."""
        with self._guard:
            name = self._map.name(request)
            place = self._course.place(name)
            if self._kill == (place, "before"):
                self._end(place)
            self._count += 1
            self.note(
                sent=self._count,
                place=place,
                name=name,
                path=request.path,
                id=request.headers.get("x-ms-client-request-id", ""),
                body=_text(request.body),
            )
            return self._count, place

    def answered(self, call: tuple[int, str], answer: http.client.HTTPResponse) -> None:
        """Write down what came back."""
        number, place = call
        headers = {name.lower(): value for name, value in answer.getheaders()}
        if self._kill == (place, "after"):
            with self._guard:
                self.note(answered=number, status=answer.status, headers=headers, body="")
                self._end(place)
        body = _peek(answer)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._guard:
            self.note(answered=number, status=answer.status, headers=headers, body=_text(body))

    def _end(self, place: str) -> NoReturn:
        self.note(killed=place)
        os.kill(os.getpid(), signal.SIGKILL)
        while True:  # the signal is on its way, and nothing may happen until it is there
            time.sleep(1)


def _text(body: bytes) -> str:
    return base64.b64encode(body[:KEPT]).decode()


def _peek(answer: http.client.HTTPResponse) -> bytes:
    """Read the whole body and put it back for whoever waits for it."""
    chunked = answer.chunked
    body = answer.read()
    if not body:
        return body
    again = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    answer.fp = io.BufferedReader(io.BytesIO(again))
    answer.chunked, answer.chunk_left = chunked, None
    answer.length = None if chunked else len(body)
    return body


def listen(tap: Tap) -> None:
    """Let every request of this process pass *tap*."""

    def request(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, **more: Any
    ) -> None:
        if hasattr(body, "read"):
            body = body.read()
        data = body.encode() if isinstance(body, str) else bytes(body or b"")
        named = {_word(key).lower(): _word(value) for key, value in (headers or {}).items()}
        asked = Request(method, f"{self.host}:{self.port}", url, named, data)
        setattr(self, _CALL, tap.leaves(asked))
        _REQUEST(self, method, url, body, headers, **more)

    def putrequest(self: Any, *words: Any, **more: Any) -> None:
        if not hasattr(self, _CALL):
            tap.note(bypassed=str(words))
        _PUTREQUEST(self, *words, **more)

    def getresponse(self: Any) -> Any:
        call = getattr(self, _CALL, None)
        answer = _GETRESPONSE(self)
        if call:
            delattr(self, _CALL)
            tap.answered(call, answer)
        return answer

    urllib3.connection.HTTPConnection.request = request  # type: ignore[method-assign]
    http.client.HTTPConnection.putrequest = putrequest  # type: ignore[method-assign]
    http.client.HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]


def _word(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def be_a_controller(order: dict[str, Any]) -> NoReturn:
    """Run `gitslot reconcile` as *order* says, *passes* times, and end this process."""
    if sys.platform == "linux":  # where the launcher is killed, this ends with it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(said, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    random.seed()  # or every fork would draw what its brothers draw
    settings.LOCAL_POLICY = replace(settings.LOCAL_POLICY, **order["policy"])
    tap = Tap(order)
    listen(tap)
    code = 0
    for number in range(order["passes"]):
        tap.note(began=number)
        code = app.run(["reconcile", order["app"]], Session())
        tap.note(ended=number, code=code)
        if code:
            break
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class Ended(Exception):
    """Whoever gives orders is gone."""


def main() -> None:
    """Carry out orders until standard input ends, one at a time; answer with the exit code."""
    signal.signal(signal.SIGTERM, _leave)
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    print(json.dumps({"ready": os.getpid()}), flush=True)
    # No order is read ahead.
    with suppress(Ended, KeyboardInterrupt), open(0, "rb", buffering=0) as orders:
        while line := orders.readline():
            print(json.dumps({"code": _carried_out(json.loads(line))}), flush=True)


def _carried_out(order: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            be_a_controller(order)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(BROKEN)
    return _wait(pid, order["patience_s"])


def _leave(*_: object) -> NoReturn:
    raise Ended


def _wait(pid: int, patience_s: float) -> int:
    """Return how *pid* ended; it is killed when it takes too long or nobody waits any more."""
    deadline = time.monotonic() + patience_s
    ended = 0
    try:
        while time.monotonic() < deadline:
            ended, status_ = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status_)
            if select.select([0], [], [], 0.01)[0]:
                raise Ended  # the next order comes after the answer: this is the end of the file
        return LATE
    finally:
        if not ended:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
