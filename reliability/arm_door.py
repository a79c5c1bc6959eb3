"""
ARM through the seam: the controller's own HTTP client, which ends in the emulator's handlers; the
real azure-mgmt-web client and the plain GETs go out through it.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from azure.core.credentials import AccessToken
from azure.mgmt.web import WebSiteManagementClient
from urllib3 import HTTPHeaderDict

from emulator.arm.calls import Answer
from emulator.arm.routes import find
from emulator.arm.spoiling import DroppedError, Spoiler
from emulator.seen.faults import Fault
from emulator.slots.state import Site
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.errors import NoAnswer
from gitslot.http.client import Answer as HttpAnswer
from gitslot.http.client import Http, host_of
from gitslot.state.wanted import PRODUCTION
from reliability.cloud import ARM, SUBSCRIPTION, Cloud, token
from reliability.seam import Door, Process

# Reads whose answer is made of the site alone, and so is the same while the site is.
_PURE = ("site-get", "slot-get", "appsettings-list", "slotconfignames-get")
_VERSION = "api-version=2024-11-01"
WRITES = ("appsettings-put", "slotsswap", "resetslotconfig")
_SPOILT = {"error": 503, "throttled": 429}


class Inline(Executor):
    """An executor that runs each task when it is submitted, so that reads come in one order."""

    def __init__(self, workers: int = 1) -> None:
        del workers

    def __exit__(self, *_: object) -> None:
        """Wait for nothing: every task has ended."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class Credential:
    """Gives the token of one caller, which never ends."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(token(self._name), 1 << 33)


@cache
def _named(method: str, path: str) -> tuple[str, str, str]:
    """Return operation, site and slot of a path."""
    found = find(method, path)
    assert found is not None, (method, path)
    route, params = found
    return route.operation, params.get("site", ""), params.get("slot", "production")


class ArmDoor:
    """What one controller's process sees of ARM."""

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._cloud, self._process = cloud, process
        self.caller = process.name
        self.headers = {"authorization": f"Bearer {token(process.name)}"}
        self._last: dict[tuple[str, str], list[Answer]] = {}
        self._fetched: dict[tuple[str, str], tuple[Site, Answer]] = {}

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request through the seam; return the emulator's answer."""
        path, _, query = url.removeprefix(ARM).partition("?")
        operation, site, slot = _named(method, path)
        write = operation in WRITES
        asked = _Asked(method, path, query, headers, body, operation, site, slot)
        effect = partial(self._write if write else self._fetch, asked)
        kind = self._process.begin(
            f"arm.{operation}.{slot}" if site else f"arm.{operation}", write=write
        )
        answer = effect() if kind is None else self._spoilt(kind, asked, effect, write=write)
        if not write:
            self._remember((method, path), answer)
            self._ghost(operation, slot, answer)
        return answer

    def _fetch(self, asked: "_Asked") -> Answer:
        """Ask the emulator, or use what it said while nothing has changed since."""
        if asked.operation not in _PURE or self._planted(asked):
            return self._send(asked)
        site = self._cloud.site
        known = self._fetched.get((asked.method, asked.path))
        if known is None or known[0] is not site:
            known = self._fetched[asked.method, asked.path] = (site, self._send(asked))
        return known[1]

    def _send(self, asked: "_Asked") -> Answer:
        headers = {k.lower(): v for k, v in asked.headers.items()}
        headers["x-ms-client-request-id"] = str(len(self._process.seam.calls))
        query = {k.lower(): v for k, v in parse_qsl(asked.query)}
        cloud, words = self._cloud, (asked.method, asked.path, query, headers, asked.body)
        rule = self._planted(asked)
        if rule is None:
            with cloud.loop.current():
                return cloud.gateway.answer(*words)
        what = "spoilt" if rule.times is not None else "spoilt-ever"  # that ends no quiet
        cloud.history.ghost(what, what=asked.operation, kind="planted")
        spoiler = Spoiler(cloud.gateway, cloud.faults, cloud.fabric.ended)
        try:
            return cloud.loop.finish(spoiler.answer(*words))
        except DroppedError as dropped:
            raise _lost("connection reset by peer") from dropped

    def _planted(self, asked: "_Asked") -> Fault | None:
        """Return the rule of the emulator's switchboard that spoils this call."""
        place = (asked.site, asked.slot) if asked.site else (None, None)
        rules = self._cloud.faults.rules
        return next((rule for rule in rules if rule.fits(asked.operation, *place)), None)

    def _write(self, asked: "_Asked") -> Answer:
        ghost, caller = self._cloud.history.ghost, self.caller
        what = asked.operation
        ghost("write-sent", caller=caller, what=what, site=asked.site, slot=asked.slot)
        answer = self._send(asked)
        ghost("write-answered", caller=caller, what=what, status=answer.status)
        self._process.seam.stage += 1
        return answer

    def _spoilt(
        self, kind: str, asked: "_Asked", effect: Callable[[], Answer], *, write: bool
    ) -> Answer:
        def lose(cause: str) -> Answer:
            if cause in _SPOILT:
                shape = {"error": {"code": "ServerBusy", "message": "try again"}}
                return Answer(_SPOILT[cause], shape, {"retry-after": "10"})
            if cause == "empty":
                return Answer(400)
            if cause == "timeout":
                raise _lost("not in time")
            if cause == "unopened":
                raise NoAnswer(host_of(ARM), "refused", sent=False)
            raise _lost("connection reset by peer")

        def stale() -> Answer:
            known = self._last.get((asked.method, asked.path), [])
            fresh = effect()
            older = [answer for answer in known if answer.body != fresh.body]
            return older[-1] if older else fresh

        patience = 240.0 if asked.operation == "slotsswap" else 60.0
        door = Door("", lose, stale=None if write else stale, patience_s=patience)
        answer: Answer = self._process.spoil(door, effect, kind)
        return answer

    def _remember(self, key: tuple[str, str], answer: Answer) -> None:
        known = self._last.setdefault(key, [])
        if answer.status == 200 and (not known or known[-1] is not answer):
            known.append(answer)

    def _ghost(self, operation: str, slot: str, answer: Answer) -> None:
        if operation in ("operationresults", "resources-list", "subscriptions-list", "listkeys"):
            return
        properties = (answer.body or {}).get("properties") or {}
        self._cloud.history.ghost(
            "arm-read",
            caller=self._process.name,
            what="site-get" if operation == "slot-get" else operation,
            slot=slot,
            ok=answer.status == 200,
            busy=bool(properties.get("inProgressOperationId")) if "get" in operation else False,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, and what the emulator calls it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    operation: str
    site: str
    slot: str


def _lost(cause: str) -> NoAnswer:
    return NoAnswer(host_of(ARM), cause, sent=True)


class DoorHttp(Http):
    """
    The controller's HTTP client; its requests end behind *door*, whose run it is now.

    *asked* is an answer that has been fetched already and waits for the SDK to read it.
    """

    def __init__(self, door: ArmDoor, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._door = door
        self.asked: tuple[str, HttpAnswer | Exception] | None = None

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        **_: Any,
    ) -> HttpAnswer:
        asked, self.asked = self.asked, None
        if asked is not None:
            path, found = asked
            assert urlsplit(url).path == path
            if isinstance(found, Exception):
                raise found
            return found
        self.refuse_put_off(url, method)
        data = body.encode() if isinstance(body, str) else (body or b"")
        answer = self._door.answer(method, url, headers or {}, data)
        sent = _sent(answer)
        self.note(url, answer.status, sent.headers, method)
        return sent


class _Turned:
    """A client for the cached SDK that is turned to the run of now, which counts the calls."""

    now: DoorHttp
    meters: ClassVar[dict[str, Any]] = {}

    def request(self, *words: Any, **more: Any) -> HttpAnswer:
        return self.now.request(*words, **more)


def _sent(answer: Answer) -> HttpAnswer:
    headers = HTTPHeaderDict({**answer.headers, "content-type": "application/json; charset=utf-8"})
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    return HttpAnswer(answer.status, "", headers, body)


@cache
def _sdk(name: str) -> tuple[WebSiteManagementClient, _Turned]:
    """Return the caller's SDK client as the controller makes it, and what turns it to a run."""
    turned: Any = _Turned()
    return Azure(ARM, Credential(name), http=turned).client(SUBSCRIPTION), turned


_READ: dict[tuple[str, bytes], Any] = {}  # what the SDK made of each body


class SeamAzure(Azure):
    """
    The controller's own `Azure`, with its HTTP client ending in the emulator.

    The SDK takes a millisecond to read a site. Of a body that it has read before, its own reading
    is kept; a new body, an error or a lost answer goes through the whole SDK.
    """

    def __init__(self, cloud: Cloud, process: Process) -> None:
        self._door = ArmDoor(cloud, process)
        self._ended = DoorHttp(self._door, cloud.seconds)
        super().__init__(
            ARM, Credential(process.name), pool=Inline, http=self._ended, clock=cloud.seconds
        )
        self._kept_read: dict[int, tuple[Any, Any]] = {}

    def client(self, subscription: str) -> WebSiteManagementClient:
        """Return the shared client, turned to this run."""
        del subscription
        client, turned = _sdk(self._door.caller)
        turned.now = self._ended
        return client

    def _site(self, app: AppRef, slot: str) -> dict[str, Any]:
        return self._kept("GET", app, slot, "", partial(super()._site, app, slot))

    def settings(self, app: AppRef, slot: str) -> dict[str, str]:
        """Return the settings of *slot*."""
        read = partial(super().settings, app, slot)
        return dict(self._kept("POST", app, slot, "/config/appsettings/list", read))

    def sticky(self, app: AppRef) -> frozenset[str]:
        """Return the names of the settings that a swap leaves where they are."""
        read = partial(super().sticky, app)
        return self._kept("GET", app, PRODUCTION, "/config/slotConfigNames", read)

    def _kept[T](self, method: str, app: AppRef, slot: str, rest: str, read: Callable[[], T]) -> T:
        """Ask now; let the SDK read the answer unless it has read the same one before."""
        path = f"/subscriptions/{app.subscription}/resourceGroups/{app.resource_group}"
        path += f"/providers/Microsoft.Web/sites/{app.name}"
        path += (f"/slots/{slot}" if slot != PRODUCTION else "") + rest
        found: Answer | Exception
        url = f"{ARM}{path}?{_VERSION}"
        try:
            self._ended.refuse_put_off(url, method)
            found = self._door.answer(method, url, self._door.headers, b"")
            self._ended.note(url, found.status, HTTPHeaderDict(found.headers), method)
        except Exception as error:
            found = error
        good = isinstance(found, Answer) and found.status == 200
        if good and id(found) in self._kept_read:
            return self._kept_read[id(found)][1]  # type: ignore[no-any-return]
        raw = _sent(found) if isinstance(found, Answer) else found
        key = (f"{method} {path}", raw.body if isinstance(raw, HttpAnswer) else b"")
        if not good or key not in _READ:
            self._ended.asked = (path, raw)
            answer = read()
            if not good:
                return answer
            _READ[key] = answer
        answer = _READ[key]
        self._kept_read[id(found)] = (found, answer)
        return answer
