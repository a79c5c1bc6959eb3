"""
What ARM lists, asked once for all apps: where they are, and where their slots answer.

ARM's own list of resources names every site that the caller may read. Microsoft.Web's of a group
has slots and hosts, but users saw 32 sites of 101 (azure-sdk-for-python#48980) and 58 of 78
(azure-cli#29218): what it lacks is read by itself.
"""

import math
import threading
from collections.abc import Callable, Iterable
from typing import Any

from gitslot.edges.azure.answers import is_host, translated
from gitslot.errors import AzureError, AzureUnavailable

_KEEP_S, _AGAIN_S = 60.0, 30.0  # for so long a list serves; one that lacks an app, half as long
Item = tuple[list[str], str]  # its id, cut at its slashes, and its host or ""


class Lists:
    """Lists by their paths; threads that need one wait for one answer."""

    def __init__(
        self, ask: Callable[[str], Iterable[dict[str, Any]]], clock: Callable[[], float]
    ) -> None:
        self._ask, self._clock = ask, clock
        self._guard = threading.Lock()
        self._lists: dict[str, tuple[float, dict[str, list[Item]]]] = {}

    def named(self, path: str, site: str = "", *, anew: bool = False) -> list[Item]:
        """Return what the list at *path* has of *site*, or of no site; raise what the call does."""
        with self._guard:
            asked, items = self._lists.get(path, (-math.inf, {}))
            age_s = self._clock() - asked
            if anew or age_s >= _KEEP_S or (site.lower() not in items and age_s >= _AGAIN_S):
                items = {}
                with translated():
                    for each in self._ask(path):
                        words = str(each.get("id", "")).split("/")
                        host = str((each.get("properties") or {}).get("defaultHostName") or "")
                        name = words[8].lower() if words[8:] else ""
                        items.setdefault(name, []).append((words, host if is_host(host) else ""))
                self._lists[path] = self._clock(), items
            return items.get(site.lower(), [])

    def hosts(self, path: str, site: str) -> dict[str, str]:
        """Return the hosts of *site* by slot in lower case, as far as the list shows them."""
        try:
            found = self.named(path, site)
        except AzureUnavailable:
            raise
        except AzureError:  # the role is one on the app alone
            self._lists[path], found = (self._clock(), {}), []
        return {words[10].lower() if words[10:] else "production": host for words, host in found}
