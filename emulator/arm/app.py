"""ARM over HTTP, with the waits and faults that were asked for."""

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from emulator.arm.calls import Answer
from emulator.arm.spoiling import DroppedError, Spoiler
from emulator.login.entra import Entra

BODY_LIMIT = 4 * 1024 * 1024  # of an ARM request


class ArmApp:
    """Answers HTTP requests through *spoiler* and *entra*."""

    def __init__(self, spoiler: Spoiler, entra: Entra) -> None:
        self.gateway = spoiler.gateway
        self.spoiler = spoiler
        self.entra = entra

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
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
            answer = await self.spoiler.answer(request.method, path, query, headers, body)
        except DroppedError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _response(answer)

    def _metadata(self) -> Mapping[str, Any]:
        """Return this cloud's endpoints, for ``az cloud register --endpoint-resource-manager``."""
        url = self.gateway.azure.url
        return {
            "name": "gitslot-local",
            **dict.fromkeys(("portal", "graph", "gallery", "media", "batch"), url),
            **dict.fromkeys(("resourceManager", "graphAudience"), f"{url}/"),
            **dict.fromkeys(("microsoftGraphResourceId", "appServiceResourceId"), f"{url}/"),
            "authentication": {
                "loginEndpoint": f"{url}/adfs",
                "audiences": [url, f"{url}/"],
                "tenant": self.gateway.azure.tenant,
                "identityProvider": "ADFS",
            },
            "suffixes": {"storage": "localhost", "keyVaultDns": "localhost"},
        }


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    if isinstance(answer.body, str):
        return web.Response(status=answer.status, headers=answer.headers, text=answer.body)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)
