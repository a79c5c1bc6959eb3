"""
Answer the host's own paths below /admin: status, ping, the functions, a call of one by hand.

Access follows HostController.cs and FunctionsController.cs in
github.com/Azure/azure-functions-host: ping is open; functions need the master key; the status needs
it from outside callers. A caller is inside if its request lacks `X-ARR-LOG-ID`, which Azure's front
end sets on every request from outside.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from emulator.functions_host.answers import Answer, empty, plain
from emulator.functions_host.app import App
from emulator.functions_host.functions import TimerFunction
from emulator.functions_host.keys import Keys

VERSION = "4.0.0-local"


@dataclass(frozen=True)
class Admin:
    """Answer the paths below /admin; *fire* calls a timer's function outside its schedule."""

    app: App
    keys: Keys
    host_id: str
    instance: str
    fire: Callable[[TimerFunction], Awaitable[None]]
    started: float = field(default_factory=time.monotonic)

    async def answer(
        self, method: str, path: str, headers: Mapping[str, str], key: str | None
    ) -> Answer:
        """Answer a request for *path* that came with *key*."""
        match [method, *path.strip("/").lower().split("/")[1:]]:
            case ["GET" | "POST", "host", "ping"]:
                return empty(200)
            case ["GET", "host", "status"]:
                if "x-arr-log-id" in headers and not self.keys.opens("admin", key):
                    return empty(401)
                return plain(200, json.dumps(self._status()), "application/json; charset=utf-8")
            case ["GET", "functions", *names]:
                if not self.keys.opens("admin", key):
                    return empty(401)
                return self._functions(names, headers)
            case ["POST", "functions", name]:
                if not self.keys.opens("admin", key):
                    return empty(401)
                return await self._fire_by_hand(name)
            case _:
                return empty(404)

    def _functions(self, names: list[str], headers: Mapping[str, str]) -> Answer:
        base = f"{headers.get('x-forwarded-proto', 'http')}://{headers.get('host', '')}"
        found = self.app.listing.at(base)
        if not names:
            return plain(200, json.dumps(found), "application/json; charset=utf-8")
        for function in found:
            if names == [function["name"].lower()]:
                return plain(200, json.dumps(function), "application/json; charset=utf-8")
        return empty(404)

    async def _fire_by_hand(self, name: str) -> Answer:
        for function in self.app.functions:
            if isinstance(function, TimerFunction) and function.name.lower() == name:
                await self.fire(function)
                return empty(202)
        return empty(404)

    def _status(self) -> dict[str, object]:
        status: dict[str, object] = {
            "id": self.host_id,
            "state": self.app.state,
            "version": VERSION,
            "instanceId": self.instance,
            "processUptime": int((time.monotonic() - self.started) * 1000),
            "functions": [function.name for function in self.app.functions],
        }
        if self.app.errors:
            status["errors"] = self.app.errors
        return status
