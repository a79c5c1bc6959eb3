"""
Keep ARM's answers for the emulator to be held against, without what they name.

Of a text only a placeholder stays, the same for equal texts of one recording; words of ARM's own
and numbers stay. So no name, id, host, setting or secret does.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from gitslot.edges.azure.answers import as_object
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.errors import AzureError
from gitslot.http.client import Answer, Http
from gitslot.state.wanted import PRODUCTION, STAGING

WORDS = re.compile(r"[Cc]ode|kind|type|state|sku|\w+State|hostType|redundancyMode|ipMode")
_NAMES = ("tags", "functionKeys", "systemKeys", "userAssignedIdentities")  # what is below is named
_KEY, _WORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,60}"), re.compile(r"[A-Za-z0-9_,./ -]{1,60}")
_PLACE = re.compile(r"/(subscriptions|resourceGroups|sites|slots)/[^/]+", re.IGNORECASE)
_HEADER = re.compile(r"etag|location|retry-after|x-ms-failure-cause|x-ms-ratelimit-remaining-.*")


class Recorder(Http):
    """Pass requests on to *http*; keep each answer that differs from the last of its path."""

    def __init__(self, http: Http) -> None:
        super().__init__()
        self._http = http
        self._texts: dict[str, str] = {}
        self._last: dict[str, Any] = {}
        self.answers: list[Mapping[str, Any]] = []

    def request(self, method: str, url: str, **more: Any) -> Answer:
        """Send a request, as Http does."""
        answer = self._http.request(method, url, **more)
        path = urlsplit(url).path
        body = self._masked(as_object(answer.text), path.rpartition("/")[0][-11:])
        if self._last.get(path) != (answer.status, body):
            self._last[path] = answer.status, body
            kept = {k.lower(): v for k, v in answer.headers.items() if _HEADER.fullmatch(k.lower())}
            headers = {k: v if v.isdigit() else self._text(v) for k, v in kept.items()}
            call = " ".join((method, _PLACE.sub(r"/\1/{}", path)))
            self.answers.append(
                {"call": call, "status": answer.status, "headers": headers, "body": body}
            )
        return answer

    def _masked(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            found = {}
            for k, v in value.items():
                named = key in _NAMES or not _KEY.fullmatch(k)
                below = "tags" if (key, k) == ("appsettings", "properties") else k
                found[self._text(k) if named else k] = self._masked(v, "" if named else below)
            return found
        if isinstance(value, list):
            return [self._masked(each, key) for each in value]
        own = not isinstance(value, str) or (WORDS.fullmatch(key) and _WORD.fullmatch(value))
        return value if own or not value else self._text(value)

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, f"text-{len(self._texts) + 1}")


def reads(azure: Azure, app: AppRef) -> None:
    """Make the controller's reads of *app*, one after another; a refusal is an answer, too."""
    for slot in (PRODUCTION, STAGING, "gitslot-has-no-such-slot"):
        with suppress(AzureError):
            azure.look_at(app, slot)
    with suppress(AzureError):
        azure.function_key(app, STAGING)
