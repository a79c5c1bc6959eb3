"""
Serve the ASGI application with uvicorn and stop without losing a request.

Overrides two things in uvicorn: the host handles signals, and a stop takes effect at once instead
of at the next tick of 100 ms.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Kestrel's default. With a shorter one the front door would send on closing connections.
KEEP_ALIVE_S = 130


class JoinedWrites:
    """
    Hold the head of an answer until its body comes, so that both are one write.

    uvicorn writes them separately, which costs a second system call and a second packet.
    """

    __slots__ = ("_held", "_transport", "_write", "get_extra_info", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._write = transport.write
        self._held = b""
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Write *data*, or keep it if it is a head that a body will follow."""
        if self._held:
            data = self._held + data
            self._held = b""
        elif data.endswith(b"\r\n\r\n") and not data.startswith(b"HTTP/1.1 100"):
            self._held = data
            return
        self._write(data)

    def flush(self) -> None:
        """Write the kept head, because the answer has no body."""
        if self._held:
            self._write(self._held)
            self._held = b""

    def close(self) -> None:
        """Close the connection after everything was written."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """Speak HTTP as uvicorn does, with joined writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        self._joined = JoinedWrites(transport)
        super().connection_made(cast("asyncio.Transport", self._joined))

    def on_response_complete(self) -> None:
        """Send an answer without a body, then start the next request."""
        self._joined.flush()
        super().on_response_complete()


class Server(uvicorn.Server):
    """Serve until *stopping* is set; *ready* is called once requests are accepted."""

    def __init__(
        self, web: Any, grace_s: float, stopping: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                web,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=int(grace_s),
            )
        )
        self._stopping = stopping
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self.on_tick(0)
        self._ready()

    async def main_loop(self) -> None:
        """Keep the Date header right until the stop."""
        while not self._stopping.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the host."""
        yield


def open_socket(port: int) -> socket.socket:
    """Bind *port* of the loopback address without listening; raise `OSError` if it is taken."""
    # With the protocol left at 0, asyncio would leave Nagle's algorithm on: 40 ms a request.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        taken.close()
        raise
    taken.set_inheritable(False)
    return taken
