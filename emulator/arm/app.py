"""ARM over TLS: HTTP in, HTTP out, with the waits and the faults that were asked for."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from emulator.arm.calls import Answer, RefusalError
from emulator.arm.gateway import Gateway
from emulator.entra import Entra
from emulator.faults import Fault, Faults
from emulator.state import PRODUCTION

BODY_LIMIT = 4 * 1024 * 1024  # of an ARM request


class ArmApp:
    """Puts HTTP onto a gateway. *ended* waits for a long-running operation."""

    def __init__(
        self,
        gateway: Gateway,
        entra: Entra,
        faults: Faults,
        ended: Callable[[str], Awaitable[None]],
    ) -> None:
        self.gateway = gateway
        self.entra = entra
        self.faults = faults
        self.ended = ended

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        body = await request.content.read(BODY_LIMIT + 1) if request.body_exists else b""
        while request.body_exists and not request.content.at_eof() and len(body) <= BODY_LIMIT:
            body += await request.content.read(BODY_LIMIT + 1 - len(body))
        if len(body) > BODY_LIMIT:
            return web.Response(status=413)
        path = request.rel_url.raw_path
        if path.strip("/").lower() == "metadata/endpoints":
            return web.json_response(self._metadata())
        signed_in = self.entra.answer(request.method, re.sub(r"/{2,}", "/", path), body)
        if signed_in is not None:
            return web.json_response(signed_in[1], status=signed_in[0])
        query = {name.lower(): value for name, value in request.query.items()}
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            call, route, params = self.gateway.admit(request.method, path, query, headers, body)
        except RefusalError as refusal:
            return _response(refusal.answer)
        await asyncio.sleep(self.gateway.world.latency.call_s)
        site = params.get("site", "").lower() or None
        slot = params.get("slot", PRODUCTION).lower() if site else None
        fault = self.faults.take(route.operation, site, slot)
        if fault is None:
            return _response(self.gateway.carry_out(call, route, params))
        if fault.when == "before":
            await asyncio.sleep(fault.delay_s)
            if fault.status is None and not fault.drop:  # slow, and nothing else
                return _response(self.gateway.carry_out(call, route, params))
            return self._spoilt(request, fault)
        answer = self.gateway.carry_out(call, route, params)
        if fault.twice:
            answer = self.gateway.carry_out(call, route, params)
        if fault.hold and answer.operation is not None:
            await self.ended(answer.operation)
        await asyncio.sleep(fault.delay_s)
        if fault.status is None and not fault.drop:
            return _response(answer)
        return self._spoilt(request, fault)

    def _spoilt(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        body = fault.body
        if body is None:
            code = fault.code or "InternalServerError"
            body = {"error": {"code": code, "message": f"The request failed with {fault.status}."}}
        return _response(Answer(fault.status or 500, body, dict(fault.headers)))

    def _metadata(self) -> Mapping[str, Any]:
        """Describe this cloud, as ``az cloud register --endpoint-resource-manager`` asks for it."""
        url = self.gateway.world.url
        return {
            "name": "gitslot-local",
            "resourceManager": url,
            "portal": url,
            "graph": url,
            "graphAudience": f"{url}/",
            "microsoftGraphResourceId": f"{url}/",
            "gallery": url,
            "media": url,
            "batch": url,
            "appServiceResourceId": f"{url}/",
            "authentication": {
                "loginEndpoint": f"{url}/adfs",
                "audiences": [url, f"{url}/"],
                "tenant": self.gateway.world.tenant,
                "identityProvider": "ADFS",
            },
            "suffixes": {"storage": "localhost", "keyVaultDns": "localhost"},
        }


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    if isinstance(answer.body, str):
        return web.Response(status=answer.status, headers=answer.headers, text=answer.body)
    return web.Response(
        status=answer.status,
        headers=answer.headers,
        body=json.dumps(answer.body).encode(),
        content_type="application/json",
        charset="utf-8",
    )
