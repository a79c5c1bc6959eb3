"""What was deployed to each slot by upload; nothing is, where packages come by URL."""

from collections.abc import Mapping, Sequence
from typing import Any


class Deployments:
    """Deployments by site and slot (lower case), each as Kudu's JSON; newest first."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], list[Mapping[str, Any]]] = {}

    def of(self, site: str, slot: str) -> Sequence[Mapping[str, Any]]:
        """Return the deployments of *slot*."""
        return tuple(self._known.get((site, slot), ()))

    def put(self, site: str, slot: str, deployment: Mapping[str, Any]) -> None:
        """Add *deployment*, or put it in place of the one with its ``id``."""
        known = self._known.setdefault((site, slot), [])
        others = [one for one in known if one["id"] != deployment["id"]]
        known[:] = [deployment, *others]
