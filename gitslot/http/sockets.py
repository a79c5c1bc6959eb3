"""
Sockets that keep the total time of a call, whatever the other side does.

A read time-out starts anew with every byte, so a host that drips never meets one. Here each
operation on a socket gets what is left of its call: the look-up of the name, the connection, a
proxy's CONNECT, TLS, the request, the headers and the body.
"""

import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

_IDLE_S = 120.0  # Azure's NAT drops a connection after 4 minutes, and tells nobody


@dataclass(slots=True)
class Call:
    """One call: when it *ends* (monotonic), if it was *sent*; *fresh*: on its own connection."""

    ends: float = math.inf
    sent: bool = False
    fresh: bool = False

    def left(self) -> float:
        """Return the seconds that are left. Raises TimeoutError where there are none."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the total time of the call is over")
        return left


class _Now(threading.local):
    call = Call()


_now = _Now()


@contextmanager
def within(seconds: float, *, fresh: bool = False) -> Iterator[Call]:
    """Give all that this thread does over HTTP inside *seconds* in all; they nest."""
    outer = _now.call
    _now.call = Call(min(outer.ends, time.monotonic() + seconds), fresh=fresh)
    try:
        yield _now.call
    finally:
        _now.call = outer


def _limited(name: str) -> Any:
    def operate(self: Any, *args: Any) -> Any:
        if _now.call.ends != math.inf:
            self.settimeout(_now.call.left())
        return getattr(super(_Timed, self), name)(*args)

    return operate


class _Timed:
    """A socket whose every operation takes at most what is left of this thread's call."""

    recv, recv_into = _limited("recv"), _limited("recv_into")
    send, sendall = _limited("send"), _limited("sendall")
    do_handshake = _limited("do_handshake")


class Tcp(_Timed, socket.socket):
    """A plain socket within its call."""


class Tls(_Timed, ssl.SSLSocket):
    """A TLS socket within its call; put it into a context as `sslsocket_class`."""


class _Bounded:
    """A connection of `Tcp` sockets that is not used again after it was idle for long."""

    _used = -math.inf

    def _new_conn(self: Any) -> socket.socket:
        try:
            with within(self.timeout):
                return _connected(self._dns_host.strip("[]"), self.port, self.socket_options or ())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} took too long to connect") from error
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"cannot connect: {error}") from error

    def request(self, *args: Any, **more: Any) -> None:
        _now.call.sent = True
        super().request(*args, **more)  # type: ignore[misc] # of the connection

    def getresponse(self) -> Any:
        answer = super().getresponse()  # type: ignore[misc] # of the connection
        self._used = time.monotonic()
        return answer

    @property
    def is_connected(self) -> bool:
        """Say whether the connection is open, and new enough for this call to use it again."""
        usable = not _now.call.fresh and time.monotonic() - self._used < _IDLE_S
        return usable and super().is_connected  # type: ignore[misc] # see above


class _HttpPool(HTTPConnectionPool):
    ConnectionCls: Any = type("_Http", (_Bounded, HTTPConnection), {})


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls: Any = type("_Https", (_Bounded, HTTPSConnection), {})


POOLS = {"http": _HttpPool, "https": _HttpsPool}


def _connected(host: str, port: int, options: Any) -> Tcp:
    """Return a socket to *host*; its addresses share the time that is left."""
    addresses = _addresses(host, port)
    failed: OSError = OSError("it has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        made = Tcp(family, kind, protocol)
        try:
            for option in options:
                made.setsockopt(*option)
            made.settimeout(_now.call.left() / (len(addresses) - index))
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            return made
    raise failed


def _addresses(host: str, port: int) -> list[Any]:
    """Look up *host* in a thread of its own: no time-out ends `getaddrinfo`."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_now.call.left())
    if not found:
        raise TimeoutError("the look-up of the name took too long")
    if isinstance(found[0], Exception):
        raise found[0]
    return list(found[0])
