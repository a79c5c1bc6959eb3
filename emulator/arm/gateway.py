"""
ARM's front door without its sockets: checks caller, api-version, subscription and group, then finds
the route.

``emulator.arm.app`` serves it over HTTP; a test may connect an azure-core transport directly to
``Gateway.answer``.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from emulator.arm import rights
from emulator.arm.calls import Answer, Call, RefusalError, gateway
from emulator.arm.limits import Limits
from emulator.arm.routes import Route, find
from emulator.login.identity import Caller, Identity, TokenRefusedError
from emulator.slots.azure import Azure

# Method, path as sent, query and headers (names in lower case), body.
Request = tuple[str, str, Mapping[str, str], Mapping[str, str], bytes]


class Gateway:
    """Answers calls, and counts them, those of unknown paths too."""

    def __init__(self, azure: Azure, identity: Identity) -> None:
        self.azure = azure
        self.identity = identity
        self.limits = Limits(azure.now, azure.subscription)

    def answer(self, *request: *Request) -> Answer:
        """Answer one request."""
        try:
            call, route, params = self.admit(*request)
        except RefusalError as refusal:
            return refusal.answer
        return self.carry_out(call, route, params)

    def admit(self, *request: *Request) -> tuple[Call, Route, dict[str, str]]:
        """Check what ARM checks before the resource provider; raise RefusalError."""
        method, path, query, headers, body = request
        client_id = headers.get("x-ms-client-request-id") or self.azure.new_id()
        try:
            caller = self._caller(headers.get("authorization"))
            path = re.sub(r"/{2,}", "/", unquote(path))
            call = Call(method, path, query, headers, body, client_id, caller)
            return call, *self._route(call)
        except RefusalError as refusal:
            raise RefusalError(self._complete(refusal.answer, client_id)) from refusal

    def _route(self, call: Call) -> tuple[Route, dict[str, str]]:
        if not call.query.get("api-version"):
            message = (
                "The api-version query parameter (?api-version=) is required for all requests."
            )
            raise gateway(400, "MissingApiVersionParameter", message)
        found = find(call.method, call.path)
        if found is None:
            self.azure.counts.unknown[(call.method, call.path)] += 1
            version = call.query["api-version"]
            message = "The resource type could not be found in the namespace for api version "
            raise gateway(404, "InvalidResourceType", f"{message}'{version}'.")
        route, params = found
        self._scope(params)
        rights.authorize(self.azure, call.caller, route.action, params["scope"])
        agent = call.headers.get("user-agent", "")
        self.azure.counts.count(route.operation, call.caller.name, agent)
        return route, params

    def carry_out(
        self, call: Call, route: Route, params: Mapping[str, str], stale_s: float = 0.0
    ) -> Answer:
        """
        Run the handler and return its answer, a refusal too.

        A read with *stale_s* gets the site as it was so many seconds ago.
        """
        budget: Mapping[str, str] = {}
        try:
            budget = self.limits.take(route.budget, call.caller.principal)
            if stale_s > 0 and route.reads and "site" in params:
                with self.azure.store.rewound(params["site"].lower(), self.azure.now() - stale_s):
                    answer = route.handler(self.azure, call, params)
            else:
                answer = route.handler(self.azure, call, params)
        except RefusalError as refusal:
            answer = refusal.answer
        return self._complete(answer, call.id, budget)

    def _caller(self, authorization: str | None) -> Caller:
        try:
            return self.identity.verify(authorization, self.azure.url)
        except TokenRefusedError as refused:
            code, message = refused.code, refused.message
            challenge = (
                f'Bearer authorization_uri="{self.identity.issuer}", error="invalid_token", '
                f'error_description="{message}"'
            )
            raise gateway(401, code, message, {"www-authenticate": challenge}) from refused

    def _scope(self, params: Mapping[str, str]) -> None:
        subscription = params.get("subscription")
        if subscription is not None and subscription.lower() != self.azure.subscription:
            message = f"The subscription '{subscription}' could not be found."
            raise gateway(404, "SubscriptionNotFound", message)
        group = params.get("group")
        if group is not None and group.lower() != self.azure.group.lower():
            message = f"Resource group '{group}' could not be found."
            raise gateway(404, "ResourceGroupNotFound", message)

    def _complete(
        self, answer: Answer, client_id: str, budget: Mapping[str, str] | None = None
    ) -> Answer:
        """Return *answer* with the headers that every answer of ARM has."""
        id_ = self.azure.new_id()
        standard = {
            "x-ms-request-id": id_,
            "x-ms-correlation-request-id": id_,
            "x-ms-client-request-id": client_id,
            "cache-control": "no-cache",
            "pragma": "no-cache",
            "expires": "-1",
            "strict-transport-security": "max-age=31536000; includeSubDomains",
            "x-content-type-options": "nosniff",
        }
        headers = {**(budget or {}), **standard, **answer.headers}
        return Answer(answer.status, answer.body, headers, answer.operation)
