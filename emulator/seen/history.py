"""
What was done to the platform and by whom: append-only, readable over HTTP, kept over restarts.

Tests check a client against it, so no entry relies on what the client reports about itself.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.slots.state import Site

PLATFORM = "platform"


def iso(moment: float) -> str:
    """Format *moment* (unix seconds) as UTC with milliseconds."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _held(site: "Site | None", key: str) -> Mapping[str, str]:
    """Return the MODEL_* settings and the content's id of the slot *key*."""
    slot = site.slots.get(key) if site else None
    if slot is None:
        return {}
    release = {k: v for k, v in slot.settings.items() if k.startswith("MODEL_")}
    return {**release, "deploymentId": slot.deployment_id}


class History:
    """Entries numbered from 1, in memory and in one file of JSON lines."""

    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self.path = path
        self.now = now
        self.entries: list[Mapping[str, Any]] = []

    def load(self) -> None:
        """Read earlier entries; a last line cut off by a kill is dropped from the file too."""
        if self.path is None or not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            self.path.write_bytes(whole)
        self.entries = [json.loads(line) for line in whole.splitlines()]

    def record(
        self,
        operation: str,
        *,
        site: "Site | None" = None,
        slot: str | None = None,
        caller: str = PLATFORM,
        request: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Append one entry, with what production and staging hold right after it."""
        entry = {
            "seq": len(self.entries) + 1,
            "time": iso(self.now()),
            "caller": caller,
            "operation": operation,
            "site": site.name if site else None,
            "slot": slot,
            "request": request,
            "production": _held(site, "production"),
            "staging": _held(site, "staging"),
            **more,
        }
        self.entries.append(entry)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")

    def since(self, seq: int) -> list[Mapping[str, Any]]:
        return self.entries[max(seq, 0) :]
