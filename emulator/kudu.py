"""The port of a slot's Kudu, the SCM host of ``hostNameSslStates``; it does nothing yet."""

import ssl
from socket import socket

from aiohttp import web


class Kudu:
    """Listens for one slot's Kudu."""

    def __init__(self, site: str, slot: str) -> None:
        self.site = site
        self.slot = slot
        self._runner: web.ServerRunner | None = None

    async def open(self, listener: socket, context: ssl.SSLContext) -> None:
        """Answer on *listener*, which listens already."""
        server = web.Server(self._answer, access_log=None, keepalive_timeout=240.0)
        runner = web.ServerRunner(server, shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=context, backlog=512).start()
        self._runner = runner

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=501, text="The emulator has no Kudu.")
