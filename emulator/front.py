"""
The public ports of a slot: each request goes to the process that holds the slot at that moment.

A request is given to a process once. It is tried again only where the connection to the process was
never made, so that nothing can be carried out twice. Limits: 100 MB of body and 230 s, as on Azure
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits).
"""

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Callable
from socket import socket

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from emulator.faults import Faults
from emulator.hosts import Host
from emulator.state import Slot
from emulator.workers import Worker

BODY_LIMIT = 100 * 1024 * 1024
ANSWER_LIMIT_S = 230.0
# RFC 9110, 7.6.1; what Connection itself names is added per message.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
OURS = frozenset(
    {
        "x-arr-log-id",
        "x-arr-ssl",
        "x-forwarded-proto",
        "x-site-deployment-id",
        "x-original-url",
        "was-default-hostname",
        "disguised-host",
        "content-length",
        "expect",
    }
)
STOPPED = (
    "<html><head><title>Web App - Unavailable</title></head>"
    "<body><h1>Error 403 - This web app is stopped.</h1></body></html>"
)

Look = Callable[[], tuple[Slot, Worker] | None]


class Front:
    """Listens for one slot on two ports; *look* tells who holds the slot now."""

    def __init__(self, site: str, slot: str, look: Look, faults: Faults) -> None:
        self.site = site
        self.slot = slot
        self.look = look
        self.faults = faults
        self._runner: web.ServerRunner | None = None

    async def open(self, secure: socket, plain: socket, context: ssl.SSLContext) -> None:
        """Answer on both sockets, which listen already."""
        server = web.Server(self._answer, access_log=None, keepalive_timeout=240.0)
        runner = web.ServerRunner(server, shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, secure, ssl_context=context, backlog=512).start()
        await web.SockSite(runner, plain, backlog=512).start()
        self._runner = runner

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        fault = self.faults.take("front", self.site, self.slot)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.drop:
                assert request.transport is not None
                request.transport.abort()
            return web.Response(status=fault.status or 503, text=str(fault.body or ""))
        if not request.raw_path.startswith("/"):
            return web.Response(status=400)
        if (request.content_length or 0) > BODY_LIMIT:
            return web.Response(status=413)
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b"" if not request.body_exists else await _bounded(request)
        if body is None:
            return web.Response(status=413)
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                return await self._pass_on(request, body)
        except TimeoutError:
            return web.Response(status=504, text="The request timed out.")

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        while True:
            held = self.look()
            if held is None:
                return web.Response(status=404, text="404 Web Site not found.")
            slot, worker = held
            if not slot.running:
                return web.Response(status=403, text=STOPPED, content_type="text/html")
            host = worker.serving
            if host is None:
                if worker.failed:
                    return web.Response(status=503, text="Function host is not running.")
                await worker.changed()
                continue
            host.enter()
            try:
                return await self._send(request, body, slot, host)
            except aiohttp.ClientConnectorError:
                # The connection was not made, so nothing was sent: look who answers now.
                if worker.serving is host:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(worker.changed(), 1.0)
            except (aiohttp.ClientError, ConnectionError):
                return web.Response(status=502, text="Bad Gateway")
            finally:
                host.leave()

    async def _send(
        self, request: web.BaseRequest, body: bytes, slot: Slot, host: Host
    ) -> web.StreamResponse:
        url = URL(f"http://127.0.0.1:{host.port}{request.raw_path}", encoded=True)
        async with host.session.request(
            request.method,
            url,
            headers=_forwarded(request, slot),
            data=body or None,
            allow_redirects=False,
        ) as response:
            content = await response.read()
            headers = _passed(response.headers)
            if request.method == hdrs.METH_HEAD:
                headers[hdrs.CONTENT_LENGTH] = response.headers.get(hdrs.CONTENT_LENGTH, "0")
            return web.Response(status=response.status, body=content, headers=headers)


async def _bounded(request: web.BaseRequest) -> bytes | None:
    """Return the body, chunked or not; None where it is over the limit."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _without_hops(headers: "CIMultiDict[str]", named: str) -> "CIMultiDict[str]":
    drop = HOP_BY_HOP | {word.strip().lower() for word in named.split(",") if word.strip()}
    return CIMultiDict((k, v) for k, v in headers.items() if k.lower() not in drop)


def _forwarded(request: web.BaseRequest, slot: Slot) -> "CIMultiDict[str]":
    """Return the request's headers with those that Azure's front end puts there."""
    named = request.headers.get(hdrs.CONNECTION, "")
    headers = _without_hops(CIMultiDict(request.headers), named)
    for name in OURS:
        headers.popall(name, None)
    peer = request.remote or ""
    before = headers.popall("X-Forwarded-For", [])
    headers["X-Forwarded-For"] = ", ".join([*before, peer])
    headers["X-Forwarded-Proto"] = "https" if request.secure else "http"
    headers["X-ARR-LOG-ID"] = str(uuid.uuid4())  # tells the host that the caller is outside
    headers["X-SITE-DEPLOYMENT-ID"] = slot.deployment_id
    headers["WAS-DEFAULT-HOSTNAME"] = slot.host
    headers["DISGUISED-HOST"] = request.host
    headers["X-Original-URL"] = request.raw_path
    return headers


def _passed(given: CIMultiDictProxy[str]) -> "CIMultiDict[str]":
    headers = _without_hops(CIMultiDict(given), given.get(hdrs.CONNECTION, ""))
    headers.popall(hdrs.CONTENT_LENGTH, None)
    return headers
