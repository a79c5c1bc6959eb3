"""
A slot's Kudu over TLS: who calls, then by path.

Paths, names in the query and the words of refusals: see ``emulator.scm``. Unknown paths, ``vfs``
among them, are 404.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from socket import socket
from typing import Any
from urllib.parse import unquote

from aiohttp import hdrs, web

from emulator.arm.world import World
from emulator.faults import Faults
from emulator.identity import Identity
from emulator.packages import PackageError
from emulator.scm.access import caller
from emulator.scm.deployer import IN_PROGRESS, ConflictError, Deployer
from emulator.scm.results import FAILED, SUCCESS, Push
from emulator.state import Site, Slot

CHUNK = 1 << 20
# KuduLite's own defaults (DeploymentSettingsManager); app settings go before them.
DEFAULTS: Mapping[str, str] = {
    "deployment_branch": "master",
    "SCM_TRACE_LEVEL": "1",
    "SCM_COMMAND_IDLE_TIMEOUT": "60",
    "SCM_LOGSTREAM_TIMEOUT": "7200",
    "SCM_BUILD_ARGS": "",
    "SCM_GIT_USERNAME": "windowsazure",
    "SCM_GIT_EMAIL": "windowsazure",
    "ScmType": "None",
}
ARTIFACTS = ("war", "jar", "ear", "lib", "static", "startup", "script", "zip")


@dataclass(frozen=True, slots=True)
class Scm:
    """What every slot's Kudu works with."""

    world: World
    identity: Identity
    faults: Faults
    deployer: Deployer


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, admitted."""

    request: web.BaseRequest
    site: Site
    slot: Slot
    who: str
    query: Mapping[str, str]
    word: str = ""  # what the path ends in: an id, a key

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        """Read a bool of the query."""
        given = self.query.get(name)
        return otherwise if given is None else given.lower() in ("true", "1")

    def key(self) -> tuple[str, str]:
        """Name the content."""
        return self.site.key, self.slot.deployment_id


class Kudu:
    """Listens for one slot's Kudu."""

    def __init__(self, site: str, slot: str, scm: Scm) -> None:
        self.site = site
        self.slot = slot
        self.world = scm.world
        self.scm = scm
        self._runner: web.ServerRunner | None = None
        self._routes: Mapping[tuple[str, str], Callable[[_Call], Awaitable[web.Response]]] = {
            ("POST", "zipdeploy"): self._zip_deploy,
            ("PUT", "zipdeploy"): self._zip_deploy,
            ("POST", "zipdeploy/validate"): self._validate,
            ("POST", "publish"): self._publish,
            ("PUT", "publish"): self._publish,
            ("GET", "deployments"): self._deployments,
            ("GET", "deployments/*"): self._deployment,
            ("GET", "deployments/*/log"): self._log,
            ("GET", "settings"): self._settings,
            ("POST", "settings"): self._set,
            ("GET", "settings/*"): self._setting,
            ("DELETE", "settings/*"): self._unset,
        }

    async def open(self, listener: socket, context: ssl.SSLContext) -> None:
        """Answer on *listener*, which listens already."""
        server = web.Server(self._answer, access_log=None, keepalive_timeout=240.0)
        runner = web.ServerRunner(server, shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=context, backlog=512).start()
        self._runner = runner

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        fault = self.scm.faults.take("kudu", self.site, self.slot)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.drop and request.transport is not None:
                request.transport.abort()
            if fault.drop or fault.status:
                await _drain(request)
                return web.Response(status=fault.status or 503, text=str(fault.body or ""))
        answer = await self._admit(request)
        await _drain(request)  # what was refused unread, so that the client can read the answer
        return answer

    async def _admit(self, request: web.BaseRequest) -> web.Response:
        site = self.world.estate.sites.get(self.site)
        slot = site.slots.get(self.slot) if site else None
        if site is None or slot is None:
            return web.Response(status=404, text="404 Web Site not found.")
        given = request.headers.get(hdrs.AUTHORIZATION)
        who = caller(given, site, slot, self.scm.identity, self.world.url)
        if who is None:
            # Nothing in it, as az shows it; the challenge is an assumption.
            realm = {hdrs.WWW_AUTHENTICATE: f'Basic realm="{slot.scm_host}"'}
            return web.Response(status=401, headers=realm)
        query = {name.lower(): value for name, value in request.query.items()}
        words = [unquote(word) for word in request.rel_url.raw_path.split("/") if word]
        if not words:
            return web.Response(text="Kudu")
        if words[0].lower() == "api":
            pattern, word = _pattern(words[1:])
            route = self._routes.get((request.method, pattern))
            if route is not None:
                return await route(_Call(request, site, slot, who, query, word))
        return web.Response(status=404, text=f"No route registered for '{request.path}'")

    # Uploads.

    async def _zip_deploy(self, call: _Call) -> web.Response:
        push = Push(
            deployer=call.query.get("deployer") or "Push-Deployer",
            message=call.query.get("message") or "Created via a push deployment",
            author=call.query.get("author") or "N/A",
            author_email=call.query.get("authoremail") or "N/A",
            asynchronous=call.flag("isasync"),
        )
        return await self._push(call, push)

    async def _publish(self, call: _Call) -> web.Response:
        kind = call.query.get("type", "")
        if kind.lower() not in ARTIFACTS:
            return web.Response(status=400, text=f"type='{kind}' not recognized")
        if kind.lower() != "zip":
            return web.Response(status=400, text=f"Artifact type '{kind}' not supported")
        push = Push(
            deployer="OneDeploy",
            message="OneDeploy",
            restart=call.flag("restart", otherwise=True),
            asynchronous=call.flag("async"),
        )
        return await self._push(call, push)

    async def _push(self, call: _Call, push: Push) -> web.Response:
        request = call.request
        source: AsyncIterator[bytes] | str = _body(request)
        if request.content_type == "application/json":
            url = _package_uri(await request.read())
            if url is None:
                return web.Response(status=400, text="Request body does not contain packageUri")
            source = url
        made = {"method": request.method, "path": request.path, "id": "", "status": 200}
        who = {"caller": call.who, "request": made}
        try:
            done = await self.scm.deployer.deploy(call.site, call.slot, source, push, who)
        except ConflictError as conflict:
            return web.Response(status=409, text=str(conflict))
        except PackageError as error:
            return web.Response(status=400, text=str(error))
        headers = {"scm-deployment-id": done["id"]}
        if push.asynchronous:
            now = datetime.fromtimestamp(self.world.now(), UTC).strftime("%Y-%m-%d_%H-%M-%SZ")
            latest = f"/api/deployments/latest?deployer={push.deployer}&time={now}"
            headers[hdrs.LOCATION] = f"https://{call.slot.scm_host}{latest}"
            headers[hdrs.RETRY_AFTER] = str(self.world.latency.retry_after_s)
            return web.Response(status=202, headers=headers)
        status = 500 if done["status"] == FAILED else 200
        return web.Response(status=status, headers=headers, text=done["status_text"])

    async def _validate(self, call: _Call) -> web.Response:
        """Tell whether the package can be unpacked; nothing is deployed."""
        try:
            await self.scm.deployer.packages.add(_body(call.request))
        except PackageError as error:
            return _json({"result": "Failure", "message": str(error)}, 400)
        return _json({"result": "Success"})

    # What was uploaded.

    async def _deployments(self, call: _Call) -> web.Response:
        known = self.world.deployments.of(*call.key())
        return _json([_with_urls(call, one, one["id"]) for one in known])

    async def _deployment(self, call: _Call) -> web.Response:
        one = self._find(call)
        if one is None:
            return web.Response(status=404, text=f"Deployment '{call.word}' not found.")
        if call.word.lower() == "latest" and one["status"] not in (FAILED, SUCCESS):
            where = f"https://{call.slot.scm_host}{call.request.raw_path}"
            return _json(one, 202, {hdrs.LOCATION: where})
        return _json(_with_urls(call, one, call.word))

    async def _log(self, call: _Call) -> web.Response:
        one = self._find(call)
        if one is None:
            return web.Response(status=404, text=f"No log found for '{call.word}'.")
        return _json(self.world.deployments.log(one["id"]))

    def _find(self, call: _Call) -> Mapping[str, Any] | None:
        """Return the deployment that the path names; ``latest`` is the newest."""
        known = self.world.deployments.of(*call.key())
        if call.word.lower() == "latest":
            return known[0] if known else None
        return next((one for one in known if one["id"] == call.word), None)

    # Settings: DEFAULTS, what was set here, the app's own.

    def _all(self, call: _Call) -> dict[str, str]:
        own = self.world.deployments.settings(*call.key())
        return {**DEFAULTS, **own, **call.slot.settings}

    async def _settings(self, call: _Call) -> web.Response:
        return _json(self._all(call))

    async def _setting(self, call: _Call) -> web.Response:
        known = {name.lower(): value for name, value in self._all(call).items()}
        if call.word.lower() not in known:
            return web.Response(status=404, text=f"'{call.word}' setting does not exist.")
        return web.Response(text=known[call.word.lower()])

    async def _set(self, call: _Call) -> web.Response:
        try:
            given = json.loads(await call.request.read())
        except ValueError:
            given = None
        if not isinstance(given, Mapping) or not given:
            return web.Response(status=400)
        if set(given) == {"key", "value"}:  # the older form
            given = {str(given["key"]): given["value"]}
        if self.scm.deployer.busy(call.site, call.slot):
            return web.Response(status=409, text=IN_PROGRESS)
        for name, value in given.items():
            text = value if isinstance(value, str) else json.dumps(value)
            self.world.deployments.set(*call.key(), name, text)
        return web.Response(status=204)

    async def _unset(self, call: _Call) -> web.Response:
        if self.scm.deployer.busy(call.site, call.slot):
            return web.Response(status=409, text=IN_PROGRESS)
        self.world.deployments.set(*call.key(), call.word, None)
        return web.Response(status=204)


def _pattern(words: list[str]) -> tuple[str, str]:
    """Return the route of *words*, as the table has it, and the word that its star stands for."""
    lower = [word.lower() for word in words]
    if lower[:1] in (["deployments"], ["settings"]) and len(words) > 1:
        return "/".join([lower[0], "*", *lower[2:]]), words[1]
    return "/".join(lower), ""


def _with_urls(call: _Call, one: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    url = f"https://{call.slot.scm_host}/api/deployments/{word}"
    return {**one, "url": url, "log_url": f"{url}/log"}


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response(value, status=status, headers=headers)


def _package_uri(body: bytes) -> str | None:
    """Read ``packageUri``, alone or below ``properties``."""
    try:
        given = json.loads(body)
        given = given.get("properties", given)
        url = given["packageUri"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    if not request.body_exists:
        return
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async for chunk in request.content.iter_chunked(CHUNK):
        yield chunk


async def _drain(request: web.BaseRequest) -> None:
    if request.body_exists and request.headers.get(hdrs.EXPECT, "") == "":
        async for _ in request.content.iter_any():
            pass
