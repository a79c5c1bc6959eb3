"""
Serve the ASGI application with uvicorn and stop without losing a request.

Only what uvicorn does differently from what a slot process needs is overridden: signals belong to
the host, and a stop is acted on at once rather than at the next tick of 100 ms.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

# Kestrel's default; a shorter one would close connections under the front's feet.
KEEP_ALIVE_S = 130


class Server(uvicorn.Server):
    """Serve until *stopping* is set; *ready* is called once requests are accepted."""

    def __init__(
        self, web: Any, grace_s: float, stopping: asyncio.Event, ready: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                web,
                loop="none",
                http="httptools",
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
        """Listen, then say so."""
        await super().startup(sockets)
        await self.on_tick(0)
        self._ready()

    async def main_loop(self) -> None:
        """Keep the Date header right until told to stop."""
        while not self._stopping.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the host."""
        yield


def open_socket(port: int) -> socket.socket:
    """Take *port* of the loopback address, not listening yet; raise `OSError` where it is taken."""
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
