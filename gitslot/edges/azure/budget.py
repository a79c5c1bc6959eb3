"""
How many calls ARM still takes of this principal, counted here so that it need not refuse any.

Pure. Sizes are ARM's token buckets, one of each kind for a subscription and principal:
https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling.
Calls about settings have one of Microsoft.Web's own: 799 left after the first, recorded by
azure-cli in 2025-07; that it fills again within an hour is the emulator's `settings-bucket`.
"""

import math
import re
import threading
from collections.abc import Callable, Mapping

from gitslot.http.client import MAX_WAIT_S

_SETTINGS = "resource-requests"
SIZES = {"reads": (250, 25.0), "writes": (200, 10.0), _SETTINGS: (800, 800 / 3600)}  # and a second
KEPT = 0.5  # the share of each for writes and steps under way
THROTTLED_S = 30.0  # at least, once ARM has answered 429
_CALL = re.compile(r"/subscriptions/([^/?]+)/(?:.*(/config/appsettings(?:/list)?)(?:$|\?))?", re.I)
_LEFT = "x-ms-ratelimit-remaining-subscription-"


class Budget:
    """The buckets of one principal, shared by all threads; *clock* never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}  # tokens left, and when

    def wait_s(self, method: str, url: str) -> float:
        """Count a call and return 0, or for a read that is not left the seconds until it is."""
        key, reads = _bucket(method, url), method == "GET" or "/list?" in url
        with self._guard:
            left = self._left(key)
            if reads and left < 1:
                return (1 - left) / SIZES[key[1]][1]
            self._buckets[key] = left - 1, self._clock()
        return 0.0

    def spare_s(self, subscription: str) -> float:
        """Return in how many seconds more than the share KEPT is left of each bucket."""
        sizes, name = SIZES.items(), subscription.lower()
        with self._guard:
            lacks = [(size * KEPT + 1 - self._left((name, k))) / back for k, (size, back) in sizes]
        return max(0.0, *lacks)

    def note(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer how much is left: others may be the same principal."""
        key, told = _bucket(method, url), headers.get("Retry-After", "")
        least = math.inf
        if status == 429:
            wait_s = float(told) if told.isdecimal() else 0.0
            least = -SIZES[key[1]][1] * min(max(wait_s, THROTTLED_S), MAX_WAIT_S)
        elif (told := headers.get(_LEFT + key[1], "")).isdecimal():
            least = float(told)
        with self._guard:
            self._buckets[key] = min(self._left(key), least), self._clock()

    def _left(self, key: tuple[str, str]) -> float:
        size, back = SIZES[key[1]]
        left, then = self._buckets.get(key, (size, 0.0))
        return min(size, left + (self._clock() - then) * back)


def _bucket(method: str, url: str) -> tuple[str, str]:
    """Return the subscription and the kind of the bucket that ARM charges with a call."""
    found = _CALL.search(url)
    kind = "reads" if method == "GET" else _SETTINGS if found and found[2] else "writes"
    return found[1].lower() if found else "", kind
