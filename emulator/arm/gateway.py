"""
ARM's front door without its sockets: who calls, which api-version, which subscription and group,
then the route.

A test may put an azure-core transport straight onto ``Gateway.answer``; ``emulator.arm.app`` puts
HTTP there.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from emulator.arm.calls import Answer, Call, RefusalError, gateway
from emulator.arm.limits import Limits
from emulator.arm.routes import Route, find
from emulator.login.identity import Caller, Identity, TokenRefusedError
from emulator.slots.azure import World


class Gateway:
    """Answers calls, and counts them as well as the paths that it does not know."""

    def __init__(self, world: World, identity: Identity) -> None:
        self.world = world
        self.identity = identity
        self.limits = Limits(world.now, world.subscription)

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Answer:
        """Answer one request; *path* as sent, names in *query* and *headers* in lower case."""
        try:
            call, route, params = self.admit(method, path, query, headers, body)
        except RefusalError as refusal:
            return refusal.answer
        return self.carry_out(call, route, params)

    def admit(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[Call, Route, dict[str, str]]:
        """Check what ARM checks before the resource provider; raise RefusalError."""
        client_id = headers.get("x-ms-client-request-id") or self.world.new_id()
        try:
            return self._admit(method, path, query, headers, body, client_id)
        except RefusalError as refusal:
            raise RefusalError(self._complete(refusal.answer, client_id)) from refusal

    def _admit(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        client_id: str,
    ) -> tuple[Call, Route, dict[str, str]]:
        path = re.sub(r"/{2,}", "/", unquote(path))
        caller = self._caller(headers.get("authorization"))
        call = Call(method, path, query, headers, body, client_id, caller)
        if not query.get("api-version"):
            raise gateway(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        found = find(method, path)
        if found is None:
            self.world.tally.unknown[(method, path)] += 1
            raise gateway(
                404,
                "InvalidResourceType",
                "The resource type could not be found in the namespace for api version "
                f"'{query['api-version']}'.",
            )
        route, params = found
        self._scope(params)
        self.world.tally.count(route.operation, caller.name, headers.get("user-agent", ""))
        return call, route, params

    def carry_out(
        self, call: Call, route: Route, params: Mapping[str, str], stale_s: float = 0.0
    ) -> Answer:
        """
        Let the handler act; its refusals are answers.

        A read with *stale_s* sees the site as it was so many seconds ago.
        """
        budget: Mapping[str, str] = {}
        try:
            budget = self.limits.take(route.budget, call.caller.principal)
            if stale_s > 0 and route.reads and "site" in params:
                with self.world.estate.rewound(params["site"].lower(), self.world.now() - stale_s):
                    answer = route.handler(self.world, call, params)
            else:
                answer = route.handler(self.world, call, params)
        except RefusalError as refusal:
            answer = refusal.answer
        return self._complete(answer, call.id, budget)

    def _caller(self, authorization: str | None) -> Caller:
        try:
            return self.identity.verify(authorization, self.world.url)
        except TokenRefusedError as refused:
            challenge = (
                f'Bearer authorization_uri="{self.identity.issuer}", error="invalid_token", '
                f'error_description="{refused.message}"'
            )
            raise gateway(
                401, refused.code, refused.message, {"www-authenticate": challenge}
            ) from refused

    def _scope(self, params: Mapping[str, str]) -> None:
        subscription = params.get("subscription")
        if subscription is not None and subscription.lower() != self.world.subscription:
            raise gateway(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription}' could not be found.",
            )
        group = params.get("group")
        if group is not None and group.lower() != self.world.group.lower():
            raise gateway(
                404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found."
            )

    def _complete(
        self, answer: Answer, client_id: str, budget: Mapping[str, str] | None = None
    ) -> Answer:
        """Return *answer* with the headers that every answer of ARM has."""
        id_ = self.world.new_id()
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
