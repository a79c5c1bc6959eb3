"""
Keep-alive connections to one slot's process: a request is written once and its whole answer read.

General HTTP clients send a request again when a kept connection turns out to be closed. This one
never sends twice, so a lost answer stays lost.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import httptools

# The host closes idle connections after 130 s. Ours are closed first, so that no request is sent
# on a closing one.
IDLE_S = 60.0

Headers = Iterable[tuple[bytes, bytes]]


class LostError(Exception):
    """The connection ended before the answer was whole: the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as received; names of headers in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    idle_since = 0.0
    _transport: asyncio.Transport | None = None
    _waiter: asyncio.Future[Reply] | None = None
    _head_only = False
    _again = False

    @property
    def usable(self) -> bool:
        """Return whether the next request may be sent here."""
        return self._again and self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, method: str, target: str, headers: Headers, body: bytes) -> asyncio.Future[Reply]:
        """Send a request; *headers* without Content-Length. The future may raise LostError."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head_only = method == "HEAD"
        self._again = False
        self._waiter = asyncio.get_running_loop().create_future()
        lines = [f"{method} {target} HTTP/1.1\r\n".encode("latin-1")]
        lines += [b"%s: %s\r\n" % header for header in headers]
        if body or method not in ("GET", "HEAD"):
            lines.append(b"content-length: %d\r\n" % len(body))
        lines += (b"\r\n", body)
        self._transport.write(b"".join(lines))
        return self._waiter

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, AttributeError):
            self._fail()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._head_only and self._parser.get_status_code() >= 200:
            self._done(again=False)  # the parser does not know that no body follows

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # an interim answer
            self._headers.clear()
            return
        if self._waiter is not None and not self._waiter.done():
            self._done(again=self._parser.should_keep_alive())

    def _done(self, *, again: bool) -> None:
        assert self._waiter is not None
        self._again = again
        reply = Reply(self._parser.get_status_code(), self._headers, b"".join(self._body))
        if not self._waiter.done():
            self._waiter.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail()

    def _fail(self) -> None:
        self._again = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(LostError())
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Connections:
    """Connections to *port* of this machine, reused for later requests."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._idle: list[Connection] = []

    async def ask(self, method: str, target: str, headers: Headers, body: bytes = b"") -> Reply:
        """
        Return the answer to one request.

        Raises OSError if no connection could be made, so nothing was sent, and LostError if the
        connection ended before the answer was whole.
        """
        connection = await self._connection()
        try:
            reply = await connection.ask(method, target, headers, body)
        except BaseException:
            connection.close()
            raise
        if connection.usable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return reply

    async def _connection(self) -> Connection:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and loop.time() - connection.idle_since < IDLE_S:
                return connection
            connection.close()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self.port)
        return connection

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()
