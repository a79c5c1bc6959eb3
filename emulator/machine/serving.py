"""HTTP servers of aiohttp on sockets that already listen."""

import ssl
from collections.abc import Awaitable, Callable
from socket import socket

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def serve(
    handler: Handler, *sockets: tuple[socket, ssl.SSLContext | None], shutdown_s: float = 2.0
) -> web.ServerRunner:
    """Answer on *sockets*, each with its TLS context or None; ``cleanup`` of the result ends it."""
    server = web.Server(handler, access_log=None, keepalive_timeout=240.0)
    runner = web.ServerRunner(server, shutdown_timeout=shutdown_s)
    await runner.setup()
    for listener, context in sockets:
        await web.SockSite(runner, listener, ssl_context=context, backlog=512).start()
    return runner
