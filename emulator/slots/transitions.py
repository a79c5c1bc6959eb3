"""
When changes take effect: after their time, at once, or when a test asks for it.

Four changes wait: a swap's flip (``swap-flip``), its end (``swap-end``), a restarted process that
takes over (``restart``), and an upload that becomes the content (``deployment``).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("timed", "immediate", "manual")


@dataclass(slots=True, eq=False)
class _Waiting:
    change: Mapping[str, str]  # what, site and slot
    go: asyncio.Event = field(default_factory=asyncio.Event)


class Transitions:
    """One *mode* for all; waiting changes take effect in the order in which they came."""

    def __init__(self) -> None:
        self.mode = "timed"
        self._waiting: list[_Waiting] = []

    async def until(self, moment: float, what: str, site: str, slot: str) -> None:
        """Return at *moment* of the loop's clock, at once, or after ``advance``: as *mode* says."""
        if self.mode == "manual":
            waiting = _Waiting({"what": what, "site": site, "slot": slot})
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
        Set ``{"mode": ...}``; leaving manual releases all changes.

        Raises ValueError that names what is wrong.
        """
        if not isinstance(given, Mapping) or set(given) != {"mode"}:
            raise ValueError("transitions are an object with mode")
        mode = given["mode"]
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}")
        self.mode = mode
        if mode != "manual":
            for waiting in self._waiting:
                waiting.go.set()
        return self.shown()

    def advance(self, given: Any) -> Mapping[str, Any]:
        """
        Release the first waiting change that fits the given ones of ``site``, ``slot``, ``what``.

        Raises ValueError if none fits.
        """
        if not isinstance(given, Mapping) or set(given) - {"site", "slot", "what"}:
            raise ValueError("advance takes site, slot and what")
        for waiting in self._waiting:
            if not waiting.go.is_set() and all(
                str(value).lower() == waiting.change[name] for name, value in given.items()
            ):
                waiting.go.set()
                return waiting.change
        raise ValueError("nothing of that kind waits")

    def shown(self) -> Mapping[str, Any]:
        """Return the mode and the waiting changes."""
        waiting = [one.change for one in self._waiting if not one.go.is_set()]
        return {"mode": self.mode, "waiting": waiting}
