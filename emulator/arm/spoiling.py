"""
Faults put onto calls: what the switchboard of ``emulator.seen.faults`` does to an answer, without any
HTTP library, so that a test in this process and a client at a socket suffer the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from emulator.arm.calls import Answer, Call, RefusalError
from emulator.arm.gateway import Gateway
from emulator.arm.limits import throttled
from emulator.arm.routes import Route
from emulator.seen.faults import Fault, Faults
from emulator.slots.state import PRODUCTION


class DroppedError(Exception):
    """The connection ends without an answer."""


class Spoiler:
    """Answers through *gateway*, as *faults* have it. *ended* waits for a long operation."""

    def __init__(
        self, gateway: Gateway, faults: Faults, ended: Callable[[str], Awaitable[None]]
    ) -> None:
        self.gateway = gateway
        self.faults = faults
        self.ended = ended

    async def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes = b"",
    ) -> Answer:
        """Answer one request as ``Gateway.answer`` does; raises DroppedError."""
        try:
            call, route, params = self.gateway.admit(method, path, query, headers, body)
        except RefusalError as refusal:
            return refusal.answer
        await asyncio.sleep(self.gateway.world.latency.call_s)
        site = params.get("site", "").lower() or None
        slot = params.get("slot", PRODUCTION).lower() if site else None
        fault = self.faults.take(route.operation, site, slot)
        if fault is None:
            return self.gateway.carry_out(call, route, params)
        return await self._suffer(fault, call, route, params)

    async def _suffer(
        self, fault: Fault, call: Call, route: Route, params: Mapping[str, str]
    ) -> Answer:
        whole = fault.status is None and not fault.drop
        if fault.when == "before":
            await asyncio.sleep(fault.delay_s)
            if whole:  # slow or stale, and nothing else
                return self.gateway.carry_out(call, route, params, fault.stale_s)
            return self._spoilt(fault, call, route)
        answer = self.gateway.carry_out(call, route, params, fault.stale_s)
        if fault.twice:
            answer = self.gateway.carry_out(call, route, params)
        if fault.hold and answer.operation is not None:
            await self.ended(answer.operation)
        await asyncio.sleep(fault.delay_s)
        return answer if whole else self._spoilt(fault, call, route)

    def _spoilt(self, fault: Fault, call: Call, route: Route) -> Answer:
        if fault.drop:
            raise DroppedError
        status, body, headers = fault.status or 500, fault.body, dict(fault.headers)
        if fault.retry_after_s is not None:
            headers = {"retry-after": str(fault.retry_after_s), **headers}
        if body is None and status == 429:
            world, seconds = self.gateway.world, fault.retry_after_s or 1
            principal = call.caller.principal
            body = throttled(route.budget, world.subscription, principal, seconds).answer.body
        elif body is None:
            code = fault.code or "InternalServerError"
            body = {"error": {"code": code, "message": f"The request failed with {status}."}}
        return Answer(status, body, headers)
