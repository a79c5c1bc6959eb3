"""
The public ports of a slot: each request goes to the process that holds the slot at that moment.

A request is sent to a process once. It is sent again only if no connection to the process was
made, so nothing can be carried out twice. Limits: 100 MB of body and 230 s, as on Azure
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger#limits).
While a process starts, a request waits for 30 s and is then answered with 503, as by
HostAvailabilityCheckMiddleware.cs and DelayUntilHostReady of azure-functions-host.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from aiohttp import hdrs, web
from multidict import CIMultiDict

from emulator.machine.serving import Listener
from emulator.seen.faults import Faults
from emulator.slots.connection import LostError
from emulator.slots.hosts import Host
from emulator.slots.state import Slot
from emulator.slots.workers import Worker

BODY_LIMIT = 100 * 1024 * 1024
ANSWER_LIMIT_S = 230.0
READY_LIMIT_S = 30.0
NOT_READY = "Function host is not running."
# RFC 9110, 7.6.1; headers that Connection names are added per message.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
# Headers that Azure's front end sets itself; a caller's are dropped.
OURS = frozenset(
    b"x-arr-log-id x-arr-ssl x-forwarded-proto x-site-deployment-id x-original-url "
    b"was-default-hostname disguised-host content-length expect".split()
)
STOPPED = (
    "<html><head><title>Web App - Unavailable</title></head>"
    "<body><h1>Error 403 - This web app is stopped.</h1></body></html>"
)

Holder = Callable[[int], tuple[Slot, Worker] | None]  # by the number of the connection


class FrontDoor(Listener):
    """Listens for one slot on two ports; *holder* returns the slot and its worker as of now."""

    def __init__(
        self,
        site: str,
        slot: str,
        holder: Holder,
        faults: Faults,
        *,
        answer_s: float = ANSWER_LIMIT_S,
        ready_s: float = READY_LIMIT_S,
    ) -> None:
        self.answer_s, self.ready_s = answer_s, ready_s
        self.site = site
        self.slot = slot
        self.holder = holder
        self.faults = faults
        self._numbers, self._opened = itertools.count(1), itertools.count(1)
        self._connections: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        planted = await self.faults.answer(request, "front", self.site, self.slot)
        if planted is not None:
            return planted
        if not request.raw_path.startswith("/"):
            return web.Response(status=400)
        body = await _body(request)
        if body is None:
            return web.Response(status=413)
        try:
            async with asyncio.timeout(self.answer_s):
                return await self._pass_on(request, body)
        except TimeoutError:
            return web.Response(status=504, text="The request timed out.")

    async def _pass_on(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.ready_s
        connection = self._connections.get(request.transport)
        if connection is None:
            connection = self._connections[request.transport] = next(self._opened)
        while True:
            held = self.holder(connection)
            if held is None:
                return web.Response(status=404, text="404 Web Site not found.")
            slot, worker = held
            if slot.https_only and not request.secure:
                # https://learn.microsoft.com/azure/app-service/configure-ssl-bindings: "redirects
                # all HTTP requests to HTTPS"; that it does so with 301 for every method is an
                # assumption.
                where = f"https://{slot.host}{request.raw_path}"
                return web.Response(status=301, headers={hdrs.LOCATION: where})
            if not slot.running:
                return web.Response(status=403, text=STOPPED, content_type="text/html")
            host = worker.serving
            if host is None:
                if worker.failed or loop.time() >= until:
                    return web.Response(status=503, text=NOT_READY)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(worker.changed(), until - loop.time())
                continue
            host.enter()
            try:
                return await self._send(request, body, slot, host)
            except OSError:
                # The connection was not made, so nothing was sent: find out who answers now.
                if worker.serving is host:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(worker.changed(), 1.0)
            except LostError:
                return web.Response(status=502, text="Bad Gateway")
            finally:
                host.leave()

    async def _send(
        self, request: web.BaseRequest, body: bytes, slot: Slot, host: Host
    ) -> web.StreamResponse:
        headers = _forwarded(request, slot, next(self._numbers))
        reply = await host.connections.ask(request.method, request.raw_path, headers, body)
        passed = CIMultiDict(
            (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
            for name, value in _without_hops(reply.headers)
            if name != b"content-length" or request.method == hdrs.METH_HEAD
        )
        return web.Response(status=reply.status, body=reply.body, headers=passed)


async def _body(request: web.BaseRequest) -> bytes | None:
    """Return the body, chunked or not; None if it is over the limit."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > BODY_LIMIT:
        return None
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _without_hops(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return *headers* with lower-case names, without those of the connection."""
    lower = [(name.lower(), value) for name, value in headers]
    named = b",".join(value for name, value in lower if name == b"connection")
    drop = HOP_BY_HOP | {word.strip().lower() for word in named.split(b",")}
    return [(name, value) for name, value in lower if name not in drop]


def _forwarded(request: web.BaseRequest, slot: Slot, number: int) -> list[tuple[bytes, bytes]]:
    """Return the request's headers with those that Azure's front end sets."""
    headers, before = [], []
    for name, value in _without_hops(request.raw_headers):
        if name == b"x-forwarded-for":
            before.append(value)
        elif name not in OURS:
            headers.append((name, value))
    host = slot.host.encode()
    before.append((request.remote or "").encode())
    headers += [
        (b"x-forwarded-for", b", ".join(before)),
        (b"x-forwarded-proto", b"https" if request.secure else b"http"),
        (b"x-arr-log-id", b"%032x" % number),  # marks the caller as outside for the host
        (b"x-site-deployment-id", slot.deployment_id.encode()),
        (b"was-default-hostname", host),
        (b"disguised-host", request.host.encode("utf-8", "surrogateescape")),
        (b"x-original-url", request.raw_path.encode("utf-8", "surrogateescape")),
    ]
    return headers
