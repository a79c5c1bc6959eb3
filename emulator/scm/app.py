"""
A slot's Kudu over TLS: checks the caller, then finds the handler by path.

Paths and the words of refusals: see ``emulator.scm``. A path that is not in ``ROUTES``, such as
``vfs``, answers 404.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

from aiohttp import hdrs, web

from emulator.machine.serving import Listener
from emulator.scm import settings, shown, uploads
from emulator.scm.access import caller
from emulator.scm.calls import Call, Scm, drain

Handler = Callable[[Scm, Call], Awaitable[web.Response]]
# Requests are counted by operation (``GET /requests``).
ROUTES: Mapping[tuple[str, str], tuple[str, Handler]] = {
    ("POST", "zipdeploy"): ("kudu-zipdeploy", uploads.zip_deploy),
    ("PUT", "zipdeploy"): ("kudu-zipdeploy", uploads.zip_deploy),
    ("POST", "zipdeploy/validate"): ("kudu-validate", uploads.validate),
    ("POST", "publish"): ("kudu-publish", uploads.publish),
    ("PUT", "publish"): ("kudu-publish", uploads.publish),
    ("GET", "deployments"): ("kudu-deployments", shown.deployments),
    ("GET", "deployments/*"): ("kudu-deployment", shown.deployment),
    ("GET", "deployments/*/log"): ("kudu-log", shown.log),
    ("GET", "settings"): ("kudu-settings", settings.settings),
    ("POST", "settings"): ("kudu-settings-put", settings.put),
    ("GET", "settings/*"): ("kudu-setting", settings.setting),
    ("DELETE", "settings/*"): ("kudu-setting-delete", settings.delete),
}


class Kudu(Listener):
    """Listens for one slot's Kudu."""

    def __init__(self, site: str, slot: str, scm: Scm) -> None:
        self.site = site
        self.slot = slot
        self.scm = scm

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = await self._admit(request)
        await drain(request)
        return answer

    async def _admit(self, request: web.BaseRequest) -> web.Response:
        azure = self.scm.azure
        site = azure.store.sites.get(self.site)
        slot = site.slots.get(self.slot) if site else None
        if site is None or slot is None:
            return web.Response(status=404, text="404 Web Site not found.")
        given = request.headers.get(hdrs.AUTHORIZATION)
        who = caller(given, site, slot, self.scm.identity, azure.url)
        if who is None:
            # An empty body, as az shows it; the challenge is an assumption.
            realm = {hdrs.WWW_AUTHENTICATE: f'Basic realm="{slot.scm_host}"'}
            return web.Response(status=401, headers=realm)
        planted, place = self.scm.faults.answer, ("kudu", self.site, self.slot)
        query = {name.lower(): value for name, value in request.query.items()}
        words = [unquote(word) for word in request.rel_url.raw_path.split("/") if word]
        if not words:
            return await planted(request, *place) or web.Response(text="Kudu")
        pattern, word = _pattern(words[1:])
        route = ROUTES.get((request.method, pattern)) if words[0].lower() == "api" else None
        if route is None:
            azure.counts.unknown[(request.method, f"SCM{request.path}")] += 1
            return web.Response(status=404, text=f"No route registered for '{request.path}'")
        operation, handler = route
        azure.counts.count(operation, who, request.headers.get(hdrs.USER_AGENT, ""))
        answer = await planted(request, *place)
        call = Call(request, site, slot, who, query, word)
        return answer or await handler(self.scm, call)


def _pattern(words: list[str]) -> tuple[str, str]:
    """Return the pattern of *words* in ROUTES, and the word that its star stands for."""
    lower = [word.lower() for word in words]
    if lower[:1] in (["deployments"], ["settings"]) and len(words) > 1:
        return "/".join([lower[0], "*", *lower[2:]]), words[1]
    return "/".join(lower), ""
