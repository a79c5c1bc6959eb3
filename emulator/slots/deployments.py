"""
The deployments to each content through Kudu, their logs, and Kudu's own settings.

They belong to the content, not to the slot, because Kudu keeps them next to the files: a swap moves
them. Assumption: no source says so, but a swap moves the site's file share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.machine.disk import read_json, write_json

KEPT = 20  # of a content; Kudu purges old ones too


@dataclass(frozen=True, slots=True)
class Push:
    deployer: str
    message: str
    author: str = "N/A"
    author_email: str = "N/A"
    restart: bool = True
    asynchronous: bool = False


class Deployments:
    """Deployments by site and content (lower case), each as Kudu's JSON; newest first."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._known: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        self._logs: dict[str, list[Mapping[str, Any]]] = {}
        self._settings: dict[tuple[str, str], dict[str, str]] = {}

    def load(self) -> None:
        """Read the deployments of earlier runs; one that was under way has failed."""
        kept = read_json(self.path) if self.path else None
        for one in kept or ():
            key = (one["site"], one["content"])
            self._known[key] = [_ended(deployment) for deployment in one["deployments"]]
            self._settings[key] = one["settings"]
            self._logs.update(one["logs"])

    def _save(self) -> None:
        if self.path is None:
            return
        kept = [
            {
                "site": key[0],
                "content": key[1],
                "deployments": self._known.get(key, []),
                "logs": {one["id"]: self.log(one["id"]) for one in self._known.get(key, ())},
                "settings": self._settings.get(key, {}),
            }
            for key in {**self._known, **self._settings}
        ]
        write_json(self.path, kept)

    def of(self, site: str, content: str) -> Sequence[Mapping[str, Any]]:
        return tuple(self._known.get((site, content), ()))

    def put(self, site: str, content: str, deployment: Mapping[str, Any]) -> None:
        """Add *deployment*, or replace the one with its ``id``; at most one is active."""
        known = self._known.setdefault((site, content), [])
        others = [one for one in known if one["id"] != deployment["id"]]
        if deployment.get("active"):
            others = [{**one, "active": False} for one in others]
        for old in others[KEPT - 1 :]:
            self._logs.pop(old["id"], None)
        known[:] = [deployment, *others[: KEPT - 1]]
        self._save()

    def log(self, deployment: str) -> Sequence[Mapping[str, Any]]:
        """Return the log of the deployment with that id, oldest line first."""
        return self._logs.get(deployment, [])

    def note(self, deployment: str, line: Mapping[str, Any]) -> None:
        """Add *line* to a log; it is saved with the deployment."""
        self._logs.setdefault(deployment, []).append(line)

    def settings(self, site: str, content: str) -> Mapping[str, str]:
        """Return the settings made through Kudu, without the app settings."""
        return self._settings.get((site, content), {})

    def set(self, site: str, content: str, name: str, value: str | None) -> None:
        """Set one of Kudu's own settings; None removes it."""
        own = self._settings.setdefault((site, content), {})
        own.pop(name, None)
        if value is not None:
            own[name] = value
        self._save()

    def forget(self, site: str, content: str) -> None:
        """Remove everything about a deleted content."""
        for one in self._known.pop((site, content), ()):
            self._logs.pop(one["id"], None)
        self._settings.pop((site, content), None)
        self._save()


def _ended(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    if deployment["complete"]:
        return deployment
    return {
        **deployment,
        "status": 3,
        "status_text": "The platform was stopped meanwhile.",
        "progress": "",
        "complete": True,
        "end_time": deployment["received_time"],
        "provisioningState": "Failed",
    }
