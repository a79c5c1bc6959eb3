"""
Talk to a slot as its users do: kept connections, https only, bounded, no redirects, no cookies.

What comes back is hostile until it is parsed into a `Health` or a few floats.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gitslot.errors import NoAnswer
from gitslot.http.client import Http
from gitslot.state.safe_text import safe
from gitslot.state.seen import Answer, Health

_CONNECT_S, _TOTAL_S = 3.0, 10.0
_MAX_BODY = 256 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = ("model", "version", "digest", "deploy", "code")  # of every answer
_FIELD = 200  # characters of any text from a slot
# The front end's page for a site that is stopped, by hand or by a quota.
_STOPPED = (b"is stopped", b"Site Disabled")
# Reasons of an app for which looking again will not help.
_FINAL = (
    *("DigestMismatch", "ManifestInvalid", "FormatRefused", "LoadFailed", "GoldenRowsFailed"),
    *("RuntimeMissing", "SettingsInvalid", "UnknownVersion"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status 0 and *error* where there was none. *seconds* to the last byte."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] | None = None
    seconds: float = 0.0
    error: str = ""

    def header(self, name: str) -> str:
        """Return header *name*, cut, or ""."""
        return safe((self.headers or {}).get(name, ""), _FIELD)

    def json(self) -> Any:
        """Return the parsed body, or None where it is not JSON of finite numbers."""
        try:
            return json.loads(self.body, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class Prober:
    """Asks slots by host name; ports are allowed, paths are ours. A request takes *total_s*."""

    def __init__(self, http: Http | None = None, total_s: float = _TOTAL_S) -> None:
        self._http = http or Http()
        self._total_s = total_s

    def health(self, host: str, *, fresh: bool = False) -> Health:
        """Return the answer of GET /api/health of *host*; never raise."""
        return read_health(self.request("GET", host, "/api/health", fresh=fresh))

    def request(
        self,
        method: str,
        host: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> Reply:
        """Send one request, *fresh* over a new connection; return 256 KB at most; never raise."""
        try:
            answer = self._http.request(
                method,
                f"https://{host}{path}",
                headers={"Content-Type": "application/json", **(headers or {})},
                body=body,
                connect_s=_CONNECT_S,
                total_s=self._total_s,
                most=_MAX_BODY,
                fresh=fresh,
            )
        except NoAnswer as error:
            return Reply(0, error=error.cause)
        return Reply(answer.status, answer.body, answer.headers, answer.seconds)


def read_health(reply: Reply) -> Health:
    """Parse one answer of GET /api/health by serving contract v1."""
    if reply.status == 403 and any(words in reply.body for words in _STOPPED):
        return Health(Answer.STOPPED, detail="HTTP 403: it is stopped")
    if reply.status in (401, 403) or 300 <= reply.status < 400:
        return Health(Answer.BLOCKED, detail=f"HTTP {reply.status}")
    body = reply.json()
    ours = isinstance(body, dict) and all(isinstance(body.get(key), str) for key in _FIELDS)
    if reply.status not in (200, 503) or not ours:
        if reply.status in (0, 408, 429) or reply.status >= 500:
            return Health(Answer.SILENT, detail=reply.error or f"HTTP {reply.status}")
        return Health(Answer.FOREIGN, detail=f"HTTP {reply.status}")
    text: dict[str, Any] = {
        key: safe(str(body[key]), _FIELD)
        for key in (*_FIELDS, "reason", "verify")
        if isinstance(body.get(key), str)
    }
    reason = re.sub(r"[^A-Za-z0-9]", "", text.pop("reason", ""))[:60]
    if reply.status == 503:
        return Health(Answer.UNHEALTHY, reason=reason, final=reason in _FINAL, **text)
    if not _DIGEST.fullmatch(text["digest"]):
        return Health(Answer.FOREIGN, detail="health names no digest")
    return Health(Answer.SERVING, reason=reason, **text)


def finite(value: object) -> bool:
    """Say whether *value* is a finite number that a float can hold, and not a bool."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
