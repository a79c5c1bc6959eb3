"""
ARM's rate limits: token buckets per principal and kind of call, and their headers.

`documented`: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
(per principal; the whole subscription has 15 times as much). `recorded`: the remaining calls in the
headers of test_functionapp_slot_swap in Azure/azure-cli (2025-01); the refill is assumed to be the
documented one. `generous` sends those headers and never refuses.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from emulator.arm.calls import RefusalError, gateway

KINDS = ("reads", "writes", "deletes", "resource-requests")
EVERYONE = 15  # the subscription's bucket in principals' buckets
AGAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Size:
    """A bucket: its size, and its refill a second."""

    holds: int
    refill: float


OWN = Size(800, 800 / 3600)  # left 799 in 2025-07, 11999 in 2025-01; assumption settings-bucket
PROFILES: Mapping[str, Mapping[str, Size]] = {
    name: dict(zip(KINDS, (Size(reads, 25), Size(writes, 10), Size(writes, 10), OWN), strict=True))
    for name, reads, writes in (("documented", 250, 200), ("recorded", 1100, 800))
}
GENEROUS = "generous"


@dataclass(slots=True)
class _Bucket:
    size: Size
    left: float
    since: float

    def fill(self, now: float) -> None:
        self.left = min(self.size.holds, self.left + (now - self.since) * self.size.refill)
        self.since = now


class Limits:
    """The buckets in force; *now* is unix seconds."""

    def __init__(self, now: Callable[[], float], subscription: str) -> None:
        self.now = now
        self.subscription = subscription
        self.name = GENEROUS
        self.sizes: Mapping[str, Size] = PROFILES["recorded"]
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, kind: str, principal: str) -> Mapping[str, str]:
        """Count one call of *kind* and return its headers; raise RefusalError if none is left."""
        if self.name == GENEROUS:
            return HEADERS[kind]
        own = self._bucket(kind, principal, 1)
        shared = self._bucket(kind, "", EVERYONE)
        for bucket in (own, shared):
            bucket.fill(self.now())
        if min(own.left, shared.left) < 1:
            bucket = own if own.left < 1 else shared
            refill = bucket.size.refill
            wait = AGAIN_S if refill <= 0 else (1 - bucket.left) / refill
            raise throttled(kind, self.subscription, principal, math.ceil(wait))
        own.left -= 1
        shared.left -= 1
        return _headers(kind, int(own.left), int(shared.left))

    def _bucket(self, kind: str, principal: str, times: int) -> _Bucket:
        key = (kind, principal)
        if key not in self._buckets:
            size = self.sizes[kind]
            size = replace(size, holds=size.holds * times, refill=size.refill * times)
            self._buckets[key] = _Bucket(size, size.holds, self.now())
        return self._buckets[key]

    def use(self, given: Any) -> Mapping[str, Any]:
        """
        Apply a profile's name, or ``{"name": ..., "writes": {"holds": 5, "refill": 0.1}}``.

        Every bucket is full again afterwards. Raises ValueError that names what is wrong.
        """
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping):
            raise ValueError("limits is a profile's name or an object")
        name = str(given.get("name", "documented"))
        if name not in (GENEROUS, *PROFILES):
            message = f"no such profile: {name}; there are {GENEROUS}, {', '.join(PROFILES)}"
            raise ValueError(message)
        sizes = dict(PROFILES["recorded" if name == GENEROUS else name])
        for kind, size in given.items():
            if kind == "name":
                continue
            if kind not in KINDS:
                raise ValueError(f"no such bucket: {kind}; there are {', '.join(KINDS)}")
            try:
                sizes[kind] = Size(int(size["holds"]), float(size["refill"]))
            except (KeyError, TypeError) as error:
                raise ValueError(f"{kind} has holds and refill, two numbers") from error
        self.name, self.sizes = name, sizes
        self._buckets.clear()
        return self.shown()

    def shown(self) -> Mapping[str, Any]:
        return {"name": self.name, **{kind: asdict(size) for kind, size in self.sizes.items()}}


def _headers(kind: str, own: int, shared: int) -> Mapping[str, str]:
    prefix = "x-ms-ratelimit-remaining-subscription"
    if kind == "resource-requests":
        return {f"{prefix}-{kind}": str(own)}
    return {f"{prefix}-{kind}": str(own), f"{prefix}-global-{kind}": str(shared)}


# As recorded.
HEADERS = {
    "reads": _headers("reads", 1099, 16499),
    "writes": _headers("writes", 799, 11999),
    "deletes": _headers("deletes", 800, 12000),
    "resource-requests": _headers("resource-requests", 799, 0),
}


def throttled(kind: str, subscription: str, principal: str, seconds: int) -> RefusalError:
    """
    Refuse as ARM does over its limit.

    Message for a subscription's bucket: as the SDK for Go prints it in public logs ("Number of
    'read' requests for subscription ... actor ... exceeded"); for a provider's bucket: azqr#34.
    """
    if kind == "resource-requests":
        code = "ResourceRequestsThrottled"
        message = (
            "Number of requests for action 'Microsoft.Web/sites/config/list/action' exceeded the "
            f"limit of '{OWN.holds}' for time interval '01:00:00'. Please try again after "
            f"'{seconds}' seconds."
        )
    else:
        code = "SubscriptionRequestsThrottled"
        message = (
            f"Number of '{kind.removesuffix('s')}' requests for subscription '{subscription}' "
            f"actor '{principal}' exceeded. Please try again after '{seconds}' seconds after "
            "additional tokens are available. Refer to https://aka.ms/arm-throttling for "
            "additional information."
        )
    return gateway(429, code, message, {"retry-after": str(seconds)})
