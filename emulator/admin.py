"""
Plain HTTP on loopback: tokens for identities, and the switches for tests and people.

``/msi/token`` is Azure's; no cloud has any of the other paths.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from emulator.arm.gateway import Gateway
from emulator.arm.routes import OPERATIONS
from emulator.login.identity import KNOWN, Caller, Identity
from emulator.seen import faults, latency
from emulator.seen.faults import Faults
from emulator.slots.placement import Placement

API_VERSION = "2019-08-01"
IDS = frozenset({"client_id", "principal_id", "object_id", "mi_res_id"})  # of an identity
LOCAL = frozenset({"127.0.0.1", "localhost"})


@dataclass
class Admin:
    """Answers by path. *caller_of* returns the holder of an identity header."""

    gateway: Gateway
    placement: Placement
    identity: Identity
    rules: Faults
    caller_of: Callable[[str], Caller | None]

    def __post_init__(self) -> None:
        self.azure = self.gateway.azure
        transitions, limits = self.azure.transitions, self.gateway.limits
        self.shown: Mapping[str, Callable[[], Any]] = {
            "/slots": lambda: list(self.placement.shown()),
            "/faults": self.rules.shown,
            "/latency": lambda: asdict(self.azure.latency),
            "/limits": limits.shown,
            "/assumptions": self.azure.assumed.shown,
            "/transitions": transitions.shown,
            "/requests": self.azure.counts.shown,
            "/coverage": self.azure.counts.shown_unknown,
        }
        self.changes: Mapping[tuple[str, str], Callable[[Any], Any]] = {
            ("PUT", "/faults"): self._set_faults,
            ("PUT", "/latency"): self._set_latency,
            ("PUT", "/limits"): limits.use,
            ("PUT", "/assumptions"): self.azure.assumed.use,
            ("PUT", "/rights"): self._set_rights,
            ("PUT", "/transitions"): transitions.use,
            ("POST", "/transitions/advance"): transitions.advance,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; refuse other hosts than loopback, so that no web page has access."""
        if request.url.host not in LOCAL:
            return web.Response(status=403)
        path = request.path.rstrip("/")
        if request.method == "GET":
            if path == "/msi/token":
                return await self._token(request)
            if path == "/history":
                return self._history(request)
            if path in self.shown:
                return web.json_response(self.shown[path]())
        elif (request.method, path) in self.changes:
            return await self._change(request, self.changes[request.method, path])
        return web.json_response({"message": "no such path"}, status=404)

    def _history(self, request: web.BaseRequest) -> web.StreamResponse:
        since = request.query.get("since", "0")
        if not since.isdigit():
            return web.json_response({"message": "since is a number"}, status=400)
        return web.json_response(self.azure.history.since(int(since)))

    async def _change(
        self, request: web.BaseRequest, change: Callable[[Any], Any]
    ) -> web.StreamResponse:
        try:
            return web.json_response(change(json.loads(await request.read())))
        except (KeyError, ValueError, TypeError) as error:
            return web.json_response({"message": str(error)}, status=400)

    def _set_faults(self, given: Any) -> Any:
        self.rules.rules = faults.parse(given, OPERATIONS)
        return self.rules.shown()

    def _set_rights(self, given: Any) -> Any:
        rights = self.azure.store.rights
        rights.storage, rights.delay_s = bool(given["storage"]), float(given.get("delay_s", 0))
        return given

    def _set_latency(self, given: Any) -> Mapping[str, Any]:
        self.azure.latency = latency.parse(given, self.azure.latency)
        return asdict(self.azure.latency)

    async def _token(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a token to the holder of an identity header, as App Service does."""
        fault = await self.rules.meet(request, "token")
        if fault is not None:
            return _refused(fault.status or 500, str(fault.body or "planted"))
        query = {name.lower(): value for name, value in request.query.items()}
        if query.get("api-version") != API_VERSION:
            return _refused(400, f"api-version must be {API_VERSION}")
        header = request.headers.get("X-IDENTITY-HEADER")
        if header is None:
            return _refused(400, "the X-IDENTITY-HEADER header is missing")
        caller = self.caller_of(header)
        if caller is None:
            return _refused(401, "the X-IDENTITY-HEADER header is wrong")
        asked = {query[name] for name in query.keys() & IDS}
        mine = [*([caller] if caller.system else []), *caller.others]
        meant = [one for one in mine if all(one.goes_by(word) for word in asked)]
        if not meant or not (asked or caller.system):
            return _refused(400, "no such identity: neither its own nor a user-assigned one")
        caller = meant[0]
        resource = query.get("resource", "")
        if resource.rstrip("/") not in KNOWN | {self.azure.url}:
            return _refused(400, f"the resource '{resource}' was not found in the tenant")
        token, ends = self.identity.mint(caller, resource)
        bearer = {"access_token": token, "expires_on": str(ends), "token_type": "Bearer"}
        client = caller.client or caller.principal
        return web.json_response({**bearer, "resource": resource, "client_id": client})


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)
