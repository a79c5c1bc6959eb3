"""Counts of the calls to ARM and Kudu, by operation, caller and client."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RequestCounts:
    """Counts admitted calls, and calls of unknown paths."""

    operations: Counter[str] = field(default_factory=Counter)
    callers: Counter[str] = field(default_factory=Counter)
    clients: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, operation: str, caller: str, agent: str) -> None:
        """Count a call of *operation* by *caller*, whose client sent *agent* as its User-Agent."""
        self.operations[operation] += 1
        self.callers[caller] += 1
        self.clients[(client(agent), operation)] += 1

    def shown(self) -> Mapping[str, Any]:
        by_client: dict[str, dict[str, int]] = {}
        for (name, operation), count in self.clients.items():
            by_client.setdefault(name, {})[operation] = count
        return {
            "total": self.operations.total(),
            "by_operation": self.operations,
            "by_caller": self.callers,
            "by_client": by_client,
        }

    def shown_unknown(self) -> list[Mapping[str, Any]]:
        return [
            {"method": method, "path": path, "count": count}
            for (method, path), count in self.unknown.items()
        ]


def client(agent: str) -> str:
    """Return the client that sends *agent* as its User-Agent: az, azure-mgmt-web or other."""
    if "AZURECLI" in agent:
        return "az"
    return "azure-mgmt-web" if "azsdk-python-mgmt-web" in agent else "other"
