"""
The platform's own record of what was done to it: the numbers of the demo come from here.

Must not: use anything that the controller reports about itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import requests

from gitslot.local.process import Facts
from gitslot.local.provision import CONTROLLER, slots

Entry: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Witness:
    """The platform's history, slots and faults, over HTTP."""

    facts: Facts

    def now(self) -> int:
        """Return the number of the newest entry."""
        entries = self.entries()
        return int(entries[-1]["seq"]) if entries else 0

    def entries(self, since: int = 0, site: str = "", *operations: str) -> list[Entry]:
        """Return what happened after entry *since*, to *site*, of the kinds *operations*."""
        answer = requests.get(f"{self.facts.admin}/history", params={"since": since}, timeout=30)
        answer.raise_for_status()
        return [
            entry
            for entry in answer.json()
            if site in ("", entry["site"]) and (not operations or entry["operation"] in operations)
        ]

    def swaps(self, site: str, since: int) -> int:
        """Return how many swaps of *site* the platform has begun."""
        return len(self.entries(since, site, "swap-started"))

    def swapping(self, site: str) -> bool:
        """Return whether a swap of *site* is under way."""
        swaps = self.entries(0, site, "swap-started", "swap-finished", "swap-failed")
        return bool(swaps) and swaps[-1]["operation"] == "swap-started"

    def deploys(self, site: str, since: int) -> int:
        """Return how often the controller wrote settings of *site*."""
        puts = self.entries(since, site, "settings-put")
        return sum(entry["caller"] == CONTROLLER for entry in puts)

    def url(self, site: str, slot: str = "production") -> str:
        """Return the address of a slot."""
        return str(self._slot(site, slot)["http"])

    def pid(self, site: str) -> int | None:
        """Return the process id of *site*'s production, or None if none runs."""
        found = self._slot(site, "production")["pid"]
        return int(found) if found else None

    def serves(self, site: str, slot: str = "production") -> str:
        """Return the version in the header of a slot's answers, as curl would show it."""
        answer = requests.get(f"{self.url(site, slot)}/api/health", timeout=30)
        return answer.headers.get("x-model-version", "none")

    def plant(self, *faults: Mapping[str, Any]) -> None:
        """Set exactly *faults* on the platform."""
        answer = requests.put(f"{self.facts.admin}/faults", json=faults, timeout=30)
        answer.raise_for_status()

    def _slot(self, site: str, slot: str) -> Mapping[str, Any]:
        return next(s for s in slots(self.facts) if (s["site"], s["slot"]) == (site, slot))
