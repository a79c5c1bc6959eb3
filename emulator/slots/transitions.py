"""
When what has begun comes about: after its time, at once, or when somebody says so.

What waits is a swap's flip (``swap-flip``), its end (``swap-end``), a restarted process that takes
over (``restart``), and an upload that becomes the content (``deployment``).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("timed", "immediate", "manual")


@dataclass(slots=True, eq=False)
class _Waiting:
    what: str
    site: str
    slot: str
    go: asyncio.Event = field(default_factory=asyncio.Event)


class Transitions:
    """
    One *mode* for all; what waits goes on in the order in which it came.

    Without *overlap* a restart ends the old process first, and requests wait for the new one: a
    site whose container is recycled in place. That Azure overlaps where it can is documented
    (https://learn.microsoft.com/azure/app-service/reference-app-settings,
    WEBSITE_DISABLE_OVERLAPPED_RECYCLING), that it always does is not.
    """

    def __init__(self) -> None:
        self.mode = "timed"
        self.overlap = True
        self._waiting: list[_Waiting] = []

    async def until(self, moment: float, what: str, site: str, slot: str) -> None:
        """Return at *moment* of the loop's clock, at once, or when it is let go."""
        if self.mode == "manual":
            waiting = _Waiting(what, site, slot)
            self._waiting.append(waiting)
            try:
                await waiting.go.wait()
            finally:
                self._waiting.remove(waiting)
            return
        wait = moment - asyncio.get_running_loop().time()
        if self.mode == "timed" and wait > 0:
            await asyncio.sleep(wait)

    def use(self, given: Any) -> Mapping[str, Any]:
        """
        Take ``{"mode": ..., "overlap": ...}``; out of manual, all that waits goes on.

        What is not named stays. Raises ValueError that names what is wrong.
        """
        if not isinstance(given, Mapping) or set(given) - {"mode", "overlap"}:
            raise ValueError("transitions are an object with mode and overlap")
        mode, overlap = given.get("mode", self.mode), given.get("overlap", self.overlap)
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        if not isinstance(overlap, bool):
            raise ValueError("overlap is true or false")
        self.mode, self.overlap = mode, overlap
        if mode != "manual":
            for waiting in self._waiting:
                waiting.go.set()
        return self.shown()

    def advance(self, given: Any) -> Mapping[str, Any]:
        """
        Let the first that waits go on, of ``{"site", "slot", "what"}`` where they are given.

        Raises ValueError where nothing of that kind waits.
        """
        if not isinstance(given, Mapping) or set(given) - {"site", "slot", "what"}:
            raise ValueError("advance takes site, slot and what")
        for waiting in self._waiting:
            if not waiting.go.is_set() and all(
                str(value).lower() == getattr(waiting, name) for name, value in given.items()
            ):
                waiting.go.set()
                return {"what": waiting.what, "site": waiting.site, "slot": waiting.slot}
        raise ValueError("nothing of that kind waits")

    def shown(self) -> Mapping[str, Any]:
        """Return the mode and what waits."""
        waiting = [
            {"what": one.what, "site": one.site, "slot": one.slot}
            for one in self._waiting
            if not one.go.is_set()
        ]
        return {"mode": self.mode, "overlap": self.overlap, "waiting": waiting}
