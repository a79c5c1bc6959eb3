"""
Apply the planted faults of ``emulator.seen.faults`` to calls of ARM.

It uses no HTTP library, so a test in this process and a client at a socket meet the same faults.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from emulator.arm.calls import Answer, Call, RefusalError
from emulator.arm.gateway import Gateway, Request
from emulator.arm.limits import throttled
from emulator.arm.routes import Route
from emulator.seen.faults import Fault, Faults
from emulator.slots.state import PRODUCTION


class DroppedError(Exception):
    """The connection must end without an answer."""


@dataclass(frozen=True)
class Spoiler:
    """Answers through *gateway*, subject to *faults*. *ended* waits for a long operation."""

    gateway: Gateway
    faults: Faults
    ended: Callable[[str], Awaitable[None]]

    async def answer(self, *request: *Request) -> Answer:
        """Answer one request as ``Gateway.answer`` does; raise DroppedError."""
        try:
            call, route, params = self.gateway.admit(*request)
        except RefusalError as refusal:
            return refusal.answer
        await asyncio.sleep(self.gateway.azure.latency.call_s)
        site = params.get("site", "").lower() or None
        slot = params.get("slot", PRODUCTION).lower() if site else None
        fault = self.faults.take(route.operation, site, slot)
        if fault is None:
            return self.gateway.carry_out(call, route, params)
        return await self._apply(fault, call, route, params)

    async def _apply(
        self, fault: Fault, call: Call, route: Route, params: Mapping[str, str]
    ) -> Answer:
        whole = fault.status is None and not fault.drop
        if fault.when == "before":
            await asyncio.sleep(fault.delay_s)
            if whole:  # only slow or stale
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
            azure, seconds = self.gateway.azure, fault.retry_after_s or 1
            principal = call.caller.principal
            body = throttled(route.budget, azure.subscription, principal, seconds).answer.body
        elif body is None:
            code = fault.code or "InternalServerError"
            body = {"error": {"code": code, "message": f"The request failed with {status}."}}
        return Answer(status, body, headers)
