"""A server that answers as ARM does, with what a test puts into it."""

import json
import time
from typing import Any

from azure.core.credentials import AccessToken

from gitslot.edges.azure.arm import AppRef, Azure
from tests.servers import Answer, Handler

APP = AppRef("00000000-0000-0000-0000-000000000001", "group", "app")
SITE = {
    "id": "x",
    "properties": {
        "defaultHostName": "app.example.net",
        "deploymentId": "app__1",
        "state": "Running",
        "slotSwapStatus": {
            "timestampUtc": "2026-11-22T12:00:00",
            "sourceSlotName": "staging",
            "destinationSlotName": "Production",
        },
        "inProgressOperationId": None,
        "targetSwapSlot": None,
    },
}


class Credential:
    """A credential whose tokens may fail to come."""

    def __init__(self) -> None:
        self.broken = False

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        if self.broken:
            raise RuntimeError("the identity endpoint is gone")
        return AccessToken("canary-token", int(time.time()) + 3600)


class Arm:
    """What ARM answers, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answers: dict[str, Any] = {}
        self.address = ""
        self.credential = Credential()

    def posts(self) -> int:
        """Return how many swaps arrived."""
        return sum(path.split("?")[0].endswith("/slotsswap") for _, path in self.asked)

    def respond(self, handler: Handler, body: bytes) -> Answer:
        self.asked.append((handler.command, handler.path))
        last = handler.path.split("?")[0].rsplit("/", 1)[-1]
        found = self.answers.get(last, (404, {}, b""))
        if callable(found):
            found = found(handler)
        if found is None:
            return None
        status, headers, content = found
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return status, {"Content-Type": "application/json", **headers}, raw

    def azure(self) -> Azure:
        return Azure(self.address, self.credential)


def provider(code: str, message: str) -> dict[str, Any]:
    return {"Code": code, "Message": message, "Target": None, "Details": [], "Innererror": None}


def gateway(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
