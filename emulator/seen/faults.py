"""
Planted faults, as data: which operation fails, how often, before or after its effect.

Operations have the names of ``arm.routes`` (``slotsswap``, ``appsettings-put``, ...); ``*`` is any
of these. ``PLATFORM`` adds ``token``, ``front`` (a slot's public port), ``kudu`` (a slot's SCM
host), and faults of swaps. Faults that people reported of Azure go by name (``REPORTED``):
``{"reported": "ping-417"}``.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from aiohttp import web

# The keys of a rule for an operation that is not ARM's, besides operation, times and reported;
# ARM's have all.
_ANSWER = frozenset({"status", "body", "delay_s", "drop"})
_PLACE = frozenset({"site", "slot"})
PLATFORM: Mapping[str, frozenset[str]] = {
    "token": _ANSWER,
    "front": _ANSWER | _PLACE,
    "kudu": _ANSWER | _PLACE,
    "swap-worker": _PLACE,
    "swap-allocation": _PLACE,
    "swap-initialization": _PLACE,
    "swap-ping": _PLACE,
    "swap-unexpected": _PLACE,
    "swap-revert": _PLACE | {"delay_s"},  # the content moves back delay_s after success
    "swap-keys": _PLACE,  # both slots have new host keys
    "swap-front": _PLACE | {"delay_s"},  # production's port answers 503 for delay_s after success
    # production's process keeps dying, for delay_s or until a restart
    "swap-restart-loop": _PLACE | {"delay_s"},
}

# Each with the thread that reports it.
REPORTED: Mapping[str, Mapping[str, Any]] = {
    "ping-417": {"operation": "swap-ping"},  # azure-functions-host#8969, azure-cli#29342
    "worker-400": {"operation": "swap-worker"},  # azure-pipelines-tasks#13003
    "allocation-400": {"operation": "swap-allocation"},  # azure-pipelines-tasks#12835
    "initialization-400": {"operation": "swap-initialization"},  # azure-functions-host#8123
    # azure-functions-host#8235, azure-docs#36458
    "unexpected-500": {"operation": "swap-unexpected"},
    "reverted": {"operation": "swap-revert", "delay_s": 180.0},  # azure-functions-host#7336
    # az's users see only "Operation returned an invalid status" (azure-cli#27820); assumption: the
    # body was empty
    "poll-without-body": {"operation": "operationresults", "status": 400, "body": ""},
    "keys-changed": {"operation": "swap-keys"},  # azure-functions-host#6785, #8807
    # azure-functions-host#8122
    "restart-loop": {"operation": "swap-restart-loop", "delay_s": 600.0},
    "front-503": {"operation": "swap-front", "delay_s": 20.0},  # azure-functions-host#6109
    # azure-cli#15909
    "answer-lost": {"operation": "slotsswap", "when": "after", "status": 503, "hold": True},
}


@dataclass(slots=True)
class Fault:
    """
    One rule. *times* counts down with each use; None never ends.

    *stale_s* answers a read with the state of so many seconds ago. *retry_after_s* with status 429
    is ARM's own refusal over a limit.
    """

    operation: str
    site: str | None = None
    slot: str | None = None
    times: int | None = 1
    when: str = "before"
    status: int | None = None
    code: str | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop: bool = False
    hold: bool = False
    twice: bool = False
    stale_s: float = 0.0
    retry_after_s: int | None = None
    reported: str | None = None

    def fits(self, operation: str, site: str | None, slot: str | None) -> bool:
        """Return whether this rule fits that call; None in the rule means any."""
        named = self.operation == operation or (self.operation == "*" and operation not in PLATFORM)
        placed = self.site in (None, site) and self.slot in (None, slot)
        return self.times != 0 and named and placed


class Faults:
    """The rules in force; the first that fits is used."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(
        self, operation: str, site: str | None = None, slot: str | None = None
    ) -> Fault | None:
        """Return the fault for this call, if any, and count its use. Names are in lower case."""
        for rule in self.rules:
            if rule.fits(operation, site, slot):
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None

    async def meet(
        self, request: web.BaseRequest, operation: str, *place: str | None
    ) -> Fault | None:
        """Wait and drop *request* as its fault asks; return the fault if it replaces the answer."""
        fault = self.take(operation, *place)
        if fault is None:
            return None
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return fault if fault.drop or fault.status is not None else None

    async def answer(
        self, request: web.BaseRequest, operation: str, site: str, slot: str
    ) -> web.Response | None:
        """Return the answer of the fault that ``meet`` finds; None if there is none."""
        fault = await self.meet(request, operation, site, slot)
        if fault is None:
            return None
        return web.Response(status=fault.status or 503, text=str(fault.body or ""))

    def shown(self) -> list[Mapping[str, Any]]:
        return [asdict(rule) for rule in self.rules]


def parse(given: Any, operations: Collection[str]) -> list[Fault]:
    """
    Read a list of rules, one rule, or ``{"faults": [...]}``; *operations* are ARM's.

    Raises ValueError that names what is wrong.
    """
    if isinstance(given, Mapping):
        given = given.get("faults", [given])
    if not isinstance(given, list):
        raise ValueError("faults is a list")
    return [_rule(item, operations) for item in given]


def _rule(given: Any, operations: Collection[str]) -> Fault:
    if isinstance(given, Mapping) and given.get("reported") is not None:
        if given["reported"] not in REPORTED:
            raise ValueError(f"reported is one of {', '.join(REPORTED)}")
        given = {**REPORTED[given["reported"]], **given}
    if not isinstance(given, Mapping) or "operation" not in given:
        raise ValueError("a fault is an object with an operation, or a reported one")
    known = {item.name for item in fields(Fault)}
    if strange := set(given) - known:
        raise ValueError(f"no such key in a fault: {', '.join(sorted(strange))}")
    rule = Fault(**given)
    if rule.operation not in {"*", *PLATFORM, *operations}:
        raise ValueError(f"no such operation: {rule.operation}")
    if rule.operation in PLATFORM:
        _refuse_ignored_keys(rule)
    if rule.when not in ("before", "after"):
        raise ValueError("when is before or after")
    for name, least in (("times", 0), ("status", 100), ("delay_s", 0), ("stale_s", 0)):
        number = getattr(rule, name)
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ValueError(f"{name} is not a number")
        if number is not None and number < least:
            raise ValueError(f"{name} is less than {least}")
    rule.site = rule.site.lower() if rule.site else None
    rule.slot = rule.slot.lower() if rule.slot else None
    return rule


def _refuse_ignored_keys(rule: Fault) -> None:
    """Raise ValueError for a key that would have no effect; default values are allowed."""
    none = Fault(rule.operation)
    used = {"operation", "times", "reported", *PLATFORM[rule.operation]}
    for item in fields(Fault):
        if item.name not in used and getattr(rule, item.name) != getattr(none, item.name):
            raise ValueError(f"{rule.operation} cannot have {item.name}")
