"""HTTP servers of aiohttp on sockets that already listen."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from socket import socket

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def serve(
    handler: Handler, *sockets: tuple[socket, ssl.SSLContext | None], shutdown_s: float = 2.0
) -> web.ServerRunner:
    """
    Answer on *sockets*, each with its TLS context or None; ``cleanup`` of the result ends it.

    Bodies arrive as sent, gzip too (github.com/Azure/azure-functions-core-tools/issues/2185).
    """
    server = web.Server(handler, access_log=None, keepalive_timeout=240.0, auto_decompress=False)
    runner = web.ServerRunner(server, shutdown_timeout=shutdown_s)
    await runner.setup()
    for listener, context in sockets:
        await web.SockSite(runner, listener, ssl_context=context, backlog=512).start()
    return runner


class Listener(ABC):
    """Answers on sockets from ``open`` until ``close``."""

    _runner: web.ServerRunner | None = None

    async def open(self, *sockets: tuple[socket, ssl.SSLContext | None]) -> None:
        """Answer on *sockets*, which listen already, each with its TLS context or None."""
        self._runner = await serve(self._answer, *sockets)

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @abstractmethod
    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
